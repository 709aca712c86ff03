"""FreeLB's update: passes over the batch at points of an ascent in the embeddings, with accumulated gradients."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from matekd_bench import Batch, Context, Models, Perturbation, Seen, Views
from matekd_plugins.embeddings import direction, norms, uniform, zero_at_padding
from matekd_plugins.freelb import FreeLBParams
from matekd_plugins.freelb.published import Sizes, published_sizes

GRADIENT_NORM_FLOOR = 1e-8  # smallest divisor of a gradient, as in the authors' code


class FreeLB(Perturbation[FreeLBParams]):
    """FreeLB: the mean over passes of the study's loss at ``E + delta_k`` (Zhu et al. 2020, algorithm 1).

    E are the student's word embeddings before position, type and layer norm. delta climbs each example's own loss.
    """

    def __init__(self, params: FreeLBParams, context: Context) -> None:
        super().__init__(params, context)
        self.sizes = resolve_sizes(params, context)

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield one view per pass, each with a further shift; their gradients accumulate to that of the mean loss."""
        passes = self.sizes.passes
        shift, history = self._first_shift(batch), list[Seen]()
        for number in range(passes):
            last = number + 1 == passes
            # No ascent follows the last pass, so its shift needs no gradient.
            shift = shift.detach().requires_grad_(not last)
            dropout = 0 if self.params.share_dropout else number
            # Deviation from the paper: the loss includes the teacher, as under every method. A small shift keeps the
            # label, so the gold labels stay and the soft target is the teacher's output on the clean text.
            history.append((yield replace(batch.clean.shifted(shift, weight=1 / passes), dropout=dropout)))
            if not last:
                shift = self._climb(batch, shift)
        self._report_ascent(batch, shift, history)

    def _first_shift(self, batch: Batch) -> Tensor:
        """Draw the first perturbation [B, L, width]: ``init_mag * U(-1, 1)``, under l2 over ``sqrt(L_i * width)``.

        L_i is the example's number of real tokens, special ones included.
        """
        noise = self.sizes.init_mag * uniform(self.context, batch, "freelb")
        if self.params.norm == "linf":
            return noise
        tokens = batch.mask.sum(dim=1).to(noise.dtype) * noise.shape[-1]
        return noise / tokens.sqrt().view(-1, 1, 1)

    def _climb(self, batch: Batch, shift: Tensor) -> Tensor:
        """Take one ascent step along the gradient of `shift` and project the result back into the bound."""
        if shift.grad is None:
            raise RuntimeError("freelb's perturbation has no gradient: its view was not trained on")
        norm, bound = self.params.norm, self.sizes.max_norm
        # Deviation from the public code: the gradient is that of each example's own loss, not of the batch mean.
        grad = zero_at_padding(batch.mask, shift.grad)  # some networks have a gradient at padding
        shift = shift.detach() + self.sizes.adv_lr * direction(grad, norm, GRADIENT_NORM_FLOOR)
        if not bound:
            return shift
        if norm == "linf":
            return shift.clamp(-bound, bound)
        # Only perturbations longer than the bound are scaled: for shorter ones the factor is 1.
        return shift * (bound / norms(shift, norm).clamp(min=bound))

    def _report_ascent(self, batch: Batch, shift: Tensor, history: list[Seen]) -> None:
        """Report the norm of the last perturbation and the rise of the loss from the first to the last pass."""
        self.context.report("perturbation_norm", norms(shift, self.params.norm).sum(), len(batch))
        rise = (history[-1].loss - history[0].loss) * len(history)  # each loss has weight 1 / passes
        self.context.report("loss_rise", rise.sum(), len(batch))


def resolve_sizes(params: FreeLBParams, context: Context) -> Sizes:
    """Return passes and sizes in units of the embeddings, from the parameters or from a published table."""
    if params.published != "none":
        return published_sizes(params.published, context.task.name)
    unit, table = 1.0, context.word_embeddings
    if params.relative:
        unit = table.median_norm / (table.width**0.5 if params.norm == "linf" else 1.0)
    # fairseq-style: K ascent steps between K + 1 passes; transformers-style: K passes.
    passes = params.steps + (params.passes == "fairseq")
    return Sizes(passes, params.adv_lr * unit, params.init_mag * unit, params.max_norm * unit)

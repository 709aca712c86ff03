"""FreeLB's update: passes over the clean batch at points of an ascent, their gradients accumulated."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from matekd_bench import Batch, Context, Models, Perturbation, Seen, Views
from matekd_plugins.embeddings import at_tokens, direction, norms, uniform
from matekd_plugins.freelb import FreeLBParams
from matekd_plugins.freelb.published import Sizes, published

FLOOR = 1e-8  # of a gradient's norm, as in the authors' code


class FreeLB(Perturbation[FreeLBParams]):
    """The mean over passes of the study's loss at ``E + delta_k`` (Zhu et al. 2020, algorithm 1).

    E are the student's word embeddings; delta climbs each example's own loss. The gold labels stay, the soft target
    is the teacher's answer on the clean text.
    """

    def __init__(self, params: FreeLBParams, context: Context) -> None:
        super().__init__(params, context)
        self.sizes = sizes(params, context)

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean text, shifted further at each pass."""
        passes = self.sizes.passes
        shift, history = self._start(batch), list[Seen]()
        for number in range(passes):
            last = number + 1 == passes
            shift = shift.detach().requires_grad_(not last)
            dropout = 0 if self.params.share_dropout else number
            history.append((yield replace(batch.clean.shifted(shift, weight=1 / passes), dropout=dropout)))
            if not last:
                shift = self._climb(batch, shift)
        self._report(batch, shift, history)

    def _start(self, batch: Batch) -> Tensor:
        """The first perturbation [B, L, width]: U(-1, 1) / sqrt(L_i * width) times `init_mag`; linf: U times it."""
        noise = self.sizes.init_mag * uniform(self.context, batch, "freelb")
        if self.params.norm == "linf":
            return noise
        tokens = batch.mask.sum(dim=1).to(noise.dtype) * noise.shape[-1]
        return noise / tokens.sqrt().view(-1, 1, 1)

    def _climb(self, batch: Batch, shift: Tensor) -> Tensor:
        """The perturbation after a step along its gradient, back within the bound."""
        if shift.grad is None:
            raise RuntimeError("freelb's perturbation has no gradient: its view was not learned from")
        norm, bound = self.params.norm, self.sizes.max_norm
        grad = at_tokens(batch.mask, shift.grad)
        shift = shift.detach() + self.sizes.adv_lr * direction(grad, norm, FLOOR)
        if not bound:
            return shift
        if norm == "linf":
            return shift.clamp(-bound, bound)
        return shift * (bound / norms(shift, norm).clamp(min=bound))

    def _report(self, batch: Batch, shift: Tensor, history: list[Seen]) -> None:
        """How far the perturbation went, and how much the loss rose on the way."""
        self.context.report("perturbation_norm", norms(shift, self.params.norm).sum(), len(batch))
        rise = (history[-1].loss - history[0].loss) * len(history)  # a pass has 1 / passes of the weight
        self.context.report("loss_rise", rise.sum(), len(batch))


def sizes(params: FreeLBParams, context: Context) -> Sizes:
    """Passes and sizes in units of the embeddings: from the parameters, or from a published table for this task."""
    if params.published != "none":
        return published(params.published, context.task.name)
    unit, table = 1.0, context.word_embeddings
    if params.relative:
        unit = table.median_norm / (table.width**0.5 if params.norm == "linf" else 1.0)
    passes = params.steps + (params.passes == "fairseq")
    return Sizes(passes, params.adv_lr * unit, params.init_mag * unit, params.max_norm * unit)

"""MATE-KD's two kinds of update: the generator maximizes the divergence, the student learns on its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from matekd_bench import Batch, Context, Cycle, Models, Perturbation, View, Views
from matekd_plugins.masking import choose_masked, mask_id, report_changed
from matekd_plugins.matekd import MateKDParams
from matekd_plugins.matekd.sampling import StraightThroughLookup, gumbel_softmax, sample


class MateKD(Perturbation[MateKDParams]):
    """MATE-KD (Rashid et al. 2021, algorithm 1), in an efficient form with exactly the paper's gradients.

    The student's update needs no gradient in the generator, so ids are drawn from its softmax without a graph. The
    generator's update looks up embeddings by id going forward and uses the softmax at masked positions going backward.
    """

    def __init__(self, params: MateKDParams, context: Context) -> None:
        super().__init__(params, context)
        official = params.variant == "official"
        if params.generator_updates:
            stream: Literal["auxiliary", "student"] = "student" if official else "auxiliary"
            self.cycle = Cycle(params.generator_updates, params.student_updates, stream)
        self._mask = mask_id(context)
        self._generator = context.prepare(
            context.masked_lm(),
            # The paper names AdamW and its rate. It names no weight decay, and decay would pull the generator toward
            # zero between its few updates, so there is none. The rate is constant unless official.
            lambda weights: torch.optim.AdamW(weights, lr=params.generator_lr, weight_decay=0.0),
            clip=params.clip,
            schedule=self._official_schedule if official else None,
            name="generator",
        )
        self._initial_weights = [weight.detach().clone() for weight in self._generator.module.parameters()]
        # The last quarter of a round: the generator has learned against the student as it is now, and the student has
        # not yet learned from its texts.
        self._measured_from = params.generator_updates - max(1, params.generator_updates // 4)

    def _official_schedule(self, progress: float) -> float:
        """Return the released code's factor on the generator's rate at a share `progress` of the budget.

        The rate falls linearly, one step per generator update, toward zero after as many updates as there are batches
        of both phases. It follows the share of batches spent, which is exact to within one round.
        """
        generator, student = self.params.generator_updates, self.params.student_updates
        return 1.0 - progress * generator / (generator + student)

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the student's views, ``(CE(x) + D(x) + D(x')) / 3``; in an auxiliary phase update the generator."""
        at = choose_masked(self.context, batch, self.params.mask_rate)
        if batch.phase == "own":
            self._update_generator(batch, at, models)
            return
        # Shares of the study's weights, 1/3 and 2/3 by default: CE / 3 here, D / 3 here and D / 3 on x'.
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        # Deviation from the paper's product with W: a drawn [PAD] is looked up, so its embedding gets no gradient.
        view = View(
            ids=self._generate(batch, at), mask=batch.mask, types=batch.types,
            teacher="same", gold=0.0, soft=0.5, dropout=1,
        )  # fmt: skip
        report_changed(self.context, batch, view.ids)
        yield view

    def _generate(self, batch: Batch, at: Tensor) -> Tensor:
        """Return x': the ids [B, L] with the masked positions `at` drawn from the generator's softmax."""
        uniform = self.context.draw(batch, "sample", at=at)
        if not len(uniform):
            return batch.ids.clone()
        with torch.no_grad():  # the student's update leaves the generator fixed
            drawn = sample(self._predict(batch, at), uniform)
        # Not ids[at] = ..., for which the CPU would wait for a GPU.
        return batch.ids.masked_scatter(at, drawn)

    def _measure_margin(self, batch: Batch, at: Tensor, models: Models) -> None:
        """Report by how much D on the generator's text exceeds D on the text that it wrote before its first update.

        Both texts have the same rows, masked positions, draws and dropout masks, so that only the updates differ.
        """
        with self.context.measurement():
            with self._initial_generator():
                initial = self._generate(batch, at)
            then, now = (
                models.divergence(models.student_logits(view), models.teacher_logits(view))
                for view in (replace(batch.clean, ids=ids) for ids in (initial, self._generate(batch, at)))
            )
        self.context.report_values("adversary_margin", now - then)

    @contextmanager
    def _initial_generator(self) -> Iterator[None]:
        """Give the generator the weights that it had before its first update, inside the block."""
        weights = list(self._generator.module.parameters())
        trained = [weight.data for weight in weights]
        _set_data(weights, self._initial_weights)
        try:
            yield
        finally:
            _set_data(weights, trained)

    def _update_generator(self, batch: Batch, at: Tensor, models: Models) -> None:
        """Maximize D(T(x'), S(x')) over the generator's weights by the straight-through Gumbel-softmax."""
        where = at.nonzero(as_tuple=True)  # once, since the CPU waits for a GPU in each indexing by a mask
        if not len(where[0]):
            return
        if batch.update % self.params.generator_updates >= self._measured_from:
            self._measure_margin(batch, at, models)
        logits = self._predict(batch, at)
        noise = self.context.draw(batch, "gumbel", width=logits.shape[-1], at=at)
        soft = gumbel_softmax(logits, noise, self.params.temperature)
        ids = batch.ids.index_put(where, soft.detach().argmax(dim=-1))
        view = replace(batch.clean, ids=ids, embed=embedder(ids, where, soft))
        # Student and generator are in train mode in both phases, as in the authors' code: the text is made against
        # the student in training, with dropout.
        with models.frozen_student():
            divergence = models.divergence(models.student_logits(view), models.teacher_logits(view))
            self._generator.learn(-divergence)
        self.context.report("generator_divergence", divergence.detach().sum(), len(batch))

    def _predict(self, batch: Batch, at: Tensor) -> Tensor:
        """Predict vocabulary logits [N, V] at the masked positions."""
        logits: Tensor = self._generator(batch.ids.masked_fill(at, self._mask), batch.mask, batch.types, at)
        # At least float32: in half precision the Gumbel noise of small draws vanishes.
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def diagnostics(self) -> dict[str, float]:
        """Return `generator_moved`: the norm of the generator's change relative to the norm of its weights.

        Near zero, the generator did not act as an adversary.
        """
        pairs = list(zip(self._generator.module.parameters(), self._initial_weights, strict=True))
        # In float64: with the paper's rate and few updates a weight moves by less than 1e-5. Not every device has it.
        moved = sum(float((now.detach() - start).cpu().double().square().sum()) for now, start in pairs)
        size = sum(float(start.cpu().double().square().sum()) for _, start in pairs)
        return {"generator_moved": (moved / size) ** 0.5}


def _set_data(weights: list[nn.Parameter], values: list[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.data = value


def embedder(ids: Tensor, where: tuple[Tensor, ...], soft: Tensor) -> Callable[[nn.Embedding], Tensor]:
    """Return a function from an embedding table to embeddings [B, L, width].

    It looks up `ids` [B, L]. At the N positions `where`, given by row and column [N], its backward is ``g @ W^T``, the
    gradient in `soft` [N, V].
    """

    def embed(table: nn.Embedding) -> Tensor:
        weight = table.weight.detach()  # only the generator learns in this update
        generated = StraightThroughLookup.look_up(soft, ids[where], weight)
        return weight[ids].index_put(where, generated)

    return embed

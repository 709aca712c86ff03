"""MATE-KD's two kinds of update: the generator climbs the divergence, the student learns on what it writes."""

from __future__ import annotations

from collections.abc import Callable
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

    The student's step needs no gradient in the generator, so ids are drawn from its softmax without a graph. The
    generator's step looks embeddings up by id going forward and uses the softmax at masked positions going backward.
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
            lambda weights: torch.optim.AdamW(weights, lr=params.generator_lr, weight_decay=0.0),
            clip=params.clip,
            schedule=self._falling if official else None,
            name="generator",
        )
        self._start = [weight.detach().clone() for weight in self._generator.module.parameters()]

    def _falling(self, progress: float) -> float:
        """The released schedule: linear from the peak to zero over all batches, one step for each of its own."""
        own, student = self.params.generator_updates, self.params.student_updates
        return 1.0 - progress * own / (own + student)

    def views(self, batch: Batch, models: Models) -> Views:
        """``(CE(x) + D(x) + D(x')) / 3`` on generated text x'; in an auxiliary phase the generator's step."""
        at = choose_masked(self.context, batch, self.params.mask_rate)
        if batch.phase == "own":
            self._climb(batch, at, models)
            return
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        yield View(
            ids=self._write(batch, at), mask=batch.mask, types=batch.types,
            teacher="same", gold=0.0, soft=0.5, dropout=1,
        )  # fmt: skip

    def _write(self, batch: Batch, at: Tensor) -> Tensor:
        """x': the ids [B, L] with the masked positions drawn from the generator's softmax."""
        if not bool(at.any()):
            return batch.ids.clone()
        with torch.no_grad():
            logits = self._predict(batch, at)
            drawn = sample(logits, self.context.draw(batch, "sample", at=at))
        ids = batch.ids.clone()
        ids[at] = drawn
        report_changed(self.context, batch, ids)
        return ids

    def _climb(self, batch: Batch, at: Tensor, models: Models) -> None:
        """One generator update: maximize D(T(x'), S(x')) through the straight-through Gumbel-softmax."""
        if not bool(at.any()):
            return
        logits = self._predict(batch, at)
        noise = self.context.draw(batch, "gumbel", width=logits.shape[-1], at=at)
        soft = gumbel_softmax(logits, noise, self.params.temperature)
        ids = batch.ids.clone()
        ids[at] = soft.detach().argmax(dim=-1)
        view = replace(batch.clean, ids=ids, embed=embedder(ids, at, soft))
        with models.frozen_student():
            divergence = models.divergence(models.student_logits(view), models.teacher_logits(view))
            self._generator.learn(-divergence)
        self.context.report("generator_divergence", divergence.detach().sum(), len(batch))

    def _predict(self, batch: Batch, at: Tensor) -> Tensor:
        """Vocabulary logits [N, V] at the masked positions, in at least float32."""
        logits: Tensor = self._generator(batch.ids.masked_fill(at, self._mask), batch.mask, batch.types, at)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def diagnostics(self) -> dict[str, float]:
        """How far the generator moved: the norm of its change relative to the norm of its weights."""
        pairs = list(zip(self._generator.module.parameters(), self._start, strict=True))
        moved = sum(float((now.detach() - start).double().square().sum()) for now, start in pairs)
        size = sum(float(start.double().square().sum()) for _, start in pairs)
        return {"generator_moved": (moved / size) ** 0.5}


def embedder(ids: Tensor, at: Tensor, soft: Tensor) -> Callable[[nn.Embedding], Tensor]:
    """A function from an embedding table to [B, L, width]: a look-up whose backward, where masked, is ``g @ W^T``."""

    def embed(table: nn.Embedding) -> Tensor:
        weight = table.weight.detach()
        looked_up = weight[ids]
        looked_up[at] = 0
        generated = StraightThroughLookup.look_up(soft, ids[at], weight)
        return looked_up.index_put((at,), generated)

    return embed

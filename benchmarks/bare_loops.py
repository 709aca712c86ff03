"""The training loops that one would write without the suite: one update each, with the same networks and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from matekd_bench.distill.data.batches import pad

Update: TypeAlias = Callable[[Any], float]  # takes a batch and returns its loss

MASKED, PASSES = 0.3, 3
# The default sizes of `freelb`, as multiples of the median norm of the word embeddings.
FIRST, STEP, BOUND = 0.06, 0.03, 0.09


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL of a batch."""
    return F.kl_div(student.log_softmax(-1), teacher.log_softmax(-1), log_target=True, reduction="batchmean")


class BareLoop:
    """A student, its teacher and generator, and the optimizer, clipping and loss of the suite."""

    def __init__(self, parts: Any, student: Any, lr: float, clip: float) -> None:
        self.student, self.teacher, self.tokens = student.train(), parts.teacher, parts.student_encoder.tokens
        self._clip, self._generator = clip, None
        self._make_generator = parts.generator
        self._optimizer = torch.optim.AdamW(student.parameters(), lr=lr, fused=True)
        table = student.get_input_embeddings().weight.detach()
        self._unit = float(table.norm(dim=1).median())

    @property
    def generator(self) -> Any:
        """The generator, made at first use."""
        if self._generator is None:
            self._generator = self._make_generator().model.train()
        return self._generator

    def kd(self, batch: Any) -> float:
        """The clean text, with the teacher's cached logits."""
        loss = self._clean_loss(batch)
        loss.backward()
        return self._step(loss)

    def finish(self, batch: Any, ids: Tensor, mask: Tensor, types: Tensor | None) -> float:
        """The clean text, and a perturbed one that the teacher labels."""
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        with torch.no_grad():
            target = self.teacher(**inputs).logits
        perturbed = divergence(self.student(**inputs).logits, target)
        loss = self._clean_loss(batch, soft=1.0) + perturbed / 3
        loss.backward()
        return self._step(loss)

    def eda(self, batch: Any) -> float:
        """Text that is perturbed and tokenized already."""
        ids, mask, _, types = pad([row[0].student for row in batch.prepared], self.tokens.pad)
        return self.finish(batch, ids, mask, types)

    def random_mask(self, batch: Any) -> float:
        """A third of the tokens replaced by [MASK]."""
        ids = batch.ids.masked_fill(self._masked(batch), self.tokens.mask)
        return self.finish(batch, ids, batch.mask, batch.types)

    def matekd(self, batch: Any) -> float:
        """The student's update: masked tokens drawn from the generator, whose vocabulary head sees no others."""
        at = self._masked(batch)
        with torch.no_grad():
            masked = batch.ids.masked_fill(at, self.tokens.mask)
            logits = self._vocabulary(masked, batch, at)
            ids = batch.ids.clone()
            ids[at] = torch.multinomial(logits.softmax(-1), 1).squeeze(-1)
        return self.finish(batch, ids, batch.mask, batch.types)

    def freelb(self, batch: Any) -> float:
        """Three passes, each at a further point of an ascent in the word embeddings."""
        mask = batch.mask.unsqueeze(-1)
        size = (mask.sum(dim=1, keepdim=True) * self.student.config.hidden_size).sqrt()
        delta = (torch.rand(*batch.ids.shape, self.student.config.hidden_size) * 2 - 1) * mask / size
        delta, total = FIRST * self._unit * delta, torch.zeros(())
        for number in range(PASSES):
            delta.requires_grad_()
            embedded = self.student.get_input_embeddings()(batch.ids) + delta
            loss = self._clean_loss(batch, inputs_embeds=embedded) / PASSES
            loss.backward()
            total = total + loss.detach()
            if number + 1 < PASSES:
                assert delta.grad is not None
                slope = delta.grad / _norm(delta.grad).clamp(min=1e-12)
                delta = delta.detach() + STEP * self._unit * slope
                delta = delta * (BOUND * self._unit / _norm(delta)).clamp(max=1)
        return self._step(total)

    def _clean_loss(self, batch: Any, soft: float = 2.0, **words: Tensor) -> Tensor:
        """The loss on the clean text: ``(CE + soft * KL) / 3``."""
        words = words or {"input_ids": batch.ids}
        logits = self.student(attention_mask=batch.mask, token_type_ids=batch.types, **words).logits
        hard = F.cross_entropy(logits, batch.labels)
        loss: Tensor = (hard + soft * divergence(logits, batch.teacher_logits)) / 3
        return loss

    def _step(self, loss: Tensor) -> float:
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self._clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _masked(self, batch: Any) -> Tensor:
        at: Tensor = (torch.rand(batch.ids.shape) < MASKED) & ~batch.special
        return at

    def _vocabulary(self, ids: Tensor, batch: Any, at: Tensor) -> Any:
        """The generator's logits at the positions `at`."""
        generator = self.generator
        hidden = generator.base_model(
            input_ids=ids, attention_mask=batch.mask, token_type_ids=batch.types
        ).last_hidden_state
        return generator.get_submodule("cls")(hidden[at])


def _norm(values: Tensor) -> Tensor:
    """The norm of each example."""
    norms: Tensor = torch.linalg.vector_norm(values, dim=(1, 2), keepdim=True)
    return norms

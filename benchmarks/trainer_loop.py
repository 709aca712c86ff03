"""`kd` in transformers' `Trainer`, with the teacher in the loop: the usual way to write a distillation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from bare_loops import divergence
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments

Clock = Callable[[], float]


class DistillationTrainer(Trainer):
    """A Trainer whose loss is that of `kd`, with the teacher's logits computed for each batch."""

    teacher: Any

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        """Return ``(CE + 2 KL) / 3``."""
        output = model(**inputs)
        with torch.no_grad():
            target = self.teacher(
                **{name: value for name, value in inputs.items() if name != "labels"}
            ).logits
        return (output.loss + 2 * divergence(output.logits, target)) / 3


class StepClock(TrainerCallback):
    """The moments at which updates ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.ends = clock, list[float]()

    def on_step_end(self, *args: Any, **options: Any) -> None:
        """Note the moment."""
        self.ends.append(self._clock())


def examples(corpus: Any) -> list[dict[str, Any]]:
    """Return the rows of a corpus as a Trainer takes them."""
    return [
        {"input_ids": row.ids, "token_type_ids": row.types or [0] * len(row.ids), "labels": int(label)}
        for row, label in zip(corpus.encoded, corpus.labels.tolist(), strict=True)
    ]


def collator(pad_id: int) -> Callable[[Sequence[dict[str, Any]]], dict[str, Tensor]]:
    """Return a function that pads rows to the longest of a batch."""

    def padded(rows: Sequence[dict[str, Any]], name: str, fill: int) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(row[name]) for row in rows], batch_first=True, padding_value=fill
        )

    def collate(rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        ids = padded(rows, "input_ids", pad_id)
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        return {
            "input_ids": ids,
            "attention_mask": (torch.arange(ids.shape[1]) < lengths.unsqueeze(1)).long(),
            "token_type_ids": padded(rows, "token_type_ids", 0),
            "labels": torch.tensor([row["labels"] for row in rows]),
        }

    return collate


def epoch(
    parts: Any, student: Any, folder: str, *, grouped: bool, lr: float, clip: float, clock: Clock
) -> float:
    """Train for an epoch and return the seconds of an update, the first one left out."""
    arguments = TrainingArguments(
        output_dir=folder, per_device_train_batch_size=32, num_train_epochs=1, learning_rate=lr,
        max_grad_norm=clip, optim="adamw_torch_fused", use_cpu=True, report_to="none", save_strategy="no",
        logging_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
        train_sampling_strategy="group_by_length" if grouped else "random",
    )  # fmt: skip
    steps = StepClock(clock)
    trainer = DistillationTrainer(
        model=student, args=arguments, train_dataset=examples(parts.corpus), callbacks=[steps],
        data_collator=collator(parts.student_encoder.tokens.pad),
    )  # fmt: skip
    trainer.teacher = parts.teacher
    trainer.train()
    return (steps.ends[-1] - steps.ends[0]) / (len(steps.ends) - 1)

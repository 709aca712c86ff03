"""Estimates the FLOPs of runs and teachers from the sizes of their models, independent of machine and records."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from matekd_bench.distill.models.checkpoints import Checkpoint, weight_bytes
from matekd_bench.distill.models.layer_cut import count_layers, hidden_width, vocabulary_size
from matekd_bench.distill.settings import Budget, Optimizer
from matekd_bench.study.plan.grid import Cell, resolved_limit
from matekd_bench.tasks.task import TaskData

TOKENS_PER_WORD = 1.35  # English text with a vocabulary of 30,000 word pieces
FORWARD = 2.0  # FLOPs of a forward pass per token and weight
TRAIN, INPUTS = (
    3.0,
    2.0,
)  # forward and backward in forward passes: for all weights, for the word embeddings only


class Passes(NamedTuple):
    """The passes of a method's update: forward and backward of the student, forward of the teacher on new text.

    `auxiliary` is the number of auxiliary updates for each update of the student.
    """

    student: float
    teacher: float
    auxiliary: float = 0.0


# By what a method perturbs. The teacher's answers on the clean text are cached.
PASSES = {
    "none": Passes(1, 0),
    "text": Passes(2, 1),
    "token": Passes(2, 1),
    "embedding": Passes(3, 0),
    "generator": Passes(2, 1, auxiliary=0.1),
}


def training_flops(cell: Cell) -> float:
    """Estimate the FLOPs of a run: the passes of student, teacher and generator, each in its own size.

    The estimate divides the grid into shards, so it must not depend on the machine or on records.
    """
    kind, limit = cell.job.budget
    if kind == "train_flops":
        return float(limit)
    recipe, method = cell.recipe, cell.job.method
    generator = recipe.generator if "generator" in method.needs else None
    per_token = flops_per_token(
        method.level,
        _weights(recipe.student.checkpoint, recipe.student.layers),
        0 if recipe.answers is not None else _weights(recipe.teacher_checkpoint, None),
        0 if generator is None else _weights(generator.checkpoint, generator.layers),
    )  # fmt: skip
    return per_token * clean_tokens(cell)


def flops_per_token(level: str, student: int, teacher: int, generator: int) -> float:
    """Estimate the FLOPs per token of clean text, from what a method perturbs and the weights of the models.

    `generator` is 0 for a method that needs none.
    """
    passes = PASSES[level]
    forwards = student * (TRAIN * passes.student + INPUTS * passes.auxiliary)
    forwards += teacher * (passes.teacher + INPUTS * passes.auxiliary)
    forwards += generator * (1 + TRAIN * passes.auxiliary)
    return FORWARD * forwards


def teacher_flops(cell: Cell) -> float:
    """Estimate the FLOPs to fine-tune the cell's teacher and to run it over the training rows.

    Fine-tuning costs nothing if the given teacher is already fine-tuned. Answers from a file cost nothing here.
    """
    recipe, train = cell.recipe, cell.data.train
    if recipe.answers is not None:
        return 0.0
    rows, labeled = (0, 0) if train is None else (len(train), len(train.gold))
    examples = 0 if recipe.teacher_given else _fine_tuning_examples(cell, labeled)
    return FORWARD * (TRAIN * examples + rows) * _weights(recipe.teacher_checkpoint, None) * mean_tokens(cell)


def generator_flops(cell: Cell) -> float:
    """Estimate the FLOPs of a generator's warm-up; its vocabulary head runs at masked positions only."""
    recipe = cell.recipe
    source, settings = recipe.generator, recipe.generator_settings
    if source is None or settings is None:
        return 0.0
    texts = [data for data in recipe.generator_texts or (cell.data,) if data.train is not None]
    rows = [len(data.train) for data in texts if data.train is not None]
    name, batch_size = ",".join(data.task.name for data in texts), settings.optimizer.batch_size
    hint = "Set a limit in [generator] of the config file: budget = { limit = 1000 }."
    examples = resolved_limit(settings.budget, name, sum(rows), batch_size, hint) * batch_size
    lengths = [tokens_of_rows(data, recipe.max_length) for data in texts]
    tokens = sum(count * length for count, length in zip(rows, lengths, strict=True)) / max(1, sum(rows))
    width, words = hidden_width(source.checkpoint) or 0, vocabulary_size(source.checkpoint) or 0
    head = settings.mask_rate * width * (words + width)
    return FORWARD * TRAIN * examples * tokens * (_weights(source.checkpoint, source.layers) + head)


def _fine_tuning_examples(cell: Cell, rows: int) -> int:
    """Return how many examples the teacher sees in fine-tuning on `rows` training rows."""
    budget: Budget = cell.recipe.teacher_settings.budget
    optimizer: Optimizer = cell.recipe.teacher_settings.optimizer
    hint = "Set a limit in [teacher] of the config file: budget = { limit = 1000 }."
    limit = resolved_limit(budget, cell.data.task.name, rows, optimizer.batch_size, hint)
    return limit if budget.kind == "clean_examples" else limit * optimizer.batch_size


def clean_tokens(cell: Cell) -> float:
    """Estimate the tokens of clean text that a run sees; its budget must be in updates or examples."""
    kind, limit = cell.job.budget
    examples = limit if kind == "clean_examples" else limit * cell.job.training.optimizer.batch_size
    return examples * mean_tokens(cell)


def _weights(checkpoint: Checkpoint, layers: Sequence[int] | None) -> int:
    """Estimate the number of weights in the layers: 12 * width**2 each, if the config gives their number and width."""
    depth, width = len(layers) if layers else count_layers(checkpoint), hidden_width(checkpoint)
    if depth is None or width is None:
        return weight_bytes(checkpoint) // 4  # as float32, embeddings included
    return 12 * depth * width**2


def mean_tokens(cell: Cell) -> float:
    """Estimate the tokens of a training example of the cell's task."""
    return tokens_of_rows(cell.data, cell.recipe.max_length)


def tokens_of_rows(data: TaskData, max_length: int) -> float:
    """Estimate the tokens of a training example from the words of the first 500."""
    texts = tuple(data.train.texts[:500]) if data.train else ()
    return min(max_length, 3 + TOKENS_PER_WORD * _mean_words(texts))


@lru_cache(maxsize=64)
def _mean_words(texts: tuple[tuple[str, ...], ...]) -> float:
    words = [sum(len(text.split()) for text in row) for row in texts] or [16]  # 16 without any texts
    return sum(words) / len(words)

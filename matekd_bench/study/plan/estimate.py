"""How long runs and teachers will take, judged by what is recorded or else by arithmetic."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch

from matekd_bench.distill.artifacts.teacher import is_cached
from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.distill.models.networks import count_layers
from matekd_bench.distill.settings import Budget, Optimizer
from matekd_bench.results.records.run_record import Record
from matekd_bench.study.plan.forecast import WorkItem
from matekd_bench.study.plan.grid import Cell

TOKENS_PER_WORD = 1.35  # of English text under a vocabulary of 30,000 pieces
# Student passes forward and backward per update, in units of plain distillation, by what a method perturbs.
PASSES = {"none": 1.0, "text": 2.3, "token": 2.3, "embedding": 3.0, "generator": 3.0}
EFFICIENCY = 0.35  # of the speed of one large matrix product, seen in training small encoders
SAME, ALIKE, FLOPS, GUESS = (
    "records of the same method, task and student",
    "records of the same method and student",
    "the speed of other records",
    "the speed of one matrix product, within a factor of two",
)


def work_items(cells: Sequence[Cell], records: Iterable[Record]) -> tuple[list[WorkItem], Counter[str]]:
    """The cells as work, with the teachers that are not made yet, and how many runs were judged by what."""
    speeds = SpeedEstimates(records, cells[0]) if cells else None
    work: list[WorkItem] = []
    bases: Counter[str] = Counter()
    made: dict[str, str | None] = {}
    judged: dict[tuple[object, ...], tuple[float, str]] = {}  # for all seeds at once
    for cell in cells:
        assert speeds is not None
        task = cell.data.task.name
        if task not in made:
            made[task] = None if has_teacher(cell) else f"teacher for {task}"
            if (name := made[task]) is not None:
                work.append(WorkItem(name, speeds.teacher(cell), task))
        alike = cell.job.variant, task, cell.job.budget, id(cell.job.training)
        if alike not in judged:
            judged[alike] = speeds.run(cell)
        seconds, basis = judged[alike]
        bases[basis] += 1
        work.append(WorkItem(cell.label, seconds, task, cell.job.variant, made[task]))
    return work, bases


def has_teacher(cell: Cell) -> bool:
    """Whether the cell's teacher needs no training: it was given, or lies in the cache."""
    recipe = cell.recipe
    if recipe.teacher.classifies or cell.data.train is None:
        return True
    return is_cached(
        recipe.teacher, recipe.teacher_settings, cell.data.task, cell.data.digests[cell.data.train.split],
        max_length=recipe.max_length, precision=recipe.precision, device=recipe.device,
        ranks=recipe.ranks,
    )  # fmt: skip


class SpeedEstimates:
    """What records say about the speed of this kind of device with as many threads as `like` is to have."""

    def __init__(self, records: Iterable[Record], like: Cell) -> None:
        self._device = like.recipe.device
        threads = torch.get_num_threads() if self._device.type == "cpu" else None
        self._per_unit: dict[tuple[object, ...], list[float]] = defaultdict(list)
        self._per_token: dict[tuple[object, ...], list[float]] = defaultdict(list)
        self._teachers: dict[tuple[object, ...], list[float]] = defaultdict(list)
        self._flops, self._seconds = 0.0, 0.0
        for record in records:
            ended = record.status in ("ok", "collapsed") and bool(record.budget.spent)
            compute = record.compute
            like_it = (self._device.type, threads, like.recipe.ranks.size)
            if ended and (compute.device, compute.threads, compute.processes) == like_it:
                self._take(record)

    def _take(self, record: Record) -> None:
        identity, compute = record.identity, record.compute
        seconds = compute.train_seconds + compute.eval_seconds
        student = record.student.id if record.student else ""
        batch = record.hparams.get("batch_size")
        per_unit = seconds / record.budget.spent
        for method in {_kind_of(identity.variant), identity.method}:
            self._per_unit[method, identity.task, student, batch, record.budget.kind].append(per_unit)
            self._per_token[method, student].append(seconds / max(1, compute.real_tokens))
        self._flops, self._seconds = self._flops + compute.train_flops, self._seconds + seconds
        if record.teacher is not None and record.teacher.fine_tune_flops:
            teacher = record.teacher
            self._teachers[teacher.id, identity.task].append(teacher.fine_tune_seconds)

    def run(self, cell: Cell) -> tuple[float, str]:
        """Seconds for a run, and what they were judged by."""
        kind, limit = cell.job.budget
        student, batch = cell.recipe.student.name, cell.job.training.optimizer.batch_size
        methods = (_kind_of(cell.job.variant), cell.job.method.name)
        for method in methods:
            if rates := self._per_unit.get((method, cell.data.task.name, student, batch, kind)):
                return limit * _mean(rates), SAME
        if kind != "train_flops":
            for method in methods:
                if rates := self._per_token.get((method, student)):
                    return _examples(cell) * mean_tokens(cell) * _mean(rates), ALIKE
        return training_flops(cell) / self._speed(), FLOPS if self._seconds else GUESS

    def teacher(self, cell: Cell) -> float:
        """Seconds for the fine-tuning of the cell's teacher and its logits on the training rows."""
        if known := self._teachers.get((cell.recipe.teacher.id, cell.data.task.name)):
            return _mean(known)
        return teacher_flops(cell) / self._speed()

    def _speed(self) -> float:
        """FLOPs a second."""
        if self._seconds and self._flops:
            return self._flops / self._seconds
        return matrix_speed(self._device) * EFFICIENCY


def _kind_of(variant: str) -> str:
    """The variant without its factor of updates, which does not change what a unit of budget takes."""
    return variant.rpartition("@")[0] or variant


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def training_flops(cell: Cell) -> float:
    """About how many FLOPs a run takes: 6 per weight and token of the student's layers, times the method's passes.

    The same on every machine and whatever is recorded: shards are cut by it.
    """
    kind, limit = cell.job.budget
    if kind == "train_flops":
        return float(limit)
    student = cell.recipe.student
    weights = _weights(student.checkpoint, student.layers)
    return 6.0 * weights * _examples(cell) * mean_tokens(cell) * PASSES[cell.job.method.level]


def teacher_flops(cell: Cell) -> float:
    """About how many FLOPs it takes to fine-tune the cell's teacher and to run it over the training rows.

    None for the fine-tuning of one that was given.
    """
    recipe, rows = cell.recipe, len(cell.data.train or ())
    examples = 0 if recipe.teacher.classifies else _fine_tuning_examples(cell, rows)
    return (6.0 * examples + 2.0 * rows) * _weights(recipe.teacher, None) * mean_tokens(cell)


def _fine_tuning_examples(cell: Cell, rows: int) -> int:
    budget: Budget = cell.recipe.teacher_settings.budget
    optimizer: Optimizer = cell.recipe.teacher_settings.optimizer
    limit = budget.resolve(cell.data.task.name, rows, optimizer.batch_size)
    return limit if budget.kind == "clean_examples" else limit * optimizer.batch_size


def _examples(cell: Cell) -> int:
    """The training examples of a run whose budget is in updates or examples."""
    kind, limit = cell.job.budget
    return limit if kind == "clean_examples" else limit * cell.job.training.optimizer.batch_size


def _weights(checkpoint: Checkpoint, layers: Sequence[int] | None) -> int:
    """Weights of the encoder's layers: 12 squares of the width in each."""
    width = int(checkpoint.config.get("hidden_size") or checkpoint.config.get("dim") or 768)
    return 12 * (len(layers) if layers else count_layers(checkpoint)) * width**2


def mean_tokens(cell: Cell) -> float:
    """About how many tokens a training example has, from the words of a few hundred."""
    texts = tuple(cell.data.train.texts[:500]) if cell.data.train else ()
    return min(cell.recipe.max_length, 3 + TOKENS_PER_WORD * _mean_words(texts))


@lru_cache(maxsize=64)
def _mean_words(texts: tuple[tuple[str, ...], ...]) -> float:
    words = [sum(len(text.split()) for text in row) for row in texts] or [16]
    return sum(words) / len(words)


@lru_cache(maxsize=4)
def matrix_speed(device: torch.device) -> float:
    """FLOPs a second of a float32 matrix product of 1024 x 1024, the best of three."""
    size = 1024
    a = torch.ones(size, size, device=device)
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        float((a @ a)[0, 0])
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best

"""Estimates of the time that runs and teachers take, from records if there are any, else from FLOPs."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch

from matekd_bench.distill.artifacts.teacher import FineTunedTeacher
from matekd_bench.distill.models.checkpoints import Checkpoint, weight_bytes
from matekd_bench.distill.models.layer_cut import count_layers, hidden_width
from matekd_bench.distill.settings import Budget, Optimizer
from matekd_bench.results.records.run_record import Record
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.work_items import WorkItem, preparation_id

TOKENS_PER_WORD = 1.35  # English text with a vocabulary of 30,000 word pieces
# Cost of an update relative to plain distillation, by what a method perturbs.
PASSES = {"none": 1.0, "text": 2.3, "token": 2.3, "embedding": 3.0, "generator": 3.0}
EFFICIENCY = 0.35  # speed of training small encoders relative to one large matrix product, as measured
# The basis of an estimate, as shown to the user; the most reliable first.
FROM_SAME_TASK, FROM_OTHER_TASKS, FROM_RECORDED_SPEED, FROM_MATRIX_SPEED = (
    "records of the same method, task and student",
    "records of the same method and student",
    "the speed of other records",
    "the speed of one matrix product, within a factor of two",
)


def work_items(cells: Sequence[Cell], records: Iterable[Record]) -> tuple[list[WorkItem], Counter[str]]:
    """Turn cells into work items, each teacher that has to be trained before the runs that need it.

    Also returns the number of runs by the basis of their estimate.
    """
    speeds = SpeedEstimates(records, cells[0]) if cells else None
    work: list[WorkItem] = []
    bases: Counter[str] = Counter()
    preparations: dict[str, str | None] = {}  # by task; None: its teacher needs no training
    estimates: dict[tuple[object, ...], tuple[float, str]] = {}  # one for all seeds
    for cell in cells:
        assert speeds is not None
        task = cell.data.task.name
        if task not in preparations:
            preparations[task] = None if has_teacher(cell) else preparation_id(task)
            if (name := preparations[task]) is not None:
                work.append(WorkItem(name, task, speeds.teacher_seconds(cell)))
        key = cell.job.variant, task, cell.job.budget, id(cell.job.training)
        if key not in estimates:
            estimates[key] = speeds.run_seconds(cell)
        seconds, basis = estimates[key]
        bases[basis] += 1
        work.append(WorkItem(cell.run_id, task, seconds, cell.job.variant, preparations[task]))
    return work, bases


def has_teacher(cell: Cell) -> bool:
    """Return True if the cell's teacher needs no training: it was given fine-tuned, or it is in the cache."""
    recipe = cell.recipe
    if recipe.teacher_given or cell.data.train is None:
        return True
    return FineTunedTeacher(cell.data, recipe).is_cached


class SpeedEstimates:
    """Estimates from the records of the same device type, CPU threads and processes per run as `like` has."""

    def __init__(self, records: Iterable[Record], like: Cell) -> None:
        self._device = like.recipe.device
        threads = torch.get_num_threads() if self._device.type == "cpu" else None
        # Seconds per unit of budget by method, task, student, batch size and kind of budget.
        self._per_unit: dict[tuple[object, ...], list[float]] = defaultdict(list)
        # Seconds per token by method and student.
        self._per_token: dict[tuple[object, ...], list[float]] = defaultdict(list)
        # Seconds of fine-tuning by teacher and task.
        self._teachers: dict[tuple[object, ...], list[float]] = defaultdict(list)
        self._flops, self._seconds = 0.0, 0.0  # of all usable records together
        for record in records:
            usable = record.status in ("ok", "collapsed") and bool(record.budget.spent)
            compute = record.compute
            machine = (self._device.type, threads, like.recipe.ranks.size)
            if usable and (compute.device, compute.threads, compute.processes) == machine:
                self._add(record)

    def _add(self, record: Record) -> None:
        """Add the speed of one recorded run, both for its variant and for its method with any parameters."""
        identity, compute = record.identity, record.compute
        seconds = compute.train_seconds + compute.eval_seconds
        student = record.student.id if record.student else ""
        batch = record.hparams.get("batch_size")
        per_unit = seconds / record.budget.spent
        for method in {_without_factor(identity.variant), identity.method}:
            self._per_unit[method, identity.task, student, batch, record.budget.kind].append(per_unit)
            self._per_token[method, student].append(seconds / max(1, compute.real_tokens))
        self._flops, self._seconds = self._flops + compute.train_flops, self._seconds + seconds
        if record.teacher is not None and record.teacher.fine_tune_flops:
            teacher = record.teacher
            self._teachers[teacher.id, identity.task].append(teacher.fine_tune_seconds)

    def run_seconds(self, cell: Cell) -> tuple[float, str]:
        """Estimate the seconds of a run, and name the basis of the estimate.

        Runs of the same variant come first, then runs of the same method with other parameters.
        """
        kind, limit = cell.job.budget
        student, batch = cell.recipe.student.name, cell.job.training.optimizer.batch_size
        methods = (_without_factor(cell.job.variant), cell.job.method.name)
        for method in methods:
            if rates := self._per_unit.get((method, cell.data.task.name, student, batch, kind)):
                return limit * _mean(rates), FROM_SAME_TASK
        if kind != "train_flops":
            for method in methods:
                if rates := self._per_token.get((method, student)):
                    return _examples(cell) * mean_tokens(cell) * _mean(rates), FROM_OTHER_TASKS
        basis = FROM_RECORDED_SPEED if self._seconds else FROM_MATRIX_SPEED
        return training_flops(cell) / self._flops_per_second(), basis

    def teacher_seconds(self, cell: Cell) -> float:
        """Estimate the seconds to fine-tune the cell's teacher and to compute its logits on the training rows."""
        if recorded := self._teachers.get((cell.recipe.teacher.id, cell.data.task.name)):
            return _mean(recorded)
        return teacher_flops(cell) / self._flops_per_second()

    def _flops_per_second(self) -> float:
        if self._seconds and self._flops:
            return self._flops / self._seconds
        return matrix_speed(self._device) * EFFICIENCY


def _without_factor(variant: str) -> str:
    """Remove the budget factor of a variant such as `kd@2x`: it does not change the time per unit of budget."""
    return variant.rpartition("@")[0] or variant


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def training_flops(cell: Cell) -> float:
    """Estimate the FLOPs of a run: 6 per token and weight of the student's layers, times the method's passes.

    The estimate divides the grid into shards, so it must not depend on the machine or on records.
    """
    kind, limit = cell.job.budget
    if kind == "train_flops":
        return float(limit)
    student = cell.recipe.student
    weights = _weights(student.checkpoint, student.layers)
    return 6.0 * weights * _examples(cell) * mean_tokens(cell) * PASSES[cell.job.method.level]


def teacher_flops(cell: Cell) -> float:
    """Estimate the FLOPs to fine-tune the cell's teacher and to run it over the training rows.

    Fine-tuning counts nothing if the given teacher is fine-tuned already. Answers from a file cost nothing here.
    """
    recipe, train = cell.recipe, cell.data.train
    if recipe.answers is not None:
        return 0.0
    rows, labeled = (0, 0) if train is None else (len(train), len(train.gold))
    examples = 0 if recipe.teacher_given else _fine_tuning_examples(cell, labeled)
    return (6.0 * examples + 2.0 * rows) * _weights(recipe.teacher_checkpoint, None) * mean_tokens(cell)


def _fine_tuning_examples(cell: Cell, rows: int) -> int:
    """Return how many examples the teacher sees in fine-tuning on `rows` training rows."""
    budget: Budget = cell.recipe.teacher_settings.budget
    optimizer: Optimizer = cell.recipe.teacher_settings.optimizer
    limit = budget.resolve(cell.data.task.name, rows, optimizer.batch_size)
    return limit if budget.kind == "clean_examples" else limit * optimizer.batch_size


def _examples(cell: Cell) -> int:
    """Return how many examples a run sees; its budget must be in updates or examples."""
    kind, limit = cell.job.budget
    return limit if kind == "clean_examples" else limit * cell.job.training.optimizer.batch_size


def _weights(checkpoint: Checkpoint, layers: Sequence[int] | None) -> int:
    """Estimate the number of weights in the layers: 12 * width**2 in each, if the config says how many and how wide."""
    depth, width = len(layers) if layers else count_layers(checkpoint), hidden_width(checkpoint)
    if depth is None or width is None:
        return weight_bytes(checkpoint) // 4  # as float32, embeddings included
    return 12 * depth * width**2


def mean_tokens(cell: Cell) -> float:
    """Estimate the tokens of a training example from the words of the first 500."""
    texts = tuple(cell.data.train.texts[:500]) if cell.data.train else ()
    return min(cell.recipe.max_length, 3 + TOKENS_PER_WORD * _mean_words(texts))


@lru_cache(maxsize=64)
def _mean_words(texts: tuple[tuple[str, ...], ...]) -> float:
    words = [sum(len(text.split()) for text in row) for row in texts] or [16]  # 16 without any texts
    return sum(words) / len(words)


@lru_cache(maxsize=4)
def matrix_speed(device: torch.device) -> float:
    """Measure the FLOPs per second of a 1024 x 1024 float32 matrix product: the best of three."""
    size = 1024
    a = torch.ones(size, size, device=device)
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        float((a @ a)[0, 0])  # reading a value waits for the device
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best

"""Estimates the time that runs, teachers and generators take, from records if there are any, else from FLOPs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from matekd_bench.distill.artifacts.generator import WarmedUpGenerator, has_trained_head
from matekd_bench.distill.artifacts.teacher import FineTunedTeacher
from matekd_bench.results.records.run_record import Record
from matekd_bench.study.plan.expected_flops import (
    clean_tokens,
    generator_flops,
    teacher_flops,
    training_flops,
)
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.identity import resources_of
from matekd_bench.study.plan.machine_speed import matrix_speed
from matekd_bench.study.plan.work_items import Shared, WorkItem, preparation_id

EFFICIENCY = 0.35  # measured speed of training small encoders relative to one large matrix product
# The basis of an estimate, as shown to the user; the most reliable one first.
FROM_SAME_TASK, FROM_OTHER_TASKS, FROM_RECORDED_SPEED, FROM_MATRIX_SPEED, FROM_GPU_MATRIX_SPEED = (
    "records of the same method, task and student",
    "records of the same method and student",
    "the speed of other records",
    "the speed of one matrix product just now: on a machine with nothing else to do, within a factor of two",
    "the speed of one matrix product, which has not been compared with runs on a GPU",
)


@dataclass(frozen=True)
class PlannedPreparation:
    """A teacher to fine-tune or a generator to warm up, which runs share.

    `name` is the task of a teacher, and the tasks whose texts a generator reads, such as "cola,sst2". `task` is the
    task of a run that needs it. `seconds` is an estimate, 0 if it is `cached`. Trials of a `tuning` have teachers and
    generators of their own, which do not see the held-out rows.
    """

    kind: Shared
    name: str
    task: str
    seconds: float
    cached: bool
    tuning: bool = False

    @property
    def id(self) -> str:
        """The id of its work item."""
        return preparation_id(self.kind, f"{self.name} (tuning)" if self.tuning else self.name)


@dataclass(frozen=True)
class PlannedWork:
    """The runs to train, and the preparations that they wait for.

    `bases` counts the runs by the basis of their estimate. `preparations` has the teachers first, and also those that
    are in the cache, which are no `items`.
    """

    items: list[WorkItem]
    bases: Counter[str]
    preparations: list[PlannedPreparation]


def plan_work(cells: Sequence[Cell], records: Iterable[Record]) -> PlannedWork:
    """Estimate the time of each cell and of what the cells share, and let each wait for what it needs."""
    bases: Counter[str] = Counter()
    if not cells:
        return PlannedWork([], bases, [])
    speeds = SpeedEstimates(records, cells[0])
    shared: dict[tuple[int, Shared], PlannedPreparation | None] = {}  # by the data of the runs that need it
    estimates: dict[tuple[object, ...], tuple[float, str]] = {}  # shared by all seeds
    runs = []
    for cell in cells:
        task = cell.data.task.name
        kinds: tuple[Shared, ...] = ("teacher", "generator") if uses_generator(cell) else ("teacher",)
        for kind in kinds:
            if (id(cell.data), kind) not in shared:
                shared[id(cell.data), kind] = (_teacher if kind == "teacher" else _generator)(cell, speeds)
        needed = (shared[id(cell.data), kind] for kind in kinds)
        key = cell.job.variant, task, cell.job.budget, id(cell.job.training)
        if key not in estimates:
            estimates[key] = speeds.run_seconds(cell)
        seconds, basis = estimates[key]
        bases[basis] += 1
        waits_for = frozenset(one.id for one in needed if one is not None and not one.cached)
        runs.append(WorkItem(cell.run_id, task, seconds, cell.job.variant, waits_for))
    found: dict[str, PlannedPreparation] = {}  # tasks may share a generator
    for one in filter(None, shared.values()):
        found.setdefault(one.id, one)
    preparations = sorted(found.values(), key=lambda one: one.kind, reverse=True)
    first = [
        WorkItem(one.id, one.task, one.seconds, prepares=(one.kind,))
        for one in preparations
        if not one.cached
    ]
    return PlannedWork([*first, *runs], bases, preparations)


def _teacher(cell: Cell, speeds: SpeedEstimates) -> PlannedPreparation | None:
    """Return the fine-tuning of the cell's teacher; None if it was given fine-tuned."""
    if cell.recipe.teacher_given or cell.data.train is None:
        return None
    task = cell.data.task.name
    cached = FineTunedTeacher(cell.data, cell.recipe).is_cached
    seconds = 0.0 if cached else speeds.teacher_seconds(cell)
    return PlannedPreparation("teacher", task, task, seconds, cached, bool(cell.trial))


def _generator(cell: Cell, speeds: SpeedEstimates) -> PlannedPreparation | None:
    """Return the warm-up of the cell's generator; None if its checkpoint has a trained head."""
    generator, task = WarmedUpGenerator(cell.data, cell.recipe), cell.data.task.name
    cached = generator.is_cached
    if not cached and cell.recipe.generator is not None and has_trained_head(cell.recipe.generator):
        return None
    seconds = 0.0 if cached else speeds.generator_seconds(cell)
    return PlannedPreparation("generator", generator.text_name, task, seconds, cached, bool(cell.trial))


def uses_generator(cell: Cell) -> bool:
    """Return True if the method of the cell needs a generator."""
    return "generator" in cell.job.method.needs


class SpeedEstimates:
    """Estimates from the records with the same device type, precision, CPU threads and processes as `like`."""

    def __init__(self, records: Iterable[Record], like: Cell) -> None:
        self._device, self._precision = like.recipe.device, like.recipe.precision
        threads = torch.get_num_threads() if self._device.type == "cpu" else None
        # Seconds per unit of budget by method, task, student, batch size and kind of budget.
        self._per_unit: dict[tuple[object, ...], list[float]] = defaultdict(list)
        # Seconds per token by method and student.
        self._per_token: dict[tuple[object, ...], list[float]] = defaultdict(list)
        # Seconds of fine-tuning by teacher and task.
        self._teachers: dict[tuple[object, ...], list[float]] = defaultdict(list)
        # Seconds of the warm-up by generator and task.
        self._generators: dict[tuple[object, ...], list[float]] = defaultdict(list)
        self._flops, self._seconds = 0.0, 0.0  # of all usable records together
        for record in records:
            usable = record.status in ("ok", "collapsed") and bool(record.budget.spent)
            compute = record.compute
            machine = (self._device.type, self._precision, threads, like.recipe.ranks.size)
            recorded = (compute.device, compute.precision, compute.threads, compute.processes)
            if usable and recorded == machine:
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
        if record.perturber is not None and compute.precompute_seconds:
            generator = record.perturber.resources.get("generator")
            self._generators[generator, identity.task].append(compute.precompute_seconds)

    def run_seconds(self, cell: Cell) -> tuple[float, str]:
        """Estimate the seconds of a run, and name the basis of the estimate.

        Runs of the same variant are preferred to runs of the same method with other parameters.
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
                    return clean_tokens(cell) * _mean(rates), FROM_OTHER_TASKS
        return training_flops(cell) / self._flops_per_second(), self._basis()

    def _basis(self) -> str:
        """Return the basis of :meth:`_flops_per_second`."""
        if self._seconds:
            return FROM_RECORDED_SPEED
        return FROM_MATRIX_SPEED if self._device.type == "cpu" else FROM_GPU_MATRIX_SPEED

    def teacher_seconds(self, cell: Cell) -> float:
        """Estimate the seconds to fine-tune the cell's teacher and to compute its logits on the training rows."""
        if recorded := self._teachers.get((cell.recipe.teacher.id, cell.data.task.name)):
            return _mean(recorded)
        return teacher_flops(cell) / self._flops_per_second()

    def generator_seconds(self, cell: Cell) -> float:
        """Estimate the seconds of the warm-up of the cell's generator."""
        name = resources_of(cell.job, cell.recipe).get("generator")
        if recorded := self._generators.get((name, cell.data.task.name)):
            return _mean(recorded) * (
                len(cell.recipe.generator_texts) or 1
            )  # a record has the share of its task
        return generator_flops(cell) / self._flops_per_second()

    def _flops_per_second(self) -> float:
        if self._seconds and self._flops:
            return self._flops / self._seconds
        return matrix_speed(self._device, self._precision) * EFFICIENCY


def _without_factor(variant: str) -> str:
    """Remove the budget factor of a variant such as `kd@2x`: it does not change the time per unit of budget."""
    return variant.rpartition("@")[0] or variant


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

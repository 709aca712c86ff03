"""Estimates the time that runs, teachers and generators take, from records if there are any, else from FLOPs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from matekd_bench.distill.artifacts.generator import WarmedUpGenerator
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
from matekd_bench.study.plan.work_items import WorkItem, preparation_id

EFFICIENCY = 0.35  # measured speed of training small encoders relative to one large matrix product
# The basis of an estimate, as shown to the user; the most reliable one first.
FROM_SAME_TASK, FROM_OTHER_TASKS, FROM_RECORDED_SPEED, FROM_MATRIX_SPEED, FROM_GPU_MATRIX_SPEED = (
    "records of the same method, task and student",
    "records of the same method and student",
    "the speed of other records",
    "the speed of one matrix product just now: on a machine with nothing else to do, within a factor of two",
    "the speed of one matrix product, which has not been compared with runs on a GPU",
)


def work_items(cells: Sequence[Cell], records: Iterable[Record]) -> tuple[list[WorkItem], Counter[str]]:
    """Turn cells into work items, with each teacher that must be trained before the runs that need it.

    Also returns the number of runs by the basis of their estimate.
    """
    speeds = SpeedEstimates(records, cells[0]) if cells else None
    work: list[WorkItem] = []
    bases: Counter[str] = Counter()
    preparations: dict[str, str | None] = {}  # by task; None: its teacher needs no training
    estimates: dict[tuple[object, ...], tuple[float, str]] = {}  # shared by all seeds
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


@dataclass(frozen=True)
class PlannedPreparation:
    """A teacher to fine-tune or a generator to warm up, which runs share.

    `name` is the task of a teacher, and the tasks whose texts a generator reads, such as "cola,sst2". `seconds` is an
    estimate, 0 if it is `cached`.
    """

    kind: Literal["teacher", "generator"]
    name: str
    seconds: float
    cached: bool


def preparations(cells: Sequence[Cell], records: Iterable[Record]) -> list[PlannedPreparation]:
    """Return the teachers that are fine-tuned for `cells`, then the generators that are warmed up, each once.

    Teachers that are given fine-tuned and generators with a trained head are not among them.
    """
    if not cells:
        return []
    speeds, found = SpeedEstimates(records, cells[0]), dict[tuple[str, str], PlannedPreparation]()
    for cell in {cell.data.task.name: cell for cell in reversed(cells)}.values():
        if not (cell.recipe.teacher_given or cell.data.train is None):
            name, cached = cell.data.task.name, has_teacher(cell)
            seconds = 0.0 if cached else speeds.teacher_seconds(cell)
            found["teacher", name] = PlannedPreparation("teacher", name, seconds, cached)
    trained_heads: dict[object, bool] = {}  # by checkpoint and layers: looking into them takes a second
    for cell in {cell.data.task.name: cell for cell in reversed(cells) if uses_generator(cell)}.values():
        generator, source = WarmedUpGenerator(cell.data, cell.recipe), cell.recipe.generator
        cached = generator.is_cached
        if not cached and source not in trained_heads:
            trained_heads[source] = generator.untrained()[1]
        if cached or not trained_heads[source]:
            name, seconds = generator.text_name, 0.0 if cached else speeds.generator_seconds(cell)
            found["generator", name] = PlannedPreparation("generator", name, seconds, cached)
    return sorted(found.values(), key=lambda one: one.kind, reverse=True)


def uses_generator(cell: Cell) -> bool:
    """Return True if the method of the cell needs a generator."""
    return "generator" in cell.job.method.needs


def has_teacher(cell: Cell) -> bool:
    """Return True if the cell's teacher needs no training: it was given fine-tuned, or it is in the cache."""
    recipe = cell.recipe
    if recipe.teacher_given or cell.data.train is None:
        return True
    return FineTunedTeacher(cell.data, recipe).is_cached


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

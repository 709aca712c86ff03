"""Trains a recorded run again, and compares the numbers and the conditions that may explain a difference."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from pydantic import ValidationError

from matekd_bench.distill.device import deterministic_kernels, resolve_device
from matekd_bench.errors import ResultsError, first_problem
from matekd_bench.events import Sink
from matekd_bench.files.scratch import scratch_folder
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.protocol_differences import DifferingSetting, differing_settings
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.backends.in_process import InProcessBackend
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.runner import Runner, RunSink
from matekd_bench.study.execute.scheduler import Scheduler
from matekd_bench.study.plan.grid import Cell, Grid, make_grid, one_run
from matekd_bench.study.spec.study_spec import StudySpec

THEN, NOW = "then", "now"
SETTINGS = ("method", "variant", "method_version", "params")  # of the identity, which must be the same


@dataclass(frozen=True)
class LogitDifference:
    """The largest absolute difference between the logits of one evaluation on one split.

    `number` counts evaluations from 1. `largest` is infinite for logits of different shapes.
    """

    number: int
    split: str
    largest: float


@dataclass(frozen=True, repr=False)
class Reproduction:
    """A run and its repetition; printed, it is the report of ``matekd-bench reproduce``.

    `evaluations` lists the evaluations whose logits differ in any bit. `numbers` lists the scores, losses and
    diagnostics that differ. `conditions` lists differing versions, threads, devices and models, which may explain it.
    """

    recorded: Record
    again: Record
    evaluations: tuple[LogitDifference, ...]
    numbers: tuple[DifferingSetting, ...]
    conditions: tuple[DifferingSetting, ...]

    @property
    def same(self) -> bool:
        """True if every logit of every evaluation and every number is the same to the last bit.

        A repetition that failed computed nothing that could be the same.
        """
        return self.again.status != "failed" and not self.evaluations and not self.numbers

    def __str__(self) -> str:
        return "\n".join(_report_lines(self))

    __repr__ = __str__


def reproduce(
    store: ResultsStore,
    run_id: str,
    host: Host,
    sink: Sink,
    *,
    into: Path | None = None,
    fresh: bool = False,
    device: str | None = None,
    threads: int | None = None,
    glue_dir: Path | None = None,
    teacher_answers: Path | None = None,
    checkpoints: Mapping[str, str | None] = MappingProxyType({}),
) -> Reproduction:
    """Train the run again and compare the two records.

    The new record is kept in the folder `into`, if there is one. With `fresh` the run gets an empty cache, so that
    teacher and generator are trained from scratch. `device`, `threads`, `glue_dir` and `teacher_answers` are those of
    this machine; None means as recorded. `checkpoints` replaces the recorded checkpoint of "teacher", "student" or
    "generator", unless it is None.

    A tuned run is trained with the chosen settings in its record; its trials are not repeated. Raises ResultsError,
    before any training, if the data, the method or its settings differ from those of the record.
    """
    recorded = store.read(run_id)
    spec = _spec_of_run(store, recorded, checkpoints)
    here = {"threads": threads, "glue_dir": glue_dir, "teacher_answers": teacher_answers}
    spec = spec.model_copy(update={name: value for name, value in here.items() if value})
    kind = device or _available_device(recorded.compute.device)
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        if fresh:
            stack.enter_context(_cache_at(scratch / "cache"))
        target = ResultsStore(into or scratch / "results")
        again = _train_again(store, recorded, spec, target, host, sink, kind)
        return compare(store, recorded, target, again)


def _train_again(
    store: ResultsStore,
    recorded: Record,
    spec: StudySpec,
    target: ResultsStore,
    host: Host,
    sink: Sink,
    kind: str,
) -> Record:
    """Train the run of `spec` on this kind of device, and return its record in `target`."""
    with Interruptions(sink) as interruptions, deterministic_kernels(spec.deterministic):
        grid = make_grid(spec, resolve_device(kind), host, sink)
        grid = replace(grid, seed_plan=recorded.provenance.seed_plan)  # `spec` plans this run alone
        cell = _cell_of_run(grid, recorded)
        _check_same_run(recorded, cell, grid)
        if target.has(cell.run_id):
            raise ResultsError(
                f"{target.root} already has this run:", hint="name another folder with --into DIR."
            )
        target.check_writable()
        command = f"matekd-bench reproduce {recorded.run_id}"
        runner = Runner(grid, target, RunSink(sink), interruptions, command=command)
        backend = InProcessBackend(runner)
        Scheduler(grid, target, (sink,), backend, interruptions, command=command).run([cell])
    return target.read(cell.run_id)


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """Use this folder as the cache while the context is open."""
    previous = os.environ.get("MATEKD_BENCH_CACHE")
    os.environ["MATEKD_BENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        if previous is None:
            del os.environ["MATEKD_BENCH_CACHE"]
        else:
            os.environ["MATEKD_BENCH_CACHE"] = previous


def recorded_study(store: ResultsStore, run_id: str) -> StudySpec:
    """Return the settings of the study that made a run. Raises ResultsError if they cannot be read."""
    try:
        return StudySpec.model_validate(store.read_study(run_id))
    except ValidationError as error:
        problem = first_problem(error, StudySpec).sentence("setting")
        raise ResultsError(f"study.json of run '{run_id}' cannot be read: {problem}") from None


def _spec_of_run(store: ResultsStore, recorded: Record, checkpoints: Mapping[str, str | None]) -> StudySpec:
    """Return the settings of the study that made the run, reduced to this run, with other checkpoints."""
    study = recorded_study(store, recorded.run_id)
    identity, compute = recorded.identity, recorded.compute
    update: dict[str, Any] = {
        "also": None,  # they change no number of the run
        "also_dir": None,
        "threads": compute.threads,
        "deterministic": compute.deterministic,
        "training": study.training.model_copy(update={"precision": compute.precision}),
    }
    for part, checkpoint in checkpoints.items():
        if checkpoint is not None and getattr(study, part) is not None:
            replaced = {"checkpoint": checkpoint, "revision": None}
            update[part] = getattr(study, part).model_copy(update=replaced)
    reduced = one_run(study, method=identity.method, task=identity.task, seed=identity.seed)
    return reduced.model_copy(update=update)


def _cell_of_run(grid: Grid, recorded: Record) -> Cell:
    """Return the complete cell of the recorded run, or of its variant if ids differ here."""
    same = [cell for cell in grid.cells if cell.run_id == recorded.run_id]
    alike = [cell for cell in grid.cells if cell.job.variant == recorded.identity.variant]
    if not same and not alike:
        raise ResultsError(
            f"run '{recorded.run_id}' cannot be trained again: its settings contain no method "
            f"'{recorded.identity.variant}'."
        )
    return grid.cell((same or alike)[0].run_id, recorded.tuning)


def _available_device(recorded: str) -> str:
    """Return the recorded kind of device if this machine has one, else `auto`; the report shows the difference."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return recorded if available.get(recorded, False) else "auto"


def _check_same_run(recorded: Record, cell: Cell, grid: Grid) -> None:
    """Raise ResultsError if the cell has other data, another method or other settings than the record."""
    if cell.run_id == recorded.run_id:
        return
    planned = recording.common_fields(cell, grid, "")
    then = {
        "method": recorded.identity.model_dump(mode="json", include=set(SETTINGS)),
        "data": {name: split.digest for name, split in recorded.data.splits.items()},
        "hparams": recorded.hparams,
        "budget": [recorded.budget.kind, recorded.budget.limit],
    }
    now = {
        "method": planned["identity"].model_dump(mode="json", include=set(SETTINGS)),
        "data": {name: split.digest for name, split in planned["data"].splits.items()},
        "hparams": planned["hparams"],
        "budget": list(cell.job.budget),
    }
    if differences := differing_settings({THEN: then, NOW: now}):
        raise ResultsError(
            f"run '{recorded.run_id}' cannot be trained again, because the following differs: "
            f"{'; '.join(map(then_and_now, differences[:3]))}.",
            hint=(
                "Name its data, models and plugin with --glue-dir, --teacher, --teacher-answers, --student, "
                "--generator, --plugin."
            ),
        )


def compare(store: ResultsStore, recorded: Record, target: ResultsStore, again: Record) -> Reproduction:
    """Compare two records of one run: logits, numbers and conditions."""
    return Reproduction(
        recorded,
        again,
        tuple(_differing_evaluations(store, recorded, target, again)),
        differing_settings({THEN: _numbers(recorded), NOW: _numbers(again)}),
        differing_settings(
            {THEN: _conditions(recorded), NOW: _conditions(again, with_code=bool(recorded.code))}
        ),
    )


def _differing_evaluations(
    store: ResultsStore, recorded: Record, target: ResultsStore, again: Record
) -> list[LogitDifference]:
    """List the evaluations whose logits differ; empty if one of the runs has no recorded predictions."""
    first, second = store.read_predictions(recorded), target.read_predictions(again)
    if first is None or second is None:
        return []
    differences = []
    for number, (then, now) in enumerate(zip(first.evaluations, second.evaluations, strict=False), start=1):
        for split in then.keys() & now.keys():
            if then[split].shape != now[split].shape:
                differences.append(LogitDifference(number, split, float("inf")))
            elif then[split].tobytes() != now[split].tobytes():
                differences.append(LogitDifference(number, split, float(abs(then[split] - now[split]).max())))
    return differences


def _numbers(record: Record) -> Mapping[str, Any]:
    """Return the numbers that a run measured, as plain values by name."""
    plain = record.model_dump(mode="json")
    curve = {f"evaluation {evaluation['eval']}": evaluation for evaluation in plain["curve"]}
    scores = {
        f"{score['split']} {score['metric']} ({score['selection']})": score["value"]
        for score in plain["scores"]
    }
    measured = {name: plain[name] for name in ("status", "task_score", "diagnostics")}
    return {**measured, "curve": curve, "scores": scores, "train_flops": record.compute.train_flops}


def _conditions(record: Record, *, with_code: bool = True) -> Mapping[str, Any]:
    """Return the recorded conditions of training that may change a number; older records have no code."""
    compute = record.compute
    return {
        **record.env,
        "device": compute.device, "threads": compute.threads, "processes": compute.processes,
        "precision": compute.precision,
        "deterministic kernels": compute.deterministic, "rows per pass": compute.micro_batch,
        "teacher": record.teacher.sha256 if record.teacher else None,
        "initial student": record.student.sha256 if record.student else None,
        "resources": record.perturber.resources if record.perturber else {},
        "code": {part.method: str(part) for part in record.code if with_code},
    }  # fmt: skip


def then_and_now(difference: DifferingSetting) -> str:
    """Format a difference as ``path: value then, value now``."""
    return f"{difference.path}: {difference.values[THEN]} then, {difference.values[NOW]} now"


def _report_lines(reproduction: Reproduction) -> Iterator[str]:
    """Yield the report of a reproduction: the run, the verdict, differing numbers and conditions."""
    recorded = reproduction.recorded
    identity, evaluations = recorded.identity, len(recorded.curve)
    yield f"{identity.variant} on {identity.task}, seed {identity.seed} ({recorded.run_id})"
    if reproduction.again.status == "failed":
        then = recorded.reason if recorded.status == "failed" else recorded.status
        yield f"Not repeated, because the run failed: {reproduction.again.reason}. It was recorded as: {then}."
    elif reproduction.same:
        yield f"The same to the last bit: logits of {evaluations} evaluations, scores, losses and diagnostics."
    elif reproduction.evaluations:
        first = reproduction.evaluations[0]
        largest = max(evaluation.largest for evaluation in reproduction.evaluations)
        start = f"evaluation {first.number} on ({first.split})"
        yield f"Not the same: logits differ from {start}, by at most {largest:.3g}."
    else:
        yield "Not the same: these numbers differ, although the logits of every evaluation are the same:"
    for number in reproduction.numbers:
        yield f"  {then_and_now(number)}"
    yield from _condition_lines(reproduction)


def _condition_lines(reproduction: Reproduction) -> Iterator[str]:
    """Yield the conditions of training that differ, or a statement that none does."""
    if reproduction.conditions:
        yield (
            "Conditions that differ:"
            if not reproduction.same
            else "The same, although these conditions differ:"
        )
        yield from (f"  {then_and_now(condition)}" for condition in reproduction.conditions)
    elif not reproduction.same:
        device = reproduction.recorded.compute.device
        why = (
            ""
            if device == "cpu"
            else f" On '{device}', only runs with --deterministic are repeatable to the last bit."
        )
        yield f"No recorded condition differs.{why}"

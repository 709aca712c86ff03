"""Trains a recorded run once more and says whether it gives the same numbers and, if not, what was different."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from matekd_bench.distill.device import deterministic_kernels
from matekd_bench.errors import ResultsError
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.protocol_differences import DifferingSetting, differing
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.events import Events
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.backends.in_process import LocalExecutor
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import StudySpec, study_spec

THEN, NOW = "then", "now"
SETTINGS = ("method", "variant", "method_version", "params")  # of the identity: what must be the same


@dataclass(frozen=True, kw_only=True)
class LocalPaths:
    """Where things lie on this machine, and what it trains on; None: as in the study that made the run."""

    glue_dir: Path | None = None
    teacher: str | None = None
    student: str | None = None
    generator: str | None = None
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class LogitDifference:
    """How far the logits of one evaluation on one split lie apart."""

    number: int
    split: str
    largest: float


@dataclass(frozen=True)
class Reproduction:
    """A run and its repetition.

    `evaluations` are those whose logits differ in any bit, `numbers` the scores, losses and diagnostics that do;
    `conditions` is everything recorded that may explain it: versions, threads, device, models.
    """

    recorded: Record
    again: Record
    evaluations: tuple[LogitDifference, ...]
    numbers: tuple[DifferingSetting, ...]
    conditions: tuple[DifferingSetting, ...]

    @property
    def same(self) -> bool:
        """Whether every logit of every evaluation and every number is the same to the last bit."""
        return not self.evaluations and not self.numbers


def reproduce(
    store: ResultsStore,
    run_id: str,
    into: Path,
    host: Host,
    events: Events,
    places: LocalPaths,
    typed: Callable[[str], StudyRequest],
) -> Reproduction:
    """Trains the run again, with its record in the folder `into`, and compares.

    `typed` turns the recorded command into a request, for records of versions that did not keep their settings.
    Raises ResultsError, before any training, where the data, the method or its settings are not those of the record.
    """
    recorded = store.read(run_id)
    spec = _spec(store, recorded, places, typed)
    request = StudyRequest(reference=None, results=into)
    target = ResultsStore(into)
    with Interruptions() as interruptions, deterministic_kernels(spec.deterministic):
        grid = make_grid(spec, request, host, events.stage)
        [cell] = grid.cells
        _check(recorded, cell, grid)
        if target.has(cell.run_id):
            raise ResultsError(f"{into} has this run already:", hint="name another folder with --into DIR.")
        target.check_writable()
        command = f"matekd-bench reproduce {run_id}"
        LocalExecutor(grid, target, events, command, interruptions).run([cell])
    return compare(store, recorded, target, target.read(cell.run_id))


def _spec(
    store: ResultsStore, recorded: Record, places: LocalPaths, typed: Callable[[str], StudyRequest]
) -> StudySpec:
    """The settings of the study that made the run, cut down to this run."""
    settings = store.read_study(recorded.run_id)
    if settings is None:
        whole = study_spec(typed(recorded.provenance.command))
    else:
        try:
            whole = StudySpec.model_validate(settings)
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise ResultsError(
                f"the settings of run '{recorded.run_id}' cannot be read: '{place}'."
            ) from None
    identity, compute = recorded.identity, recorded.compute
    update: dict[str, Any] = {
        "methods": identity.variant, "tasks": identity.task, "sets": {}, "seeds": 1, "first_seed": identity.seed,
        "device": places.device or _device(compute.device), "threads": places.threads or compute.threads,
        "deterministic": compute.deterministic, "glue_dir": places.glue_dir or whole.glue_dir,
        "training": whole.training.model_copy(update={"precision": compute.precision}),
    }  # fmt: skip
    for part in ("teacher", "student", "generator"):
        if (named := getattr(places, part)) is not None and getattr(whole, part) is not None:
            moved = {"checkpoint": named, "revision": None}
            update[part] = getattr(whole, part).model_copy(update=moved)
    return whole.model_copy(update=update)


def _device(recorded: str) -> str:
    """The recorded kind of device where it is there; else the best there is, which is reported."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return recorded if there.get(recorded, False) else "auto"


def _check(recorded: Record, cell: Cell, grid: Grid) -> None:
    """Raises ResultsError where other data or another method would be trained."""
    if cell.run_id == recorded.run_id:
        return
    planned = recording.common(cell, grid, "")
    before = {
        "method": recorded.identity.model_dump(mode="json", include=set(SETTINGS)),
        "data": {name: split.digest for name, split in recorded.data.splits.items()},
        "hparams": recorded.hparams,
        "budget": [recorded.budget.kind, recorded.budget.limit],
    }
    here = {
        "method": planned["identity"].model_dump(mode="json", include=set(SETTINGS)),
        "data": {name: split.digest for name, split in planned["data"].splits.items()},
        "hparams": planned["hparams"],
        "budget": list(cell.job.budget),
    }
    if unlike := differing({THEN: before, NOW: here}):
        raise ResultsError(
            f"run '{recorded.run_id}' cannot be trained again from what is here: "
            f"{'; '.join(map(said, unlike[:3]))}.",
            hint="Name its data, models and plugin with --glue-dir, --teacher, --student, --generator, --plugin.",
        )


def compare(store: ResultsStore, recorded: Record, target: ResultsStore, again: Record) -> Reproduction:
    """What is the same in two records of one run, and what is not."""
    return Reproduction(
        recorded,
        again,
        tuple(_evaluations(store, recorded, target, again)),
        differing({THEN: _numbers(recorded), NOW: _numbers(again)}),
        differing({THEN: _conditions(recorded), NOW: _conditions(again)}),
    )


def _evaluations(
    store: ResultsStore, recorded: Record, target: ResultsStore, again: Record
) -> list[LogitDifference]:
    first, second = store.read_predictions(recorded.run_id), target.read_predictions(again.run_id)
    if first is None or second is None:
        return []
    found = []
    for number, (then, now) in enumerate(zip(first.evaluations, second.evaluations, strict=False), start=1):
        for split in then.keys() & now.keys():
            if then[split].shape != now[split].shape:
                found.append(LogitDifference(number, split, float("inf")))
            elif then[split].tobytes() != now[split].tobytes():
                found.append(LogitDifference(number, split, float(abs(then[split] - now[split]).max())))
    return found


def _numbers(record: Record) -> Mapping[str, Any]:
    """What a run measured."""
    plain = record.model_dump(mode="json")
    curve = {f"evaluation {evaluation['eval']}": evaluation for evaluation in plain["curve"]}
    scores = {f"{one['split']} {one['metric']} ({one['selection']})": one["value"] for one in plain["scores"]}
    measured = {name: plain[name] for name in ("status", "task_score", "diagnostics")}
    return {**measured, "curve": curve, "scores": scores, "train_flops": record.compute.train_flops}


def _conditions(record: Record) -> Mapping[str, Any]:
    """Under what a run was trained, as far as it is recorded and may change a number."""
    compute = record.compute
    return {
        **record.env,
        "device": compute.device, "threads": compute.threads, "processes": compute.processes,
        "precision": compute.precision,
        "deterministic kernels": compute.deterministic, "rows per pass": compute.micro_batch,
        "teacher": record.teacher.sha256 if record.teacher else None,
        "initial student": record.student.sha256 if record.student else None,
        "resources": record.perturber.resources if record.perturber else {},
    }  # fmt: skip


def said(field: DifferingSetting) -> str:
    """A difference as people say it."""
    return f"{field.path}: {field.values[THEN]} then, {field.values[NOW]} now"

"""How a study is divided: how many runs at a time, how many processes for each, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import torch

from matekd_bench.distill.device import resolve_device
from matekd_bench.distill.training.ddp import asked_for
from matekd_bench.errors import UsageError, unknown
from matekd_bench.files.network import fetching
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.events import Events
from matekd_bench.study.execute.backends.in_process import LocalExecutor, Tally
from matekd_bench.study.execute.backends.ray_cluster import RayExecutor
from matekd_bench.study.execute.backends.worker import WorkerStudy
from matekd_bench.study.execute.backends.worker_handle import WorkerGroup
from matekd_bench.study.execute.backends.worker_pool import PoolExecutor
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.job_count import places, resolve_jobs, share_of_threads
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.spec.request import EXECUTORS, StudyRequest
from matekd_bench.study.spec.study_spec import StudySpec

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host


class Executor(Protocol):
    """Trains runs, here or elsewhere."""

    def run(self, cells: Sequence[Cell]) -> Tally:
        """Has every cell trained and recorded, or finds what other processes made of it."""


@dataclass(frozen=True)
class Placement:
    """The spec with the threads of a run filled in where they are divided, and how its runs are spread.

    `threads_by_default` says that the command names no number of threads; `notes` are lines for the user.
    """

    spec: StudySpec
    device: torch.device
    jobs: int
    processes: int
    threads_by_default: bool
    notes: tuple[str, ...]


def make_placement(request: StudyRequest, spec: StudySpec) -> Placement:
    """What the options (and a launcher or Slurm) say about dividing; UsageError for what does not go together."""
    if request.executor not in EXECUTORS:
        raise unknown("executor", request.executor, EXECUTORS)
    if request.executor == "ray" and request.jobs is not None:
        raise UsageError("--jobs is for this machine; with --executor ray the cluster's resources decide.")
    started = asked_for()
    count = request.processes or started
    if started not in (1, count):
        raise UsageError(f"--processes {count} does not fit the {started} processes of the launcher.")
    if count > 1 and (request.jobs is not None or request.executor == "ray"):
        raise UsageError("several processes for each run do not go together with --jobs or --executor ray.")
    if count > 1 and spec.budget.kind == "train_flops":
        raise UsageError("several processes for each run need a budget in student_updates or clean_examples.")
    device, said = resolve_device(spec.device), spec.threads
    if device.type == "cuda" and count > torch.cuda.device_count():
        raise UsageError(
            f"{count} processes need {count} GPUs; this machine has {torch.cuda.device_count()}."
        )
    notes: list[str] = []
    jobs = resolve_jobs(spec.jobs, device, said) if count == 1 and request.executor == "local" else 1
    if device.type == "cpu" and said is None and max(jobs, count) > 1:
        spec = spec.model_copy(update={"threads": share_of_threads(max(jobs, count), None)})
        notes.append(
            f"--threads {spec.threads} for each process: on a CPU these are other runs than with more"
        )
    return Placement(spec, device, jobs, count, request.threads is None, tuple(notes))


@dataclass(frozen=True)
class ExecutorFactory:
    """Who trains the runs of a study, and its trials; dismiss the crew when all is done."""

    division: Placement
    request: StudyRequest
    host: Host
    interruptions: Interruptions
    crew: WorkerGroup = field(default_factory=WorkerGroup)

    def here(
        self, grid: Grid, store: ResultsStore, events: Events, *, fail_fast: bool = False
    ) -> LocalExecutor:
        """This process alone."""
        command = self.request.command
        return LocalExecutor(grid, store, events, command, self.interruptions, fail_fast=fail_fast)

    def executor(
        self, grid: Grid, store: ResultsStore, events: Events, *, runs: int, fail_fast: bool
    ) -> Executor:
        """This process, where it trains so many `runs` one after another, else one that has them trained elsewhere."""
        request, division = self.request, self.division
        if request.executor == "local" and min(division.jobs, runs) <= 1:
            return self.here(grid, store, events, fail_fast=fail_fast)
        asked = replace(request, threads=grid.threads, jobs=None, shard=None)
        study = WorkerStudy(asked, self.host.files, self.host.only_builtin, fetching())
        if request.executor == "ray":
            return RayExecutor(
                grid, store, events, study, self.interruptions, address=request.ray_address,
                resources=grid.spec.resources, fail_fast=fail_fast,
            )  # fmt: skip
        return PoolExecutor(
            grid, store, events, study, self.interruptions, crew=self.crew, jobs=division.jobs,
            places=places(division.device), threads=share_of_threads(division.jobs, grid.threads), fail_fast=fail_fast,
        )  # fmt: skip


def warn_of_other_threads(todo: Sequence[Cell], store: ResultsStore, threads: int, events: Events) -> None:
    """Says which runs are recorded with another number of CPU threads, which makes them other runs."""
    wanted = {(cell.job.variant, cell.data.task.name, cell.job.seed, cell.protocol_id) for cell in todo}
    others: Counter[int] = Counter()
    for record in store.records():
        one, other = record.identity, record.compute.threads
        known = (one.variant, one.task, one.seed, one.protocol_id) in wanted
        if (
            known
            and record.status != "failed"
            and record.compute.device == "cpu"
            and other not in (None, threads)
        ):
            others[other or 0] += 1
    for other, runs in sorted(others.items()):
        events.warning(
            f"{runs} of these runs are recorded with {other} CPU threads and would be trained again with {threads}, "
            f"as other runs: --threads {other} takes them as they are"
        )

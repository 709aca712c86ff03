"""Decides how a study is trained: how many runs at a time, how many processes per run, and which executor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import torch

from matekd_bench.distill.device import resolve_device
from matekd_bench.distill.training.ddp import launched_processes
from matekd_bench.errors import UsageError, unknown
from matekd_bench.files.network import fetch_command
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.events import Events
from matekd_bench.study.execute.backends.in_process import LocalExecutor, Tally
from matekd_bench.study.execute.backends.ray_cluster import RayExecutor
from matekd_bench.study.execute.backends.worker import WorkerStudy
from matekd_bench.study.execute.backends.worker_handle import WorkerGroup
from matekd_bench.study.execute.backends.worker_pool import PoolExecutor
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.job_count import list_slots, resolve_jobs, threads_per_run
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.spec.request import EXECUTORS, StudyRequest
from matekd_bench.study.spec.study_spec import StudySpec

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host


class Executor(Protocol):
    """A trainer of runs, in this process or elsewhere."""

    def run(self, cells: Sequence[Cell]) -> Tally:
        """Train and record every cell; cells that another process records meanwhile are only counted."""


@dataclass(frozen=True)
class Placement:
    """The execution settings of a study.

    `spec` has its threads filled in if several runs or processes share the CPU. `jobs` is the number of runs at a
    time, `processes` the number of processes per run. `threads_by_default` is True if the command gives no number of
    threads. `notes` are lines for the user.
    """

    spec: StudySpec
    device: torch.device
    jobs: int
    processes: int
    threads_by_default: bool
    notes: tuple[str, ...]


def make_placement(request: StudyRequest, spec: StudySpec) -> Placement:
    """Derive the placement from the options and the launcher; raise UsageError if they contradict each other."""
    if request.executor not in EXECUTORS:
        raise unknown("executor", request.executor, EXECUTORS)
    if request.executor == "ray" and request.jobs is not None:
        raise UsageError("--jobs is for this machine; with --executor ray the cluster's resources decide.")
    launched = launched_processes()
    processes = request.processes or launched
    if launched not in (1, processes):
        raise UsageError(f"--processes {processes} does not fit the {launched} processes of the launcher.")
    if processes > 1 and (request.jobs is not None or request.executor == "ray"):
        raise UsageError("several processes for each run do not go together with --jobs or --executor ray.")
    if processes > 1 and spec.budget.kind == "train_flops":
        raise UsageError("several processes for each run need a budget in student_updates or clean_examples.")
    device, threads = resolve_device(spec.device), spec.threads
    if device.type == "cuda" and processes > torch.cuda.device_count():
        raise UsageError(
            f"{processes} processes need {processes} GPUs; this machine has {torch.cuda.device_count()}."
        )
    notes: list[str] = []
    jobs = resolve_jobs(spec.jobs, device, threads) if processes == 1 and request.executor == "local" else 1
    if device.type == "cpu" and threads is None and max(jobs, processes) > 1:
        share = threads_per_run(max(jobs, processes), None)
        spec = spec.model_copy(update={"threads": share})
        notes.append(
            f"--threads {spec.threads} for each process: on a CPU these are other runs than with more"
        )
    return Placement(spec, device, jobs, processes, request.threads is None, tuple(notes))


@dataclass(frozen=True)
class ExecutorFactory:
    """A factory of the executors for the runs of a study and its tuning trials.

    All executors share `worker_group`; dismiss it when the study ends.
    """

    placement: Placement
    request: StudyRequest
    host: Host
    interruptions: Interruptions
    worker_group: WorkerGroup = field(default_factory=WorkerGroup)

    def local_executor(
        self, grid: Grid, store: ResultsStore, events: Events, *, fail_fast: bool = False
    ) -> LocalExecutor:
        """Return an executor that trains in this process."""
        command = self.request.command
        return LocalExecutor(grid, store, events, command, self.interruptions, fail_fast=fail_fast)

    def executor(
        self, grid: Grid, store: ResultsStore, events: Events, *, runs: int, fail_fast: bool
    ) -> Executor:
        """Return the executor for this number of `runs`.

        It trains in this process if runs go one after another, else in worker processes or on a Ray cluster.
        """
        request, placement = self.request, self.placement
        if request.executor == "local" and min(placement.jobs, runs) <= 1:
            return self.local_executor(grid, store, events, fail_fast=fail_fast)
        worker_request = replace(request, threads=grid.threads, jobs=None, shard=None)
        study = WorkerStudy(worker_request, self.host.files, self.host.only_builtin, fetch_command())
        if request.executor == "ray":
            return RayExecutor(
                grid, store, events, study, self.interruptions, address=request.ray_address,
                resources=grid.spec.resources, fail_fast=fail_fast,
            )  # fmt: skip
        return PoolExecutor(
            grid, store, events, study, self.interruptions, worker_group=self.worker_group, jobs=placement.jobs,
            slots=list_slots(placement.device), threads=threads_per_run(placement.jobs, grid.threads),
            fail_fast=fail_fast,
        )  # fmt: skip


def warn_of_other_threads(todo: Sequence[Cell], store: ResultsStore, threads: int, events: Events) -> None:
    """Warn of planned runs that are already recorded with another number of CPU threads.

    The number of CPU threads is part of a run's id, so these runs would be trained again.
    """
    planned = {(cell.job.variant, cell.data.task.name, cell.job.seed, cell.protocol_id) for cell in todo}
    run_counts: Counter[int] = Counter()
    for record in store.records():
        identity, recorded = record.identity, record.compute.threads
        if (
            (identity.variant, identity.task, identity.seed, identity.protocol_id) in planned
            and record.status != "failed"
            and record.compute.device == "cpu"
            and recorded not in (None, threads)
        ):
            run_counts[recorded or 0] += 1
    for other, runs in sorted(run_counts.items()):
        events.warning(
            f"{runs} of these runs are recorded with {other} CPU threads and would be trained again with {threads}, "
            f"as other runs: --threads {other} takes them as they are"
        )

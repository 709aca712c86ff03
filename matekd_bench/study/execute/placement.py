"""Decides how a study is executed: how many runs at a time, how many processes per run, and which backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from matekd_bench.distill.device import resolve_device, unused_gpu
from matekd_bench.errors import UsageError
from matekd_bench.events import Message, Sink
from matekd_bench.files.hub.network import fetch_command
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.spelling import counted
from matekd_bench.study.execute.backends.in_process import InProcessBackend
from matekd_bench.study.execute.backends.ray_cluster import RayCluster
from matekd_bench.study.execute.backends.worker_handle import WorkerGroup
from matekd_bench.study.execute.backends.worker_processes import WorkerProcesses
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.job_count import list_slots, resolve_jobs, threads_per_run
from matekd_bench.study.execute.launcher import check_processes, launched_processes, own_device
from matekd_bench.study.execute.orders import Backend
from matekd_bench.study.execute.runner import Runner, RunSink
from matekd_bench.study.execute.scheduler import Scheduler
from matekd_bench.study.execute.study_session import SharedStudy
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.spec.request import StudyRequest

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host


@dataclass(frozen=True)
class Placement:
    """The request of a study, with all decisions about its execution.

    `request` has its threads filled in if several runs or processes share the CPU. `jobs` is the number of runs at a
    time, and `processes` the number of processes per run. `notes` are lines for the user.
    """

    request: StudyRequest
    device: torch.device
    jobs: int
    processes: int
    notes: tuple[str, ...]


def make_placement(request: StudyRequest, in_process: Sequence[str] = ()) -> Placement:
    """Derive the placement from the request and the launcher; raise UsageError if they contradict each other.

    `in_process` are the names of methods that exist only in this process, so its runs must train one after another.
    """
    spec, execution = request.spec, request.execution
    on_ray, jobs_given = execution.executor == "ray", "jobs" in request.given
    if on_ray and jobs_given:
        raise UsageError(
            "--jobs applies only to this machine: leave it out, because --executor ray uses the cluster's resources."
        )
    processes = execution.processes or launched_processes()
    if processes > 1 and (jobs_given or on_ray):
        raise UsageError("several processes for each run cannot be combined with --jobs or --executor ray.")
    if processes > 1 and spec.budget.kind == "train_flops":
        raise UsageError("several processes for each run need a budget in student_updates or clean_examples.")
    named, threads = resolve_device(execution.device), spec.threads
    check_processes(processes, named)
    device = own_device(named, processes)
    notes = _device_notes(named, device, processes, auto=execution.device == "auto")
    jobs = 1 if on_ray or processes > 1 else resolve_jobs(execution.jobs or "1", device, threads)
    if in_process:
        if on_ray or processes > 1 or (jobs > 1 and execution.jobs != "auto"):
            raise UsageError(
                f"method '{in_process[0]}' is defined in this process, where runs train one after another: "
                "leave out jobs, processes and executor,",
                hint="or write the method to a file, and name the file with plugins=[FILE].",
            )
        jobs = 1
    if device.type == "cpu" and threads is None and max(jobs, processes) > 1:
        threads = threads_per_run(max(jobs, processes), None)
        request = replace(request, spec=spec.model_copy(update={"threads": threads}))
        notes.append(
            f"using --threads {threads} for each process; on a CPU, runs with a different number of threads are "
            f"different runs"
        )
    return Placement(request, device, jobs, processes, tuple(notes))


def _device_notes(named: torch.device, device: torch.device, processes: int, *, auto: bool) -> list[str]:
    """Return notes for the user if the device is not the expected one."""
    notes = []
    if auto and (reason := unused_gpu()) is not None:
        notes.append(f"runs train on the {device.type}: this machine's NVIDIA GPU cannot be used ({reason})")
    if device != named and processes == 1:
        notes.append(
            f"using {device} for this Slurm task because of SLURM_LOCALID; --device cuda:N selects another"
        )
    return notes


@dataclass(frozen=True)
class SchedulerFactory:
    """A factory of the schedulers for the runs of a study and for its tuning trials.

    All of them share `worker_group`; dismiss it when the study ends.
    """

    placement: Placement
    host: Host
    interruptions: Interruptions
    worker_group: WorkerGroup = field(default_factory=WorkerGroup)

    def shared_study(self, threads: int | None = None) -> SharedStudy:
        """Return the description of the study for other processes.

        `threads` are those in the identity of its runs. A run on a GPU has none there, and its process gets the threads
        that the user asked for. The description names only the kind of the device, because a GPU may have another
        number in another process.
        """
        request = self.placement.request
        spec = request.spec.model_copy(update={"threads": threads or request.spec.threads})
        execution = request.execution.model_copy(update={"device": self.placement.device.type})
        return SharedStudy(
            replace(request, spec=spec, execution=execution),
            self.host.files,
            self.host.only_builtin,
            fetch_command(),
        )

    def runner(self, grid: Grid, store: ResultsStore, sink: Sink) -> Runner:
        """Return a runner in this process."""
        command = self.placement.request.command
        return Runner(grid, store, RunSink(sink), self.interruptions, command=command)

    def scheduler(
        self,
        grid: Grid,
        store: ResultsStore,
        sinks: Sequence[Sink],
        runner: Runner,
        *,
        runs: int,
        fail_fast: bool,
    ) -> Scheduler:
        """Return the scheduler for this number of `runs`; `runner` trains them if they run one after another."""
        return Scheduler(
            grid, store, sinks, self._backend(grid, store, runner, runs), self.interruptions,
            command=self.placement.request.command, fail_fast=fail_fast,
        )  # fmt: skip

    def _backend(self, grid: Grid, store: ResultsStore, runner: Runner, runs: int) -> Backend:
        placement = self.placement
        shared = self.shared_study(grid.threads)
        if placement.request.execution.executor == "ray":
            return RayCluster(shared, grid, store, self.interruptions)
        if min(placement.jobs, runs) <= 1:
            return InProcessBackend(runner)
        return WorkerProcesses(
            shared, store, self.interruptions, group=self.worker_group,
            jobs=placement.jobs, slots=list_slots(placement.device),
            threads=threads_per_run(placement.jobs, shared.request.spec.threads),
        )  # fmt: skip


def warn_of_other_threads(todo: Sequence[Cell], store: ResultsStore, threads: int, sink: Sink) -> None:
    """Warn about planned runs that are already recorded with another number of CPU threads.

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
        text = (
            f"{counted(runs, 'run')} already recorded with {counted(other, 'CPU thread')}: with "
            f"{counted(threads, 'thread')} such a run is a new run and is trained again; --threads {other} keeps the "
            f"recorded ones"
        )
        sink.emit(Message(kind="warning", text=text))

"""Several processes for each run: started here or by torchrun; the first leads, the others train what it announces."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial

import torch

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.device import deterministic_kernels, resolve_device
from matekd_bench.distill.student_run import train
from matekd_bench.distill.training.ddp import ALONE, ProcessGroup, Ranks, asked_for, planned
from matekd_bench.distill.training.outcome import RunCallbacks
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import RunError
from matekd_bench.files.network import fetching, offline
from matekd_bench.plugins.host import Host
from matekd_bench.study.execute.backends.in_process import RunAnnouncement
from matekd_bench.study.execute.backends.worker import WorkerStudy
from matekd_bench.study.execute.placement import Placement
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.grid_lookup import GridLookup
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import study_spec

LOCAL = "127.0.0.1"
LAUNCHED = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)  # what a launcher tells processes


@contextmanager
def processes(request: StudyRequest, division: Placement, host: Host, *, dry_run: bool) -> Iterator[Ranks]:
    """The processes that train each run together, this one among them; those that were started here end with it.

    With `dry_run` there is this one alone, which knows their number.
    """
    if division.processes == 1 or dry_run:
        yield ALONE if division.processes == 1 else planned(division.processes)
        return
    asked = replace(request, threads=division.spec.threads)
    followers = [] if asked_for() > 1 else _start(asked, host, division.processes)
    ranks = ProcessGroup(_own(division.device))
    try:
        yield ranks
        if ranks.leads:
            ranks.announce(None)
    finally:
        failed = sys.exc_info()[0] is not None
        ranks.close()
        for name in LAUNCHED if followers else ():
            os.environ.pop(name, None)
        for follower in followers:
            with suppress(subprocess.TimeoutExpired):
                follower.wait(timeout=0 if failed else 10)
            follower.kill()
            follower.wait()


def _own(device: torch.device) -> torch.device:
    """This process's device: of several GPUs the one of its number."""
    if device.type != "cuda":
        return device
    mine = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(mine)
    return mine


def _start(request: StudyRequest, host: Host, wanted: int) -> list[subprocess.Popen[str]]:
    """Starts all processes but the first, and makes this one the first."""
    with socket.socket() as free:
        free.bind((LOCAL, 0))
        port = str(free.getsockname()[1])
    study, started = WorkerStudy(request, host.files, host.only_builtin, fetching()), []
    for rank in range(wanted):
        names = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(wanted)}
        environment = {**os.environ, **names, "MASTER_ADDR": LOCAL, "MASTER_PORT": port}
        if rank == 0:
            leader = environment
            continue
        with tempfile.TemporaryFile("w+") as orders:
            orders.write(study.to_json() + "\n")
            orders.seek(0)
            follower = subprocess.Popen(
                [sys.executable, "-m", "matekd_bench.study.execute.followers"], stdin=orders, stdout=subprocess.DEVNULL,
                env=environment, text=True, start_new_session=True,  # the first process alone hears signals
            )  # fmt: skip
        started.append(follower)
    os.environ.update({name: leader[name] for name in LAUNCHED})
    return started


def follow(roster: GridLookup, ranks: Ranks, asked: Callable[[], bool] = lambda: False) -> None:
    """Trains with the leader whatever it announces, until it announces nothing; reports and writes nothing.

    `asked` says whether this process was asked to stop; then all stop at the end of the update.
    """
    asked()  # from here on a signal is waited for: the leader says when to stop
    held: dict[tuple[int, str], TaskAssets] = {}
    watch = RunCallbacks(
        lambda done, limit, loss, left: None, lambda evaluation, evaluations, score: None, stopping=asked
    )
    nothing: RunAnnouncement | None = None
    while (call := ranks.announce(nothing)) is not None:
        grid, cell = roster.find(call.run_id, call.tuning)
        at = id(grid), cell.data.task.name
        held = {
            place: assets for place, assets in held.items() if place[0] == at[0] and place[1] in call.tasks
        }
        assets = held.setdefault(at, _silent_assets(cell, asked))
        try:
            ranks.together(partial(train, cell.job, assets, watch))
        except PausedError:
            return
        except Exception:  # the leader records it
            del held[at]  # the others may have got another part of them


def _silent_assets(cell: Cell, asked: Callable[[], bool]) -> TaskAssets:
    return TaskAssets(
        cell.data, cell.recipe, lambda text: None, lambda done, limit, loss: None, stopping=asked
    )


def main() -> int:
    """A process that :func:`processes` started: its study is on stdin."""
    study = WorkerStudy.from_json(sys.stdin.readline())
    host = Host.load(study.plugins, only_builtin=study.only_builtin)
    request, spec = study.request, study_spec(study.request, host)
    network = nullcontext() if study.fetching is None else offline(study.fetching)
    ranks = ProcessGroup(_own(resolve_device(spec.device)))
    with network, deterministic_kernels(spec.deterministic), suppress(RunError):  # the leader is gone
        follow(GridLookup.of(spec, request, host, lambda text: None, ranks), ranks)
    return 0


if __name__ == "__main__":
    sys.exit(main())

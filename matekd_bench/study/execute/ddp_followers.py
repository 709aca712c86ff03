"""Lets several processes train each run together: the first one leads, and the others follow its announcements.

The processes are started here or by a launcher such as torchrun.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import torch

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.student_run import train
from matekd_bench.distill.training.ddp import ALONE, ProcessGroup, Ranks, dry_run_ranks
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import LostProcessError, RunError
from matekd_bench.events import Sink
from matekd_bench.study.execute.backends.worker_handle import exit_cause
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.launcher import launched_processes, own_device
from matekd_bench.study.execute.placement import Placement
from matekd_bench.study.execute.runner import Announcement
from matekd_bench.study.execute.study_session import SharedStudy, StudySession

LOCALHOST = "127.0.0.1"
# Environment variables in which a launcher describes the group of processes.
LAUNCHER_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
Follower = subprocess.Popen[str]


@contextmanager
def launch_processes(
    study: SharedStudy, placement: Placement, interruptions: Interruptions, *, dry_run: bool
) -> Iterator[Ranks]:
    """Yield the ranks of the processes that train each run together, including this process.

    Processes started here for `study` end with the block. With `dry_run` none is started, and the ranks know only their
    number. When a process dies, the main thread raises LostProcessError.
    """
    if placement.processes == 1 or dry_run:
        yield ALONE if placement.processes == 1 else dry_run_ranks(placement.processes)
        return
    followers = [] if launched_processes() > 1 else _start_followers(study, placement.processes)
    ranks: Ranks = ALONE
    try:
        _use(placement.device)
        ranks = ProcessGroup(
            placement.device, died=partial(_death, followers),
            on_lost=lambda reason: interruptions.end_study(LostProcessError(reason)),
        )  # fmt: skip
        yield ranks
        if ranks.leads:
            ranks.announce(None)
    finally:
        failed = sys.exc_info()[0] is not None
        ranks.close()
        for name in LAUNCHER_VARIABLES if followers else ():
            os.environ.pop(name, None)
        for follower in followers:
            with suppress(subprocess.TimeoutExpired):
                follower.wait(timeout=0 if failed else 10)
            follower.kill()
            follower.wait()


def _use(device: torch.device) -> None:
    """Make a numbered GPU torch's current one, because NCCL and copies use the current one."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def _death(followers: Sequence[Follower]) -> str | None:
    """Return which follower has died, and how; None while all are alive or have ended normally."""
    for number, follower in enumerate(followers, 2):
        if code := follower.poll():
            return f"process {number} of {len(followers) + 1} (pid {follower.pid}) died ({exit_cause(code)})"
    return None


def _start_followers(study: SharedStudy, size: int) -> list[Follower]:
    """Start the processes of ranks 1 to size - 1, and set this process's environment to rank 0."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))  # port 0: the system picks a free one
        port = str(probe.getsockname()[1])
    followers = []
    for rank in range(size):
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        environment = {**os.environ, **ranks, "MASTER_ADDR": LOCALHOST, "MASTER_PORT": port}
        if rank == 0:
            leader_environment = environment
            continue
        with tempfile.TemporaryFile("w+") as study_file:
            study_file.write(study.to_json() + "\n")
            study_file.seek(0)
            follower = subprocess.Popen(
                [sys.executable, "-m", "matekd_bench.study.execute.ddp_followers"], stdin=study_file,
                stdout=subprocess.DEVNULL, env=environment, text=True,
                start_new_session=True,  # so that only the first process gets signals such as Ctrl-C
            )  # fmt: skip
        followers.append(follower)
    os.environ.update({name: leader_environment[name] for name in LAUNCHER_VARIABLES})
    return followers


def follow(session: StudySession, ranks: Ranks, stop_requested: Callable[[], bool] = lambda: False) -> None:
    """Train every run that the leader announces, until it announces None; report and write nothing.

    `stop_requested` returns True if this process was asked to stop by a signal. All processes then stop after the
    update.
    """
    stop_requested()  # defers signals from now on: all processes must stop at the same update
    assets_by_task: dict[tuple[bool, str], TaskAssets] = {}
    own_value: Announcement = None  # ignored: the leader's value counts
    while (announcement := ranks.announce(own_value)) is not None:
        order, tasks = announcement
        key = order.trial, order.task
        cell = session.cell(order, ranks)
        # Keep only the assets that the leader keeps: all processes prepare them together.
        assets_by_task = {
            (trial, task): assets
            for (trial, task), assets in assets_by_task.items()
            if trial == order.trial and task in tasks
        }
        assets = assets_by_task.setdefault(key, TaskAssets(cell.data, cell.recipe, stopping=stop_requested))
        try:
            ranks.run_sharing_errors(partial(train, cell.job, assets, stopping=stop_requested))
        except PausedError:
            return
        except Exception:  # the leader records it
            del assets_by_task[key]  # the processes may have prepared different parts of them


def main() -> int:
    """Run a process that :func:`launch_processes` started; its study is a line of JSON on stdin."""
    study = SharedStudy.from_json(sys.stdin.readline())
    device = own_device(torch.device(study.request.execution.device), launched_processes())
    _use(device)
    session = StudySession(study, Sink(), device)
    ranks = ProcessGroup(session.device, on_lost=lambda reason: os._exit(1))  # nothing needs saving here
    with session.open(), suppress(RunError):  # RunError: the leader is gone
        follow(session, ranks)
    ranks.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the scheduler tells a backend to do, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from matekd_bench.events import RunStarted, Sink
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.work_items import WorkItem

EndKind = Literal["trained", "elsewhere", "failed", "prepared", "held", "lost"]


@dataclass(frozen=True)
class Order:
    """An order to train a run or, with `prepare`, to make what the runs on its task share.

    Every process finds the same cell by `run_id` and `tuning`. `trial` is True for a tuning trial. `id` is that of the
    work item.
    """

    id: str
    task: str
    run_id: str
    tuning: Tuning | None = None
    trial: bool = False
    prepare: bool = False


@dataclass(frozen=True)
class OrderEnd:
    """The end of an order.

    A run was `trained` here, was recorded by another process meanwhile (`elsewhere`), `failed` and is recorded, or is
    `held` by another process and has to be tried again. A preparation is `prepared`, even if it failed: each run that
    needs it then fails with the reason. `lost`: whatever executed the order died or cannot execute it, and `reason`
    says why. After `device_lost` the process that executed it cannot use its GPU again.
    """

    order: Order
    kind: EndKind
    status: str = ""
    score: float | None = None
    seconds: float = 0.0
    reason: str = ""
    device_lost: bool = False


class Backend(Protocol):
    """A place where orders are executed: this process, worker processes, a cluster."""

    def open(self, cells: Sequence[Cell], sink: Sink) -> AbstractContextManager[None]:
        """Return a context in which orders for `cells` can be executed; what happens in runs goes to `sink`.

        An exception inside the context ends whatever executes orders.
        """

    def work(self) -> list[WorkItem]:
        """Return the work that the cells make here, with the preparations that have to come first."""

    def has_room(self, work: WorkItem) -> bool:
        """Return True if this item could start now."""

    @property
    def preferred_task(self) -> str | None:
        """The task whose data is loaded where the next order would be executed; None: none."""

    def start(self, order: Order) -> None:
        """Begin to execute an order."""

    def wait(self) -> list[OrderEnd]:
        """Wait a moment, pass on what has happened meanwhile, and return the orders that have ended.

        Raises ResultsError if no run can be recorded.
        """

    def stop(self) -> list[OrderEnd]:
        """Have every run save itself, wait for that, and return the orders that ended instead."""

    def forget(self, task: str) -> None:
        """Free what is kept in memory for a task that no later order needs."""


def run_started(cell: Cell) -> RunStarted:
    """Return the start of a cell's run; the scheduler adds its position."""
    job = cell.job
    return RunStarted(
        run_id=cell.run_id, method=job.variant, name=cell.name, task=cell.data.task.name, seed=job.seed,
        trial=cell.trial,
    )  # fmt: skip

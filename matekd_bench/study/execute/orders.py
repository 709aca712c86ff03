"""The orders that the scheduler gives to a backend, and how they end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from matekd_bench.events import RunStarted, Sink
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.work_items import Shared, WorkItem

EndKind = Literal["trained", "elsewhere", "failed", "prepared", "held", "lost"]


@dataclass(frozen=True)
class Order:
    """An order to train a run or, with `prepares`, to prepare what runs share.

    Every process finds the same cell by `run_id` and `tuning`. `trial` is True for a tuning trial. `id` is the id of
    the work item.
    """

    id: str
    task: str
    run_id: str
    tuning: Tuning | None = None
    trial: bool = False
    prepares: tuple[Shared, ...] = ()


@dataclass(frozen=True)
class OrderEnd:
    """The end of an order.

    A run was `trained` here, was recorded in the meantime by another process (`elsewhere`), `failed` and is recorded,
    or is `held` by another process and must be tried again. A preparation is `prepared` even if it failed: each run
    that needs it then fails with the reason. `lost` means that the executor of the order died or cannot execute it;
    `reason` says why. After `device_lost` the process that executed the order cannot use its GPU again.
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
        """Return a context in which orders for `cells` can be executed; events of the runs go to `sink`.

        An exception inside the context ends every executor of orders.
        """

    def work(self) -> list[WorkItem]:
        """Return the work items of the cells, including the preparations that must come first."""

    def has_room(self, work: WorkItem) -> bool:
        """Return True if this item could start now."""

    @property
    def preferred_task(self) -> str | None:
        """The task whose data is loaded where the next order would be executed; None if there is none."""

    def start(self, order: Order) -> None:
        """Start to execute an order."""

    def wait(self) -> list[OrderEnd]:
        """Wait briefly, pass on new events, and return the orders that have ended.

        Raises ResultsError if no run can be recorded.
        """

    def stop(self) -> list[OrderEnd]:
        """Make every run save itself, wait until it has, and return the orders that ended in the meantime."""

    def forget(self, task: str) -> None:
        """Free the memory held for a task that no later order needs."""


def run_started(cell: Cell) -> RunStarted:
    """Return the start event of a cell's run; the scheduler adds its position."""
    job = cell.job
    return RunStarted(
        run_id=cell.run_id, method=job.variant, name=cell.name, task=cell.data.task.name, seed=job.seed,
        trial=cell.trial,
    )  # fmt: skip

"""Executes orders in this process, one after another, in the order of the plan."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from matekd_bench.errors import RunError
from matekd_bench.events import Sink
from matekd_bench.study.execute.orders import Order, OrderEnd
from matekd_bench.study.execute.runner import Runner
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.work_items import WorkItem

IDLE_SECONDS = 0.2  # between two checks whether runs that other processes hold are free


class InProcessBackend:
    """A backend that executes an order when it is started."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._cells: Sequence[Cell] = ()
        self._ended: list[OrderEnd] = []
        self._device_lost = False

    @contextmanager
    def open(self, cells: Sequence[Cell], sink: Sink) -> Iterator[None]:
        """Execute orders for `cells`; events of the runs go to `sink`."""
        self._cells = cells
        with self.runner.sink.redirected(sink):
            yield

    def work(self) -> list[WorkItem]:
        """Return the runs in the order of the plan; the first run of a task prepares what the others share."""
        return [WorkItem(cell.run_id, cell.data.task.name, method=cell.job.variant) for cell in self._cells]

    def has_room(self, work: WorkItem) -> bool:
        """Return True if the end of the last order has been taken."""
        return not self._ended

    @property
    def preferred_task(self) -> str | None:
        """None: the order of the plan already keeps the runs of a task together."""
        return None

    def start(self, order: Order) -> None:
        """Execute the order; raise RunError if an earlier one has made this process's GPU unusable."""
        if self._device_lost:
            raise RunError(
                f"after the last error nothing can run on '{self.runner.grid.device}' in this process:",
                hint="run the same command with --jobs 2, which replaces processes after such an error.",
            )
        end = self.runner.execute(order)
        self._device_lost = end.device_lost
        self._ended.append(end)

    def wait(self) -> list[OrderEnd]:
        """Return the end of the last order; wait briefly if there is none."""
        if not self._ended:
            time.sleep(IDLE_SECONDS)
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> list[OrderEnd]:
        """Return nothing: between two calls no order is running."""
        return []

    def forget(self, task: str) -> None:
        """Free what the runs of a task share."""
        self.runner.forget(task)

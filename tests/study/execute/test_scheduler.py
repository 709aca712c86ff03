"""The scheduler over a backend without processes: runs that are held, lost or fail, preparations, and stopping."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from event_recorder import EventRecorder
from matekd_bench.errors import ResultsError, StoppedError
from matekd_bench.events import Message, Prepared, RunFinished, RunStarted, Sink, StudyFinished
from matekd_bench.files import durable
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import EndKind, Order, OrderEnd, run_started
from matekd_bench.study.execute.runner import Runner, RunSink
from matekd_bench.study.execute.scheduler import Scheduler
from matekd_bench.study.execute.work_queue import RETRY_SECONDS
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.plan.work_items import WorkItem, preparation_id
from matekd_bench.study.spec.request import make_request

Ends = Mapping[str, Sequence[EndKind]]  # by the id of an order: how it ends each time
TEACHER = preparation_id("teacher", "rte")


class ScriptedBackend:
    """A backend in which orders end as `ends` says, else trained, one in each call of `wait`.

    `room` is the number of orders at a time. `log` holds the ids of orders as they start, and what else is asked for.
    """

    def __init__(self, ends: Ends, *, room: int = 1, prepares: bool = False) -> None:
        self._ends = {name: list(kinds) for name, kinds in ends.items()}
        self._room, self._prepares = room, prepares
        self._under_way: list[Order] = []
        self.log: list[str] = []
        self.orders: list[Order] = []
        self.on_wait: Callable[[], None] = lambda: None

    @contextmanager
    def open(self, cells: Sequence[Cell], sink: Sink) -> Iterator[None]:
        self.cells, self.sink = {cell.run_id: cell for cell in cells}, sink
        self.log.append("open")
        try:
            yield
        finally:
            self.log.append("close")

    def work(self) -> list[WorkItem]:
        before = frozenset({TEACHER} if self._prepares else ())
        runs = [
            WorkItem(cell.run_id, "rte", method=cell.job.variant, waits_for=before)
            for cell in self.cells.values()
        ]
        return [WorkItem(TEACHER, "rte", prepares=("teacher",)), *runs] if self._prepares else runs

    def has_room(self, work: WorkItem) -> bool:
        return len(self._under_way) < self._room

    @property
    def preferred_task(self) -> str | None:
        return None

    def start(self, order: Order) -> None:
        self.log.append(order.id)
        self.orders.append(order)
        self._under_way.append(order)

    def wait(self) -> list[OrderEnd]:
        self.on_wait()
        return [self._end(self._under_way.pop(0))] if self._under_way else []

    def _end(self, order: Order) -> OrderEnd:
        kinds = self._ends.get(order.id)
        kind: EndKind = kinds.pop(0) if kinds else "prepared" if order.prepares else "trained"
        if kind == "trained":
            self.sink.emit(run_started(self.cells[order.run_id]))
            self.sink.emit(Message(kind="note", text="the same note"))
        status, score = {"trained": ("ok", 0.5), "elsewhere": ("ok", 0.25)}.get(kind, (kind, None))
        return OrderEnd(order, kind, status, score, 1.5, "power loss" if kind == "lost" else "")

    def stop(self) -> list[OrderEnd]:
        """The first order under way ends meanwhile, the others are cut off."""
        self.log.append("stop")
        return [self._end(self._under_way.pop(0))] if self._under_way else []

    def forget(self, task: str) -> None:
        self.log.append(f"forget {task}")


@pytest.fixture(scope="module")
def grid(study_settings: dict[str, Any]) -> Grid:
    """Four runs of one method."""
    host = Host.load(only_builtin=True)
    request = make_request({**study_settings, "methods": "kd", "tasks": "rte", "seeds": 4}, host)
    return make_grid(request.spec, torch.device("cpu"), host)


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    return ResultsStore(tmp_path)


def schedule(
    grid: Grid, store: ResultsStore, backend: ScriptedBackend, interruptions: Interruptions | None = None,
    **options: Any,
) -> tuple[StudyFinished, EventRecorder]:  # fmt: skip
    """Run all cells of the grid; return the tally and the events."""
    recorder = EventRecorder()
    scheduler = Scheduler(
        grid, store, [recorder], backend, interruptions or Interruptions(), command="the command", **options
    )
    return scheduler.run(grid.cells), recorder


def ids(grid: Grid) -> list[str]:
    return [cell.run_id for cell in grid.cells]


def test_a_grid_without_cells_opens_nothing(grid: Grid, store: ResultsStore) -> None:
    backend = ScriptedBackend({})
    tally, recorder = schedule(replace(grid, cells=()), store, backend)
    assert (tally, recorder.events, backend.log) == (StudyFinished(status="done"), [], [])


def test_each_run_starts_and_ends_once_and_a_note_is_passed_on_once(grid: Grid, store: ResultsStore) -> None:
    backend = ScriptedBackend({ids(grid)[2]: ["elsewhere"]}, room=3)
    tally, recorder = schedule(grid, store, backend)
    assert tally == StudyFinished(status="done", trained=3, skipped=1)
    assert backend.log == ["open", *ids(grid), "forget rte", "close"]
    starts, ends = recorder.all(RunStarted), recorder.all(RunFinished)
    assert [(start.run_id, start.position, start.total) for start in starts] == [
        (run_id, number, 4) for number, run_id in enumerate(ids(grid), start=1)
    ]
    assert [(end.run_id, end.status, end.score) for end in ends] == [
        (run_id, "ok", 0.25 if run_id == ids(grid)[2] else 0.5) for run_id in ids(grid)
    ]
    assert len(recorder.all(Message)) == 1


def test_a_held_run_is_tried_again_after_the_others(
    grid: Grid, store: ResultsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("matekd_bench.study.execute.work_queue.time.monotonic", lambda: now)
    first, *others = ids(grid)
    backend = ScriptedBackend({first: ["held", "held", "trained"]})

    def pass_time() -> None:
        nonlocal now
        now += RETRY_SECONDS / 10

    backend.on_wait = pass_time
    tally, recorder = schedule(grid, store, backend)
    assert tally == StudyFinished(status="done", trained=4)
    assert backend.log == ["open", first, *others, first, first, "forget rte", "close"]
    assert [end.run_id for end in recorder.all(RunFinished)] == [*others, first]


def test_a_lost_run_is_recorded_as_failed_and_the_others_continue(grid: Grid, store: ResultsStore) -> None:
    lost = ids(grid)[1]
    tally, recorder = schedule(grid, store, ScriptedBackend({lost: ["lost"]}))
    assert tally == StudyFinished(status="done", trained=3, failed=1)
    record = store.read(lost)
    assert (record.status, record.reason, record.compute.train_seconds) == ("failed", "power loss", 1.5)
    assert record.provenance.command == "the command"
    [warning] = [message for message in recorder.all(Message) if message.kind == "warning"]
    assert (warning.run_id, "power loss" in warning.text) == (lost, True)
    assert [start.run_id for start in recorder.all(RunStarted)] == ids(
        grid
    )  # though the backend never said so
    end = recorder.all(RunFinished)[1]
    assert (end.run_id, end.status, end.score, end.record["reason"]) == (lost, "failed", None, "power loss")


def test_a_run_that_was_recorded_before_it_was_lost_counts_as_trained(
    grid: Grid, store: ResultsStore
) -> None:
    cell = grid.cells[0]
    runner = Runner(grid, store, RunSink(Sink()), Interruptions(), command="")
    trained = runner.execute(Order(cell.run_id, "rte", cell.run_id))
    tally, recorder = schedule(replace(grid, cells=(cell,)), store, ScriptedBackend({cell.run_id: ["lost"]}))
    assert tally == StudyFinished(status="done", trained=1)
    [end] = recorder.all(RunFinished)
    assert (end.status, end.score) == (trained.status, trained.score)


@pytest.mark.parametrize("problem", [None, "No space left on device"])
def test_a_stopped_preparation_tells_whether_it_is_saved(
    grid: Grid, store: ResultsStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str | None
) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(28, problem)

    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    if problem is not None:
        monkeypatch.setattr(durable, "seal", refuse)
    with Interruptions() as interruptions:
        interruptions.stop_requested()  # defers the signal
        signal.raise_signal(signal.SIGTERM)
        runner = Runner(grid, store, RunSink(Sink()), interruptions, command="")
        with pytest.raises(StoppedError, match=problem or "saved at update 1") as stopped:
            runner.execute(Order(TEACHER, "rte", ids(grid)[0], prepares=("teacher",)))
    assert "teacher" in str(stopped.value)


def test_runs_wait_for_their_preparation_even_if_it_is_lost(grid: Grid, store: ResultsStore) -> None:
    for kind in ("prepared", "lost"):
        backend = ScriptedBackend({TEACHER: [kind]}, room=4, prepares=True)
        tally, recorder = schedule(grid, store, backend)
        assert tally == StudyFinished(status="done", trained=4)
        assert backend.log[:3] == ["open", TEACHER, ids(grid)[0]]
        first = backend.orders[0]
        assert (first.prepares, first.task, first.run_id) == (("teacher",), "rte", ids(grid)[0])
        assert not any(order.prepares for order in backend.orders[1:])
        assert recorder.all(Prepared) == [Prepared(run_id=first.run_id)]
        warnings = [message.text for message in recorder.all(Message) if message.kind == "warning"]
        assert [("power loss" in text, TEACHER in text) for text in warnings] == [(True, True)] * (
            kind == "lost"
        )


def test_fail_fast_stops_after_the_first_failure_and_counts_what_is_left(
    grid: Grid, store: ResultsStore
) -> None:
    first, second, third, _ = ids(grid)
    backend = ScriptedBackend({first: ["failed"]}, room=3)
    tally, recorder = schedule(grid, store, backend, fail_fast=True)
    assert backend.log == ["open", first, second, third, "stop", "close"]
    assert tally == StudyFinished(status="done", trained=1, failed=1, left=2)  # the second ended meanwhile
    assert [end.run_id for end in recorder.all(RunFinished)] == [first, second]
    tally, _ = schedule(grid, store, ScriptedBackend({first: ["failed"]}, room=3))
    assert tally == StudyFinished(status="done", trained=3, failed=1)


def test_after_a_signal_the_backend_stops_and_what_ended_is_counted(grid: Grid, store: ResultsStore) -> None:
    backend, recorder = ScriptedBackend({}, room=2), EventRecorder()
    with Interruptions() as interruptions:
        interruptions.stop_requested()  # defers signals, as a backend does when it is opened
        backend.on_wait = lambda: signal.raise_signal(signal.SIGTERM)
        scheduler = Scheduler(grid, store, [recorder], backend, interruptions, command="")
        with pytest.raises(StoppedError) as stopped:
            scheduler.run(grid.cells)
    assert stopped.value.exit_code == 143
    first, second, *_ = ids(grid)
    assert backend.log == ["open", first, second, "stop", "close"]
    assert [end.run_id for end in recorder.all(RunFinished)] == [first, second]


def test_an_error_of_the_results_folder_ends_the_study(grid: Grid, store: ResultsStore) -> None:
    def fail() -> None:
        raise ResultsError("the folder is full")

    backend = ScriptedBackend({})
    backend.on_wait = fail
    with pytest.raises(ResultsError, match="the folder is full"):
        schedule(grid, store, backend)
    assert backend.log == ["open", ids(grid)[0], "close"]

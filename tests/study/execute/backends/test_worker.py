"""The lines between a study and its workers: orders and reports arrive as they were sent."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from drawn_values import EXACT, TEXTS, TUNINGS, drawn, pickled, piped, same
from event_recorder import EventRecorder
from led_study import LedStudy
from matekd_bench.errors import BenchError, ResultsError, RunError
from matekd_bench.events import (
    Evaluated,
    Event,
    Message,
    Prepared,
    Progress,
    RunFinished,
    RunStarted,
    StudyFinished,
)
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.backends import worker, worker_handle
from matekd_bench.study.execute.backends.ray_node import files_of
from matekd_bench.study.execute.backends.worker import MEMORY_UPDATES, RemoteRunner, WorkerSink, serve
from matekd_bench.study.execute.backends.worker_handle import WorkerGroup
from matekd_bench.study.execute.backends.worker_processes import WorkerProcesses
from matekd_bench.study.execute.device_slots import DeviceSlot
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import Order, OrderEnd, run_started
from matekd_bench.study.execute.runner import RunSink
from matekd_bench.study.execute.scheduler import Scheduler
from matekd_bench.study.execute.study_session import SharedStudy, StudySession

ENDS = st.builds(
    OrderEnd,
    order=st.none(),
    kind=st.sampled_from(("trained", "elsewhere", "failed")),
    status=TEXTS,
    score=st.none() | st.floats(),
    seconds=st.floats(),
)


@pytest.fixture(scope="module", autouse=True)
def earlier_host() -> Iterator[None]:
    """Put back the plugins that tests in other files rely on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Host, "latest", Host.latest)
        yield


@pytest.fixture(scope="module")
def led(tmp_path_factory: pytest.TempPathFactory) -> LedStudy:
    """A tuned study of one method on one task."""
    results = tmp_path_factory.mktemp("results")
    options = {"methods": "random-mask", "tasks": "rte", "tune": 3, "limit_train": 300, "device": "cpu"}
    return LedStudy.of({**options, "results": results})


class ThreadProcess:
    """What a study needs of a worker process, in a thread of this process; its pipes carry ASCII alone."""

    def __init__(self, *_: object, **__: object) -> None:
        orders, self.stdin = _pipe()
        self.stdout, reports = _pipe()
        self.returncode: int | None = None

        def run() -> None:
            with orders, reports:
                self.returncode = serve(orders, reports)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> int | None:
        self._thread.join(timeout)
        return self.returncode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Do nothing: a thread gets no signals."""


def _pipe() -> tuple[Any, Any]:
    reading, writing = os.pipe()
    return os.fdopen(reading, encoding="ascii"), os.fdopen(writing, "w", encoding="ascii")


@dataclass
class ScriptedRunner:
    """Stands in for what trains: it keeps its orders, emits the given events and returns the given end."""

    sink: RunSink
    events: ClassVar[Sequence[Event]] = ()
    end: ClassVar[OrderEnd | BenchError] = ResultsError("no end was given")
    orders: ClassVar[list[Order]] = []

    def execute(self, order: Order) -> OrderEnd:
        self.orders.append(order)
        if order.prepares:
            return OrderEnd(order, "prepared")
        self.sink.run_id = order.run_id
        self.sink.emit(RunStarted(method="random-mask", task="rte", seed=0))
        for event in self.events:
            self.sink.emit(event)
        if isinstance(self.end, BenchError):
            raise self.end
        return replace(self.end, order=order)


@contextmanager
def scripted(events: Sequence[Event], end: OrderEnd | BenchError) -> Iterator[list[Order]]:
    """Have workers be threads with a scripted runner; yield the orders that they get."""
    session = SimpleNamespace(device=torch.device("cpu"), open=nullcontext)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{worker_handle.__name__}.subprocess.Popen", ThreadProcess)
        patch.setattr(worker, "StudySession", lambda study, sink: session)
        patch.setattr(worker, "RemoteRunner", lambda session, store, sink, *_: ScriptedRunner(sink))
        patch.setattr(ScriptedRunner, "events", events)
        patch.setattr(ScriptedRunner, "end", end)
        patch.setattr(ScriptedRunner, "orders", [])
        yield ScriptedRunner.orders


def schedule(led: LedStudy, tuning: Tuning | None) -> tuple[StudyFinished, EventRecorder]:
    recorder, group, interruptions = EventRecorder(), WorkerGroup(), Interruptions()
    backend = WorkerProcesses(
        led.shared, led.store, interruptions, group=group, jobs=1, threads=1, slots=[DeviceSlot("cpu")]
    )
    scheduler = Scheduler(led.grid, led.store, [recorder], backend, interruptions, command="")
    try:
        return scheduler.run([replace(led.grid.cells[1], tuning=tuning)]), recorder
    finally:
        group.dismiss()


@given(
    tuning=st.none() | TUNINGS,
    events=st.lists(st.one_of(drawn(Progress), drawn(Evaluated), drawn(Message)), max_size=5),
    end=ENDS,
)
@EXACT
def test_orders_reach_a_worker_and_its_events_and_ends_the_scheduler(
    led: LedStudy, tuning: Tuning | None, events: list[Event], end: OrderEnd
) -> None:
    cell = led.grid.cells[1]
    with scripted(events, end) as orders:
        tally, recorder = schedule(led, tuning)
    assert tally == StudyFinished(status="done", **{"skipped" if end.kind == "elsewhere" else end.kind: 1})
    preparation = Order("teacher for mini-rte", "mini-rte", cell.run_id, tuning, prepares=("teacher",))
    assert same(orders, [preparation, Order(cell.run_id, "mini-rte", cell.run_id, tuning)])
    begun = RunStarted(run_id=cell.run_id, method="random-mask", task="rte", seed=0)
    finished = RunFinished(run_id=cell.run_id, status=end.status, score=end.score, seconds=end.seconds)
    assert same(
        recorder.events, [Prepared(run_id=cell.run_id), begun, *passed_on(events, cell.run_id), finished]
    )


def passed_on(events: Sequence[Event], run_id: str) -> Iterator[Event]:
    """The events that the scheduler passes on: all with the id of a run, a note or warning once."""
    seen = set()
    for event in events:
        if isinstance(event, Message) and event.kind in ("note", "warning"):
            if event.text in seen:
                continue
            seen.add(event.text)
        yield event if event.run_id else replace(event, run_id=run_id)


@given(message=TEXTS, hint=st.none() | TEXTS)
@EXACT
def test_a_results_error_of_a_worker_ends_the_study_in_its_words(
    led: LedStudy, message: str, hint: str | None
) -> None:
    with (
        scripted([], ResultsError(message, hint=hint)),
        pytest.raises(ResultsError) as raised,
    ):
        schedule(led, None)
    assert (raised.value.message, raised.value.hint) == (message, hint)


def test_a_worker_makes_the_run_and_the_settings_of_its_order(led: LedStudy, tmp_path: Path) -> None:
    """It finds the run held by another process, then recorded as failed on another machine."""
    cell = led.grid.cells[-1]
    tuning = led.choice(cell, 2)
    complete = led.grid.complete(cell, tuning)
    assert (complete.job.params, complete.job.training) != (cell.job.params, cell.job.training)
    order = TypeAdapter(Order).validate_json(
        piped(TypeAdapter(Order).dump_json(Order(cell.run_id, "mini-rte", cell.run_id, tuning)).decode())
    )
    recorder = EventRecorder()
    session = StudySession(SharedStudy.from_json(piped(led.shared.to_json())), recorder)
    remote = RemoteRunner(session, led.store, RunSink(recorder), Interruptions())
    made = remote.runner(order).grid.cell(order.run_id, order.tuning)
    assert (made.job.params, made.job.training) == (complete.job.params, complete.job.training)
    assert same(made.tuning, tuning)
    with pytest.raises(RuntimeError, match=cell.run_id):
        remote.runner(order).grid.cell(cell.run_id)  # without a choice
    with pytest.raises(RunError, match="another-run"):
        remote.runner(order).grid.cell("another-run", tuning)

    lock = led.store.under_way(cell.run_id)
    assert lock.acquire()
    assert [remote.execute(order).kind for _ in range(2)] == ["held", "held"]
    lock.release(done=False)
    [note] = [message for message in recorder.all(Message) if message.kind != "stage"]
    assert (note.kind, note.run_id, str(os.getpid()) in note.text) == ("note", cell.run_id, True)
    elsewhere = ResultsStore(tmp_path)
    elsewhere.write(recording.failed_record(complete, led.grid, "no luck", 1.5, ""), study={})
    led.store.import_run(cell.run_id, pickled(files_of(elsewhere.runs / cell.run_id)))
    end = remote.execute(order)
    assert (end.kind, end.status, end.score) == ("failed", "failed", None)
    assert recorder.all(RunStarted) == [run_started(complete)]
    assert same(led.store.read(cell.run_id).tuning, tuning)


def test_a_run_that_does_not_exist_in_a_worker_costs_itself(led: LedStudy) -> None:
    """As when a plugin was edited between the plan and the start of the worker."""
    with scripted([], RunError("the code is another one")):
        study, recorder = schedule(led, None)
    assert (study.status, study.failed) == ("done", 1)
    assert led.store.read(led.grid.cells[1].run_id).reason == "the code is another one"
    assert [message.kind for message in recorder.all(Message)] == ["warning"]


def test_memory_is_reported_soon_after_the_start_of_each_run() -> None:
    stream = io.StringIO()
    sink = WorkerSink(stream, torch.device("cpu"))

    def reports_after(*events: Event) -> int:
        for event in events:
            sink.emit(event)
        return stream.getvalue().count('{"memory"')

    step = Progress(done=1, limit=9)
    assert reports_after(*[step] * (MEMORY_UPDATES - 1)) == 0
    assert reports_after(step, *[step] * (MEMORY_UPDATES - 1)) == 1
    assert (
        reports_after(RunStarted(method="kd", task="rte", seed=0), step) == 1
    )  # that of the run before is no use
    assert reports_after(Evaluated(number=1, total=2, score=0.5)) == 2

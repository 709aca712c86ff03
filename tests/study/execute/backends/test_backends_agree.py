"""Every backend executes a study as this process does: the same events of each run, records and tally."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from event_recorder import EventRecorder
from matekd_bench.events import Evaluated, Event, Message, RunFinished, RunStarted, StudyFinished
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study import run
from matekd_bench.study.spec.request import make_request

PLUGIN = """
import torch
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Unlucky(Perturbation[NoParams]):
    def views(self, batch, models):
        if batch.update == 3 and self.context.seed == 1:
            raise KeyboardInterrupt("no luck")
        if len(batch) > 4:
            raise torch.OutOfMemoryError("a note follows")
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="unlucky", summary="as kd", factory=Unlucky, level="text", version="1")
"""
MEASURED = {"train_seconds", "eval_seconds", "precompute_seconds", "peak_memory_bytes", "fine_tune_seconds"}
NO_RAY = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install -c constraints.txt -e '.[ray]'"
)
BACKENDS = [
    pytest.param({"jobs": "2"}, id="worker processes"),
    pytest.param(
        {"executor": "ray", "ray_address": "local"},
        id="ray",
        marks=[pytest.mark.ray, NO_RAY],
    ),
]


def by_run(recorder: EventRecorder) -> dict[str, list[Event]]:
    """The starts, evaluations and ends of each run, without times and positions."""
    events: dict[str, list[Event]] = defaultdict(list)
    for event in recorder.events:
        if isinstance(event, RunStarted):
            events[event.run_id].append(replace(event, position=0))
        elif isinstance(event, RunFinished):
            events[event.run_id].append(replace(event, seconds=0.0, record=unmeasured(event.record)))
        elif isinstance(event, Evaluated):
            events[event.run_id].append(event)
    return dict(events)


def unmeasured(value: Any) -> Any:
    """JSON data without what differs from one execution to the next."""
    if isinstance(value, list):
        return [unmeasured(item) for item in value]
    if not hasattr(value, "items"):
        return value
    return {
        key: unmeasured(item) for key, item in value.items() if key not in MEASURED and key != "provenance"
    }


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A method whose run with seed 1 raises what is no Exception."""
    file = tmp_path_factory.mktemp("plugin") / "unlucky.py"
    file.write_text(PLUGIN)
    return file


def executed(
    settings: dict[str, Any], plugin: Path, results: Path, options: dict[str, Any]
) -> tuple[EventRecorder, dict[str, Any]]:
    """Run the study; return its events and its records as JSON data, by run id."""
    host, recorder = Host.load([plugin], only_builtin=True), EventRecorder()
    study = {**settings, "methods": "unlucky", "tasks": "rte,sst2", "seeds": 2, "results": results}
    run(make_request({**study, **options}, host, command="test"), host, recorder)
    store = ResultsStore(results)
    files = {run_id: store.runs / run_id for run_id in store.run_ids()}
    records = {
        run_id: unmeasured(json.loads((folder / "record.json").read_text()))
        for run_id, folder in files.items()
    }
    return recorder, records


@pytest.fixture(scope="module")
def expected(
    study_settings: dict[str, Any], plugin: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EventRecorder, dict[str, Any]]:
    """What a study in this process does."""
    return executed(study_settings, plugin, tmp_path_factory.mktemp("expected"), {})


@pytest.mark.parametrize("options", BACKENDS)
def test_a_study_is_the_same_as_in_process(
    options: dict[str, Any],
    expected: tuple[EventRecorder, dict[str, Any]],
    study_settings: dict[str, Any],
    plugin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))  # so that teachers are trained again
    recorder, records = executed(study_settings, plugin, tmp_path / "results", options)
    assert records == expected[1]
    assert by_run(recorder) == by_run(expected[0])
    for events in (recorder.events, expected[0].events):
        check_study(events, records)
    for run_id, of_run in by_run(recorder).items():
        evaluations = 1 if records[run_id]["status"] == "failed" else 2
        assert [type(event) for event in of_run] == [RunStarted, *evaluations * [Evaluated], RunFinished]


def check_study(events: list[Event], records: dict[str, Any]) -> None:
    """Check positions, the tally, that a note comes once, and that warnings say which run they are about."""
    starts = [event for event in events if isinstance(event, RunStarted)]
    assert [(start.position, start.total) for start in starts] == [(number, 8) for number in range(1, 9)]
    ends = [event for event in events if isinstance(event, StudyFinished)]
    assert ends == [StudyFinished(status="done", trained=6, failed=2)]
    trained = [one for run_id, one in records.items() if "unlucky" in run_id and one["status"] != "failed"]
    passes = {(one["compute"]["micro_batch"], one["hparams"]["micro_batch"]) for one in trained}
    assert passes == {(4, None)}  # what memory enforced is recorded beside what was asked for
    messages = [event for event in events if isinstance(event, Message)]
    fine_tunings = Counter(message.text for message in messages if message.text.startswith("fine-tuning"))
    assert set(fine_tunings.values()) <= {1}  # a teacher is made once for all runs of its task
    said = [message.text.partition(":")[0] for message in messages if "4 rows per pass" in message.text]
    assert sorted(said) == ["unlucky on rte", "unlucky on sst2"]
    warnings = [event.run_id for event in messages if event.kind == "warning" and "no luck" in event.text]
    failed = [run_id for run_id, record in records.items() if record["status"] == "failed"]
    assert sorted(warnings) == sorted(failed)

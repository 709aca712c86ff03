"""Events come back from JSON as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawn_values import EXACT, drawn, piped, same
from matekd_bench.events import (
    EVENTS,
    Event,
    PlannedRun,
    RunStarted,
    StudyFinished,
    StudyStarted,
    as_json,
    from_json,
)

SENT = [kind for kind in EVENTS.values() if kind not in (StudyStarted, StudyFinished)]


@given(event=st.one_of(*map(drawn, SENT)))
@EXACT
def test_an_event_is_a_line_of_json_and_comes_back(event: Event) -> None:
    back = from_json(json.loads(piped(json.dumps(as_json(event)))))
    assert same(back, event)


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(KeyError, match="Nonsense"):
        from_json({"event": "Nonsense", "run_id": ""})


def test_a_trial_is_labeled_by_its_number_and_a_run_by_its_seed() -> None:
    run = RunStarted(run_id="r", method="eda[alpha=0.2]", task="rte", seed=3)
    trial = RunStarted(run_id="r", method="kd", task="rte", seed=10**6, trial="trial 2 of 8")
    assert [run.label, trial.label] == ["eda[alpha=0.2] on rte, seed 3", "kd on rte, trial 2 of 8"]


def test_the_runs_to_do_are_those_without_a_record() -> None:
    runs = tuple(PlannedRun(run_id=name, method="kd", task="rte", seed=0, done=name == "a") for name in "ab")
    study = StudyStarted(
        results=Path("r"), preset="mini", methods=("kd",), tasks=("rte",), seeds=(0,), runs=runs
    )
    assert [run.run_id for run in study.todo] == ["b"]

"""Planning: against schedules worked out by hand, against its own bounds, and for very many runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matekd_bench.cli import main
from matekd_bench.cli.ui.forecast_lines import lines
from matekd_bench.study.plan.forecast import Forecast, WorkItem, forecast, makespan

TEACHER = WorkItem("teacher", 10, "a")
RUNS = [WorkItem(f"r{n}", seconds, "a", "eda", "teacher") for n, seconds in enumerate((7, 5, 4, 4))]


def test_runs_wait_for_their_teacher_and_the_longest_goes_first() -> None:
    assert makespan([TEACHER, *RUNS], 1) == 30
    assert makespan([TEACHER, *RUNS], 2) == 21  # 10, then 7 + 4 beside 5 + 4
    assert makespan([TEACHER, *RUNS], 9) == 17
    free = [WorkItem("free", 16, "b", "kd")]
    assert makespan([*free, TEACHER, *RUNS], 2) == 25  # 7 and 4 behind the teacher, 5 and 4 behind the other


def test_a_teacher_many_wait_for_is_begun_before_longer_runs() -> None:
    short = WorkItem("teacher", 1, "a")
    waits = WorkItem("waits", 30, "a", "kd", "teacher")
    assert makespan([WorkItem("free", 20, "b", "kd"), waits, short], 1) == 51
    assert makespan([WorkItem("free", 20, "b", "kd"), waits, short], 2) == 31


def test_what_a_forecast_says() -> None:
    found = forecast([TEACHER, *RUNS], 4, {"guess": 4})
    assert (found.device_seconds, found.end, found.bound) == (30, 17, 7.5)
    assert (found.last, found.last_seconds, found.waits_seconds, found.useful_devices) == ("r0", 7, 10, 2)
    assert found.set_by_one
    assert found.shares["method"] == {"eda": 20 / 30, "teachers": 10 / 30}
    assert found.shares["task"] == {"a": 1.0}
    said = list(lines(found))
    assert said[0] == (
        "4 devices: 0.01 device-hours, done in about 17 s; no order is faster than 8 s "
        "(work per device 8 s, longest run 7 s)."
    )
    assert said[1:4] == ["by method: eda 67%, teachers 33%.", "by task: a 100%.", "4 runs judged by guess."]
    assert said[4].startswith(
        "warning: one long run sets the end: r0 (7 s, after 10 s of its teacher); more than 2"
    )
    assert not forecast([TEACHER, *RUNS], 1).set_by_one


WORK = st.lists(st.tuples(st.floats(0, 20), st.lists(st.floats(0.1, 30), max_size=8)), min_size=1, max_size=5)


@given(tasks=WORK, devices=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_an_end_lies_between_its_bounds(tasks: list[tuple[float, list[float]]], devices: int) -> None:
    work = []
    for task, (teacher, runs) in enumerate(tasks):
        work.append(WorkItem(f"teacher {task}", teacher, f"{task}"))
        work += [
            WorkItem(f"{task}/{n}", run, f"{task}", "kd", f"teacher {task}") for n, run in enumerate(runs)
        ]
    found = forecast(work, devices)
    longest_way = found.last_seconds + found.waits_seconds
    assert found.bound <= found.end + 1e-6
    assert longest_way <= found.end + 1e-6
    assert found.end <= found.device_seconds / devices + longest_way + 1e-6  # Graham's bound for such lists
    assert sum(found.shares["task"].values()) == pytest.approx(1.0 if found.device_seconds else 0.0)


@pytest.mark.parametrize("devices", [8, 64, 1024])
def test_ten_thousand_runs_are_planned_at_once(devices: int) -> None:
    work = [WorkItem(f"teacher {task}", 900.0 + task, str(task)) for task in range(8)]
    work += [
        WorkItem(f"run {n}", 60.0 + n * 7919 % 1000, str(n % 8), f"m{n % 15}", f"teacher {n % 8}")
        for n in range(10_000)
    ]
    started = time.process_time()
    found: Forecast = forecast(work, devices)
    assert time.process_time() - started < 5  # it takes less than a tenth of a second
    assert found.bound <= found.end < 1.01 * found.bound + found.last_seconds + found.waits_seconds


def test_dry_run_plans_for_devices(
    study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = ["run", *study_options, "--methods", "eda", "--tasks", "rte,sst2", "--results", str(tmp_path)]
    assert main([*study, "--dry-run", "--devices", "2"]) == 0
    printed = capsys.readouterr().out
    assert "2 devices: 0.00 device-hours, done in about " in printed
    assert "4 runs judged by the speed of one matrix product, within a factor of two." in printed
    assert main([*study, "--dry-run", "--devices", "64", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)["forecast"]
    assert plan["devices"] == 64
    assert plan["bound"] <= plan["end"]
    assert main([*study, "--devices", "2"]) == 2
    assert capsys.readouterr().err == "error: --devices is for planning: add --dry-run.\n"


def test_processes_have_to_start() -> None:
    plain, starting = forecast([TEACHER, *RUNS], 4), forecast([TEACHER, *RUNS], 4, start=10.0)
    assert starting.end == plain.end + 20.0  # of this process, then of those on the devices
    assert (starting.start_seconds, starting.bound) == (20.0, plain.bound)
    assert forecast([TEACHER, *RUNS], 1, start=10.0).start_seconds == 10.0  # there is this one alone

"""The remaining time of a piece of work and of a study."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from matekd_bench.events import PlannedRun
from matekd_bench.screen.time_left import Pace, StudyPace
from screen_events import STUDY, THREE, Clock, finished


def test_time_left_is_known_only_in_the_middle() -> None:
    clock = Clock()
    pace, study = Pace(clock), StudyPace(THREE, clock)
    pace.step(1)
    clock.now = 10.0
    assert [pace.left(done, 8) for done in (0, 1, 3, 8)] == [None, None, 25.0, None]
    left = []
    for run in (*THREE.todo, THREE.todo[-1]):
        left.append(study.left())
        study.run_finished(finished(run.run_id, seconds=10.0))
    assert left == [None, 20.0, 10.0, None]


def test_a_run_takes_what_runs_of_its_method_and_task_took_or_its_plan_times_the_slowdown() -> None:
    runs = [
        PlannedRun(run_id=f"{method}-{task}-{seed}", method=method, task=task, seed=seed, seconds=seconds)
        for method, seconds in (("kd", 10.0), ("eda", 30.0))
        for task in ("rte", "cola")
        for seed in range(2)
    ]
    plan = replace(
        STUDY, runs=tuple(runs), teachers={"rte": 100.0, "cola": 50.0}, generators={"rte,cola": 7.0}
    )
    study = StudyPace(plan, Clock())
    study.run_finished(finished("kd-rte-0", seconds=40.0))  # four times as slow, and rte's teacher is ready
    assert study.left() == 40 + 4 * (20 + 4 * 30 + 50 + 7)
    record = {"compute": {"train_seconds": 50.0, "eval_seconds": 10.0, "precompute_seconds": 99.0}}
    study.run_finished(
        replace(finished("eda-cola-0", seconds=500.0), record=record)
    )  # preparations do not count
    assert study.left() == pytest.approx(40 + 60 + (100 / 40) * (20 + 2 * 30))
    study.run_finished(replace(finished("eda-cola-1", seconds=1.0), status="failed"))
    assert study.left() == pytest.approx(40 + (100 / 40) * (20 + 2 * 30))
    study.run_finished(finished("of another study"))
    assert study.left() == pytest.approx(40 + (100 / 40) * (20 + 2 * 30))
    study.run_finished(replace(finished("eda-rte-0", seconds=1.0), status="diverged"))  # stopped early
    assert study.left() == pytest.approx(40 + (100 / 40) * (20 + 30))


def test_a_run_takes_only_its_own_tasks_generator_off_the_rest() -> None:
    runs = [
        PlannedRun(run_id=f"{task}-{seed}", method="matekd", task=task, seed=seed, seconds=10.0)
        for task in ("rte", "cola")
        for seed in range(3)
    ]
    study = StudyPace(replace(STUDY, runs=tuple(runs), generators={"rte": 100.0, "cola": 200.0}), Clock())
    record = {"compute": {"train_seconds": 10.0, "eval_seconds": 0.0, "precompute_seconds": 100.0}}
    for number in range(2):
        study.run_finished(replace(finished(f"rte-{number}", seconds=10.0), record=record))
    assert study.left() == 4 * 10 + 200


# Runs of a study with MiniLM on mrpc and rte, two at a time: method, task, TFLOPs, seconds.
RECORDED = [
    *[("freelb", "mrpc", 36, seconds) for seconds in (358, 350, 341)],
    *[("matekd", "mrpc", 41, seconds) for seconds in (432, 435, 416)],
    *[("random-mask", "mrpc", 30, seconds) for seconds in (283, 292, 297)],
    *[("eda", "mrpc", 33, seconds) for seconds in (335, 311, 317)],
    *[("kd", "mrpc", 12, seconds) for seconds in (141, 139, 143)],
    *[("freelb", "rte", 14, seconds) for seconds in (163, 160, 172)],
    *[("matekd", "rte", 18, seconds) for seconds in (215, 202, 218)],
    *[("random-mask", "rte", 12, seconds) for seconds in (133, 136, 135)],
    *[("eda", "rte", 13, seconds) for seconds in (141, 140, 141)],
    *[("kd", "rte", 5, seconds) for seconds in (69, 73, 74)],
]


@pytest.mark.parametrize("planned_speed", [0.05, 0.1, 1.0])  # TFLOPs a second; about 0.1 were measured
def test_the_time_left_of_a_recorded_study_does_not_jump(planned_speed: float) -> None:
    runs = [
        PlannedRun(
            run_id=str(number), method=method, task=task, seed=number % 3, seconds=flops / planned_speed
        )
        for number, (method, task, flops, _) in enumerate(RECORDED)
    ]
    clock, ends, expected = Clock(), [], []
    study = StudyPace(replace(STUDY, runs=tuple(runs)), clock)
    waiting, under_way = list(enumerate(RECORDED)), list[tuple[float, int]]()
    while waiting or under_way:
        while waiting and len(under_way) < 2:
            number, (*_, seconds) = waiting.pop(0)
            study.run_started(str(number))
            under_way.append((clock.now + seconds, number))
        clock.now, number = min(under_way)
        under_way.remove((clock.now, number))
        study.run_finished(finished(str(number), seconds=RECORDED[number][3]))
        if (left := study.left()) is not None:
            ends.append(clock.now)
            expected.append(clock.now + left)
    assert expected == pytest.approx([clock.now] * len(expected), rel=0.12)
    left = [end - at for at, end in zip(ends, expected, strict=True)]
    assert [after - before for before, after in pairwise(left) if after > before + 60] == []


def test_steps_before_an_interruption_do_not_count_for_the_speed() -> None:
    clock = Clock()
    pace = Pace(clock)
    for done in range(51, 77):
        clock.now += 4
        pace.step(done)
    assert pace.left(76, 100) == 4 * 24

"""How long the rest will take: from records where there are some, else from arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from matekd_bench.events import Sink
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study import run
from matekd_bench.study.plan import estimate
from matekd_bench.study.plan.estimate import (
    FROM_MATRIX_SPEED,
    FROM_OTHER_TASKS,
    FROM_RECORDED_SPEED,
    FROM_SAME_TASK,
    matrix_speed,
    plan_work,
)
from matekd_bench.study.plan.expected_flops import (
    flops_per_token,
    mean_tokens,
    teacher_flops,
    training_flops,
)
from matekd_bench.study.plan.grid import Cell, make_grid
from matekd_bench.study.plan.work_items import preparation_id
from matekd_bench.study.spec.request import StudyRequest, make_request

HOST = Host.load(only_builtin=True)


@pytest.fixture
def request_(tiny_checkpoint: Path, small_glue: Path, tiny_config: Path, tmp_path: Path) -> StudyRequest:
    """A study of EDA and its reference on RTE."""
    options = {
        "methods": "eda", "tasks": "rte", "config": tiny_config, "glue_dir": small_glue, "threads": 1,
        "teacher": str(tiny_checkpoint), "student": "layers:2", "budget": "student_updates=4", "device": "cpu",
        "results": tmp_path,
    }  # fmt: skip
    return make_request(options, HOST)


def run_reference(request: StudyRequest) -> None:
    """Train only the reference of the study."""
    run(replace(request, spec=request.spec.model_copy(update={"methods": "kd"})), HOST, Sink())


@pytest.fixture
def cells(request_: StudyRequest) -> tuple[Cell, ...]:
    return make_grid(request_.spec, torch.device("cpu"), HOST).cells


def seconds(cells: Sequence[Cell], results: Path) -> list[float]:
    """What each run is thought to take."""
    work = plan_work(cells, ResultsStore(results).records())
    return [item.seconds for item in work.items if not item.prepares]


def test_without_records_flops_are_counted(cells: tuple[Cell, ...], tmp_path: Path) -> None:
    reference, eda = cells
    assert plan_work([], ResultsStore(tmp_path).records()).items == []
    assert min(seconds(cells, tmp_path)) > 0
    assert matrix_speed(torch.device("cpu")) > 1e8
    assert plan_work(cells, ResultsStore(tmp_path).records()).bases == {FROM_MATRIX_SPEED: 2}
    layers, width, updates, batch = 2, 32, 4, 8
    assert training_flops(reference) == 6 * layers * 12 * width**2 * updates * batch * mean_tokens(reference)
    teacher = 4 * 12 * width**2  # four layers: one pass more for the text that EDA makes
    per_token = 2 * 6 * layers * 12 * width**2 + 2 * teacher
    assert training_flops(eda) == per_token * updates * batch * mean_tokens(eda)
    twice = replace(reference, job=replace(reference.job, budget=("student_updates", 8)))
    assert training_flops(twice) == 2 * training_flops(reference)
    examples = replace(reference, job=replace(reference.job, budget=("clean_examples", 32)))
    assert training_flops(examples) == training_flops(reference)
    flops = replace(reference, job=replace(reference.job, budget=("train_flops", 10**9)))
    assert training_flops(flops) == 10**9


def test_passes_count_in_the_size_of_their_model() -> None:
    small, large = 10, 1000
    assert flops_per_token("none", small, large, 0) == 6 * small  # the teacher's answers are cached
    assert flops_per_token("token", small, large, 0) == 12 * small + 2 * large
    # A tenth of an auxiliary update for each: gradients of the generator's weights, of the others' embeddings.
    assert flops_per_token("generator", small, large, small) == pytest.approx(
        12 * small + 2 * large + 2 * small + 0.1 * (4 * small + 4 * large + 6 * small)
    )


def test_the_speed_is_that_of_the_precision_that_runs(
    cells: tuple[Cell, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(estimate, "matrix_speed", lambda device, precision: asked.append(precision) or 1e9)
    half = [replace(cell, recipe=replace(cell.recipe, precision="bf16")) for cell in cells]
    assert seconds(half, tmp_path) == seconds(cells, tmp_path)
    assert set(asked) == {"bf16", "float32"}
    assert matrix_speed(torch.device("cpu"), "bf16") > 1e7


def test_long_texts_count_up_to_the_limit(cells: tuple[Cell, ...]) -> None:
    cell = cells[0]
    tokens = mean_tokens(cell)
    assert 16 < tokens < 40  # two made-up sentences of eight or nine words
    assert mean_tokens(replace(cell, recipe=replace(cell.recipe, max_length=10))) == 10


def test_records_are_believed_more_than_arithmetic(
    request_: StudyRequest, cells: tuple[Cell, ...], tmp_path: Path
) -> None:
    run_reference(request_)
    store = ResultsStore(tmp_path)
    [record] = store.records()
    spent = record.compute.train_seconds + record.compute.eval_seconds
    reference, eda = cells
    assert plan_work(cells, store.records()).bases == {FROM_SAME_TASK: 1, FROM_RECORDED_SPEED: 1}
    longer = replace(reference, job=replace(reference.job, budget=("student_updates", 40)))
    assert seconds([longer, reference], tmp_path) == pytest.approx([10 * spent, spent])
    doubled = replace(reference, job=replace(reference.job, variant="kd@2x"))
    assert seconds([doubled], tmp_path) == pytest.approx([spent])
    other = replace(reference, job=replace(reference.job, budget=("clean_examples", 32)))
    assert plan_work([other], store.records()).bases == {
        FROM_OTHER_TASKS: 1
    }  # another currency: what a token took is still known
    half = [replace(cell, recipe=replace(cell.recipe, precision="bf16")) for cell in cells]
    assert plan_work(half, store.records()).bases == {FROM_MATRIX_SPEED: 2}  # what float32 took says little
    speed = record.compute.train_flops / spent
    assert seconds([eda], tmp_path) == pytest.approx([training_flops(eda) / speed])


def test_teachers_are_work_until_they_are_made(
    request_: StudyRequest, cells: tuple[Cell, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    store = ResultsStore(tmp_path)
    teacher, *runs = plan_work(cells, store.records()).items
    assert (teacher.id, teacher.task, teacher.prepares) == (
        preparation_id("teacher", "rte"),
        "rte",
        ("teacher",),
    )
    assert {run.waits_for for run in runs} == {frozenset({teacher.id})}
    layers, width, rows, updates, batch = 4, 32, 64, 4, 16
    passes = 6 * updates * batch + 2 * rows
    assert teacher_flops(cells[0]) == passes * layers * 12 * width**2 * mean_tokens(cells[0])
    run_reference(request_)
    assert [item.waits_for for item in plan_work(cells, store.records()).items] == 2 * [frozenset()]
    [record] = store.records()
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "another"))
    again = plan_work(cells, store.records()).items[0]
    assert again.seconds == record.teacher.fine_tune_seconds  # as long as it took before


def test_only_the_runs_that_need_the_generator_wait_for_its_warm_up(
    study_settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path))
    request = make_request({**study_settings, "methods": "eda,matekd", "tasks": "rte"}, HOST)
    items = plan_work(make_grid(request.spec, torch.device("cpu"), HOST).cells, []).items
    made = [item for item in items if item.prepares]
    assert [item.prepares for item in made] == [("teacher",), ("generator",)]
    teacher, generator = (item.id for item in made)
    waits_for = {item.method.partition("[")[0]: item.waits_for for item in items if not item.prepares}
    assert waits_for == {"kd": {teacher}, "eda": {teacher}, "matekd": {teacher, generator}}

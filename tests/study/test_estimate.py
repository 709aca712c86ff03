"""How long the rest will take: from records where there are some, else from arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from matekd_bench.plugins.host import Host
from matekd_bench.results.folder.store import ResultsStore
from matekd_bench.study import run
from matekd_bench.study.estimate import matrix_speed, mean_tokens, seconds_left, training_flops
from matekd_bench.study.events import NoEvents
from matekd_bench.study.grid import Cell, make_grid
from matekd_bench.study.request import StudyRequest
from matekd_bench.study.spec import study_spec

HOST = Host.load(only_builtin=True)


@pytest.fixture
def request_(tiny_checkpoint: Path, small_glue: Path, tiny_config: Path, tmp_path: Path) -> StudyRequest:
    """A study of two methods on RTE."""
    return StudyRequest(
        methods="eda", tasks="rte", config=tiny_config, glue_dir=small_glue, teacher=str(tiny_checkpoint),
        student="layers:2", budget="student_updates=4", threads=1, device="cpu", results=tmp_path,
    )  # fmt: skip


@pytest.fixture
def cells(request_: StudyRequest) -> tuple[Cell, ...]:
    """Plain distillation and EDA."""
    return make_grid(study_spec(request_), request_, HOST, lambda text: None).cells


def test_nothing_to_do_takes_no_estimate(tmp_path: Path) -> None:
    assert seconds_left([], ResultsStore(tmp_path)) is None


def test_without_records_flops_are_counted(cells: tuple[Cell, ...], tmp_path: Path) -> None:
    control, eda = cells
    seconds = seconds_left(cells, ResultsStore(tmp_path))
    assert seconds is not None
    assert seconds > 0
    layers, width, updates, batch = 2, 32, 4, 8
    assert training_flops(control) == 6 * layers * 12 * width**2 * updates * batch * mean_tokens(control)
    assert training_flops(eda) > 2 * training_flops(control)
    twice = replace(control, job=replace(control.job, budget=("student_updates", 8)))
    assert training_flops(twice) == 2 * training_flops(control)
    examples = replace(control, job=replace(control.job, budget=("clean_examples", 32)))
    assert training_flops(examples) == training_flops(control)
    flops = replace(control, job=replace(control.job, budget=("train_flops", 10**9)))
    assert training_flops(flops) == 10**9


def test_long_texts_count_up_to_the_limit(cells: tuple[Cell, ...]) -> None:
    cell = cells[0]
    tokens = mean_tokens(cell)
    assert 16 < tokens < 40  # two made-up sentences of eight or nine words
    assert mean_tokens(replace(cell, recipe=replace(cell.recipe, max_length=10))) == 10


def test_records_are_believed_more_than_arithmetic(
    request_: StudyRequest, cells: tuple[Cell, ...], tmp_path: Path
) -> None:
    run(replace(request_, methods="kd"), HOST, NoEvents())
    store = ResultsStore(tmp_path)
    [record] = store.records()
    spent = record.compute.train_seconds + record.compute.eval_seconds
    control = cells[0]
    assert seconds_left([control], store) == pytest.approx(spent)
    longer = replace(control, job=replace(control.job, budget=("student_updates", 40)))
    assert seconds_left([longer, control], store) == pytest.approx(11 * spent)
    other = replace(control, job=replace(control.job, budget=("train_flops", 10**12)))
    assert seconds_left([other], store) != pytest.approx(spent)  # another currency: the record says nothing


def test_a_machine_has_a_speed() -> None:
    assert matrix_speed(torch.device("cpu")) > 1e8

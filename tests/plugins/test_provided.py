"""The rules a record must keep to be let in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matekd_bench.methods.method import Method, NoParams, Params
from matekd_bench.methods.wrapping import WrapperParams
from matekd_bench.plugins.provided import ProvidedBy, kind_of, problem_of
from matekd_bench.tasks.task import Split, Suite, Task

METHOD = Method(name="eda", summary="", factory=NoParams, level="text", version="1")
TASK = Task(
    name="polarity",
    title="Polarity",
    summary="",
    kind="classification",
    fields=("text",),
    labels=("negative", "positive"),
    metrics=("accuracy",),
    splits={"train": Split("train", "train.tsv", 9), "dev": Split("dev", "dev.tsv", 3)},
)


class Required(Params):
    """Parameters without a default."""

    alpha: float


@pytest.mark.parametrize("name", ["eda", "worst-of-n", "nlpaug:swap", "4x"])
def test_good_names(name: str) -> None:
    assert problem_of(replace(METHOD, name=name)) is None


@pytest.mark.parametrize("name", ["", "EDA", "-eda", "e da", "nlpaug:", "a/b", "..", "eda\n", "a[b]"])
def test_bad_names(name: str) -> None:
    assert problem_of(replace(METHOD, name=name)) is not None


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (replace(METHOD, params=Required), "'alpha'"),
        (replace(METHOD, version=""), "version"),
        (replace(METHOD, wraps="word", params=WrapperParams), "'word'"),
        (replace(METHOD, wraps="text"), "WrapperParams"),
        (Suite(name="empty", tasks=()), "task"),
    ],
)
def test_problems_are_named(record: Method | Task | Suite, problem: str) -> None:
    assert problem in str(problem_of(record))


def test_a_method_that_wraps_another_is_let_in() -> None:
    assert problem_of(replace(METHOD, wraps="text", params=WrapperParams)) is None


def test_a_task_that_stands_is_let_in() -> None:
    assert problem_of(TASK) is None


def test_kinds() -> None:
    assert [kind_of(record) for record in (METHOD, TASK, Suite("s", ("rte",)))] == ["method", "task", "suite"]


def test_where_a_record_comes_from_is_readable() -> None:
    assert str(ProvidedBy("eda", "matekd-bench", "0.1.0")) == "matekd-bench 0.1.0 (plugin 'eda')"
    assert str(ProvidedBy("mine", path="mine.py", source_digest="ab")) == "the file mine.py"

"""The rules a record must keep to be let in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.methods.wrapping import WrapperParams
from matekd_bench.plugins.provided import problem_of
from matekd_bench.tasks.task import Split, Suite, Task

METHOD = Method(name="eda", summary="", factory=Perturbation, level="text", version="1")
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
    alpha: float


GOOD = [
    *(replace(METHOD, name=name) for name in ("eda", "worst-of-n", "nlpaug:swap", "4x")),
    replace(METHOD, wraps="text", params=WrapperParams, factory=lambda *made: None),
    TASK,
]


@pytest.mark.parametrize("record", GOOD, ids=lambda record: record.name)
def test_what_stands_is_let_in(record: Method | Task) -> None:
    assert problem_of(record) is None


@pytest.mark.parametrize("name", ["", "EDA", "-eda", "e da", "nlpaug:", "a/b", "..", "eda\n", "a[b]"])
def test_bad_names(name: str) -> None:
    assert problem_of(replace(METHOD, name=name)) is not None


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (replace(METHOD, params=Required), "'alpha'"),
        (replace(METHOD, version=""), "version"),
        (replace(METHOD, wraps="word", params=WrapperParams, factory=lambda *made: None), "'word'"),
        (replace(METHOD, wraps="text", factory=lambda *made: None), "WrapperParams"),
        (Suite(name="empty", tasks=()), "task"),
        (replace(METHOD, needs={"wings"}), "'wings'"),
        (replace(METHOD, needs="generator"), "'generator'"),
        (replace(METHOD, role="control"), "'control'"),
        (replace(METHOD, citation=None), "citation"),
        (replace(METHOD, overrides={"training.evaluations": 1}), "overrides"),
    ],
)
def test_problems_are_named(record: Method | Task | Suite, problem: str) -> None:
    assert problem in str(problem_of(record))

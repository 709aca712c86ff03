"""Tasks that bring their own data: what their reader may give, and what the data are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from matekd_bench.errors import DataError, UsageError
from matekd_bench.tasks.sources import Embedded, GlueFolder, load_split, load_task, source_of
from matekd_bench.tasks.task import BY_ROW_COUNTS, Rows, Split, Task

SPLITS = {
    "train": Split(hub="", file="", rows=6),
    "dev": Split(hub="", file="", rows=4),
    "test": Split(hub="", file="", rows=2, labeled=False),
}


def made(split: str) -> Rows:
    count = SPLITS[split].rows
    labels = [row % 2 for row in range(count)] if SPLITS[split].labeled else None
    return Rows([(f"{split} {row}", "so it is") for row in range(count)], labels)


def task(
    reader: Callable[[str], Rows] | None = made, *, synthetic: bool = True, metric: str = "accuracy"
) -> Task:
    regression = metric == "pearson"
    return Task(
        name="own-rte", title="own RTE", summary="Made here.", kind="regression" if regression else "classification",
        fields=("one", "two"), labels=() if regression else ("no", "yes"),
        metrics=("pearson",) if regression else ("accuracy",), splits=SPLITS,
        score_range=(0.0, 5.0) if regression else None, reader=reader, synthetic=synthetic,
    )  # fmt: skip


def test_a_task_with_a_reader_is_its_own_source(tmp_path: Path) -> None:
    folder = GlueFolder(tmp_path)
    assert source_of(task(), folder) == Embedded()
    assert source_of(task(reader=None, synthetic=False), folder) is folder


def test_synthetic_data_are_mini_and_never_official() -> None:
    data = load_task(task(), Embedded())
    assert (data.state, data.state_text, data.source, data.revision) == ("mini", "mini", "embedded", None)
    assert (len(data.train), data.dev[0].labels) == (6, (0, 1, 0, 1))
    limited = load_task(task(), Embedded(), limit_train=2)
    assert (limited.state, limited.state_text) == ("mini", "mini (train 2 of 6)")


def test_data_of_ones_own_that_are_real_are_complete_or_partial() -> None:
    assert load_task(task(synthetic=False), Embedded()).state_text == BY_ROW_COUNTS
    assert load_task(task(synthetic=False), Embedded(), limit_eval=3).state_text == "partial (dev 3 of 4)"


def test_a_synthetic_task_without_a_reader_contradicts_itself() -> None:
    with pytest.raises(DataError, match=r"'own-rte'.*synthetic"):
        replace(task(), reader=None)


def rows_with(labels: Sequence[int] | Sequence[float] | None, texts: tuple[str, ...] = ("a", "b")) -> Rows:
    return Rows([texts] * 4, labels)


@pytest.mark.parametrize(
    ("metric", "rows", "said"),
    [
        ("accuracy", rows_with([0, 1, 0, 1], ("a",)), "1 .*2 "),
        ("accuracy", rows_with(None), "labels"),
        ("accuracy", rows_with([0, 1]), "2 .*4 rows"),
        ("accuracy", rows_with([0, 1, 2, 1]), "the label 2"),
        ("pearson", rows_with([0.0, 5.0, 5.5, 1.0]), r"the label 5\.5"),
        ("pearson", rows_with([0.0, 5.0, float("nan"), 1.0]), "the label nan"),
    ],
)
def test_wrong_rows_are_named(metric: str, rows: Rows, said: str) -> None:
    with pytest.raises(DataError, match=f"own-rte .*dev: .*{said}"):
        Embedded().read(task(lambda split: rows, metric=metric), "dev")


def test_a_test_split_has_texts_only() -> None:
    assert load_split(task(), Embedded(), "test").labels is None
    with pytest.raises(DataError, match="labels"):
        Embedded().read(task(lambda split: rows_with([0, 1, 0, 1])), "test")


def test_what_a_reader_raises_costs_one_line() -> None:
    def broken(split: str) -> Rows:
        raise KeyError("no such\nfile")

    def refusing(split: str) -> Rows:
        raise UsageError("give it a file.")

    with pytest.raises(DataError, match=r"own-rte dev .*KeyError: 'no such\\nfile'"):
        Embedded().read(task(broken), "dev")
    with pytest.raises(UsageError, match=r"give it a file\."):
        Embedded().read(task(refusing), "dev")
    with pytest.raises(DataError, match="own-rte"):
        Embedded().read(task(reader=None, synthetic=False), "dev")

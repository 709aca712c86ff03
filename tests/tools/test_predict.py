"""What predictions are written with, and the report of a student's classes."""

from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.errors import DataError, ResultsError, UsageError
from matekd_bench.tasks.task import Examples
from matekd_bench.tools.class_report import check_reportable, class_report
from matekd_bench.tools.predict import (
    StudentAnswers,
    as_text,
    check_carried,
    check_kept,
    score_of,
    task_to_predict,
)
from matekd_tasks import matekd_bench_tasks
from synthetic import make

TASKS = {task.name: task for task in matekd_bench_tasks()}
RTE = TASKS["rte"]  # labels entailment, not_entailment
SWAPPED = (RTE.labels[1], RTE.labels[0])


def examples(labels: tuple[Any, ...] | None, n: int) -> Examples:
    uids = tuple(map(str, range(n)))
    return Examples("dev", uids, (("a", "b"),) * n, labels, n)


def answers_of(classes: list[int]) -> StudentAnswers:
    """Answers of a student whose labels have the other order than the task's."""
    return StudentAnswers(SWAPPED, np.eye(2)[[1 - one for one in classes]].tolist())


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_other_columns_are_carried_along_as_they_are() -> None:
    answers = StudentAnswers((), [[0.5], [2.0]])
    carried = [{"id": "007", "x": "-3", "size": 1234567.25}, {"id": None, "x": "=1", "more": {"a": [True]}}]
    header, *rows = read_csv(as_text(answers, ".csv", carried))
    assert header == ["index", "id", "x", "size", "more", "prediction"]
    assert rows == [
        ["0", "007", "-3", "1234567.25", "", "0.5"],
        ["1", "", "'=1", "", '{"a": [true]}', "2"],
    ]
    lines = [json.loads(line) for line in as_text(answers, ".jsonl", carried).splitlines()]
    assert [{**carried[at], "index": at, "prediction": (0.5, 2.0)[at]} for at in (0, 1)] == lines


def test_a_files_own_index_takes_the_place_of_the_number() -> None:
    text = as_text(StudentAnswers((), [[0.5]]), ".csv", [{"index": "77"}])
    assert read_csv(text) == [["index", "prediction"], ["77", "0.5"]]


@pytest.mark.parametrize("column", ["prediction", "p_entailment"])
def test_a_column_with_the_name_of_an_answer_is_refused(column: str) -> None:
    check_carried(["index", "p_other", "Prediction"], RTE, Path("x.csv"))
    with pytest.raises(DataError, match=f"'x.csv'.*'{column}'"):
        check_carried(["index", column], RTE, Path("x.csv"))


def test_the_report_counts_each_class() -> None:
    labels, predicted = (0, 0, 0, 1, None, 1), [0, 0, 1, 1, 1, 1]
    report = class_report(RTE, examples(labels, 6), answers_of(predicted))
    assert report.confusion == [[2, 1], [0, 2]]
    first, second = report.classes
    assert (first.label, first.precision, first.support) == (RTE.labels[0], 1.0, 3)
    assert (first.recall, first.f1) == (pytest.approx(2 / 3), pytest.approx(4 / 5))
    assert (second.precision, second.recall, second.support) == (pytest.approx(2 / 3), 1.0, 2)


def test_a_class_that_is_never_predicted_or_gold_has_zeros() -> None:
    report = class_report(RTE, examples((1, 1), 2), answers_of([1, 1]))
    absent = report.classes[0]
    assert (absent.precision, absent.recall, absent.f1, absent.support) == (0.0, 0.0, 0.0, 0)
    assert report.confusion == [[0, 0], [0, 2]]


def test_rows_without_a_label_are_not_scored() -> None:
    scores = score_of(RTE, examples((0, None, 1), 3), answers_of([0, 0, 0]))
    assert scores == {"accuracy": 0.5}


def test_there_is_no_report_of_scores_or_without_labels() -> None:
    check_reportable(RTE, examples((0,), 1))
    with pytest.raises(UsageError, match="stsb"):
        check_reportable(TASKS["stsb"], examples((0.5,), 1))
    with pytest.raises(UsageError, match="rte dev"):
        check_reportable(RTE, examples(None, 1))


SELECTED = ["--methods", "eda[n=2]", "--tasks", "rte", "--first-seed", "3", "--seeds", "1", "--keep", "last"]


def how_to_repeat(command: str, results: Path) -> str:
    """Return the hint of the error for a run without a student that was recorded with this command."""
    with pytest.raises(ResultsError) as raised:
        check_kept(make("eda[n=2]", seed=3, command=command), results)
    return str(raised.value.hint)


@pytest.mark.parametrize(
    ("command", "words", "last"),
    [
        ("matekd-bench run --methods 'eda[n=2],kd'", ["--methods", "eda[n=2],kd"], []),
        ("matekd-bench run --methods kd; rm -rf ~", ["--methods", "kd;", "rm", "-rf", "~"], []),
        ("matekd-bench run --set $(evil)", ["--set", "$(evil)"], []),
        ("matekd-bench run --shard=2/8", ["--shard=2/8"], ["--shard", "1/1"]),
    ],
)
def test_a_recorded_run_command_is_quoted_and_reduced_to_the_run(
    command: str, words: list[str], last: list[str], tmp_path: Path
) -> None:
    hint = how_to_repeat(command, tmp_path)
    assert shlex.split(hint) == ["matekd-bench", "run", *words, *SELECTED, *last, "--results", "DIR"]
    assert hint == shlex.join(shlex.split(hint))


@pytest.mark.parametrize(
    "command",
    ["matekd_bench.Study(methods='eda')", "matekd-bench reproduce x", "evil; run", "matekd-bench 'run"],
)
def test_other_commands_are_not_repeated(command: str, tmp_path: Path) -> None:
    hint = how_to_repeat(command, tmp_path)
    assert "Study(methods='eda[n=2]', tasks='rte', seed=3, keep='last', ...)" in hint
    assert "study.json" in hint
    assert command not in hint


def test_only_tasks_with_the_labels_of_the_run_are_offered() -> None:
    run = make("kd", "mnli", labels=list(TASKS["mnli"].labels))
    with pytest.raises(UsageError) as raised:
        task_to_predict(run, "hans", TASKS)
    offered = str(raised.value).partition("can answer ")[2].partition(", not hans")[0].split(", ")
    assert {"mnli", "ax"} <= set(offered)
    assert {task_to_predict(run, name, TASKS).name for name in offered} == set(offered)

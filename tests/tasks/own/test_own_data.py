"""Data of one's own: files of three kinds, pairs and scores, and every mistake named with its place."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from matekd_bench import DataError, UsageError
from matekd_bench.tasks.own.own_task import OwnTask, own_task, to_toml
from matekd_bench.tasks.own.survey import infer_labels, survey
from matekd_bench.tasks.sources import Hub, load_task, source_of
from matekd_bench.tasks.task import TaskData
from matekd_bench.tasks.task_files import load_task_file, load_tasks

Cells = Sequence[dict[str, Any]]
TRAIN: Cells = [
    {"text": f'row {at}, "quoted"\nsecond line', "other": f"b{at}", "y": ("no", "yes")[at % 2]}
    for at in range(8)
]
DEV: Cells = [{"text": f"dev {at}", "other": "b", "y": ("no", "yes")[at % 2]} for at in range(4)]


def write(file: Path, rows: Cells) -> Path:
    """Rows as the file's extension says."""
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return file
    tabs = file.suffix == ".tsv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        if tabs:
            clean = [[str(cell).replace("\n", " ") for cell in row.values()] for row in rows]
            opened.write("\n".join("\t".join(row) for row in [list(rows[0]), *clean]) + "\n")
        else:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return file


def told(notices: Sequence[str]) -> list[list[str]]:
    """The numbers, splits and labels of each notice."""
    return [re.findall(r"\d+|train|dev|yes", notice) for notice in notices]


def task_of(folder: Path, **changes: Any) -> OwnTask:
    values = {
        "name": "mine", "kind": "classification", "texts": ("text",), "label": "y", "labels": ("no", "yes"),
        "train": "train.csv", "dev": "dev.csv", **changes,
    }  # fmt: skip
    return OwnTask.model_validate(values)


def load(folder: Path, **changes: Any) -> TaskData:
    task = own_task(task_of(folder, **changes), folder)
    return load_task(task, source_of(task, Hub()))


@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl"])
def test_three_kinds_of_files_hold_the_same(tmp_path: Path, extension: str) -> None:
    write(tmp_path / f"train.{extension}", TRAIN)
    write(tmp_path / f"dev.{extension}", DEV)
    data = load(tmp_path, train=f"train.{extension}", dev=f"dev.{extension}", texts=("text", "other"))
    line = " " if extension == "tsv" else "\n"
    assert data.train.texts[1] == (f'row 1, "quoted"{line}second line', "b1")
    assert data.train.labels == (0, 1, 0, 1, 0, 1, 0, 1)
    assert (data.source, data.state, data.state_text, data.notices) == ("own", "own", "own", ())
    assert data.train.official_rows == 8


def test_limits_and_a_holdout_say_so(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [{**row, "text": f"{at}"} for at in range(30) for row in TRAIN])
    write(tmp_path / "dev.csv", DEV)
    task = own_task(task_of(tmp_path), tmp_path)
    assert load_task(task, source_of(task, Hub()), limit_train=5).state_text == "own (train 5 of 240)"
    write(tmp_path / "train.csv", [{**TRAIN[at % 2], "text": f"{at}"} for at in range(300)])
    held = load_task(task, source_of(task, Hub()), eval_on="holdout")
    assert held.state_text == "own (train 200 of 300, holdout 100 of 300)"


def test_scores_and_labels_written_otherwise(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [{"text": f"{at}", "y": at / 2} for at in range(4)])
    write(tmp_path / "dev.jsonl", [{"text": f"d{at}", "y": at} for at in range(4)])
    files = {"train": "train.jsonl", "dev": "dev.jsonl"}
    scored = load(tmp_path, kind="regression", labels=(), **files)
    assert scored.task.metrics == ("pearson", "spearman")
    assert scored.train.labels == (0.0, 0.5, 1.0, 1.5)
    write(tmp_path / "train.jsonl", [{"text": f"{at}", "y": at % 2} for at in range(4)])
    write(tmp_path / "dev.jsonl", [{"text": f"d{at}", "y": bool(at)} for at in range(2)])
    values = {"0": "no", "1": "yes", "False": "no", "True": "yes"}
    named = load(tmp_path, label_values=values, metrics=("f1", "accuracy"), **files)
    assert named.dev[0].labels == (0, 1)
    assert named.task.metrics == ("f1", "accuracy")


def test_rows_of_dev_that_are_in_train_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", TRAIN)
    write(tmp_path / "dev.csv", [TRAIN[0], TRAIN[2], *DEV[:2:2]])
    assert told(load(tmp_path).notices) == [["2", "3", "dev", "train"], ["dev", "yes"]]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("text,label\na,yes\n", ("'y'", "label, text")),
        ("text,y\na,yes\nb,maybe\n", ("line 3", "'maybe'", "no, yes")),
        ("text,y\na,yes\nb,\n", ("line 3", "'y'")),
        ("text,y\na,yes\nb,yes\n", ("'yes'",)),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path: Path, content: str, named: tuple[str, ...]) -> None:
    (tmp_path / "train.csv").write_text(content)
    write(tmp_path / "dev.csv", DEV)
    with pytest.raises(DataError, match=f"'{tmp_path}/train.csv'") as caught:
        load(tmp_path)
    assert [part for part in named if part not in str(caught.value)] == []


def test_half_a_character_in_a_label_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [{"text": "a", "y": "\ud83d"}])
    with pytest.raises(DataError, match=r"train.jsonl', line 1: 'y'.*ud83d"):
        load(tmp_path, train="train.jsonl", dev="train.jsonl", labels=("\ud83d", "no"))


def test_scores_must_be_numbers(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [{"text": "a", "y": "1.5"}, {"text": "b", "y": "much"}])
    write(tmp_path / "dev.csv", [{"text": "a", "y": "1.5"}])
    with pytest.raises(DataError, match=r"line 3.*'much'"):
        load(tmp_path, kind="regression", labels=())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"metrics": ("pearson",)}, "'pearson'.*accuracy, f1, matthews"),
        ({"metrics": ("f1",), "labels": ("a", "b", "c")}, "f1.*'mine'.*3"),
        ({"label": "text"}, "'text'"),
        ({"train": "train.xls"}, r"'train.xls'.*\.csv, \.tsv, \.jsonl"),
        ({"labels": ("a",)}, "labels"),
        ({"texts": ("a", "b", "c")}, "fields"),
    ],
)
def test_tasks_that_contradict_themselves_are_refused(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(DataError, match=named):
        own_task(task_of(tmp_path, **changes), tmp_path)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", TRAIN)
    write(tmp_path / "dev.csv", DEV)
    own = task_of(tmp_path, label_values={'say "no"': "no"}, metrics=("accuracy", "f1"), summary="Näh")
    file = tmp_path / "mine.toml"
    file.write_text(to_toml(own), encoding="utf-8")
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 12
    task = load_task_file(file)
    assert (task.name, task.own, task.labels, task.summary) == ("mine", True, ("no", "yes"), "Näh")
    assert [found.name for found in load_tasks(tmp_path)] == ["mine"]
    assert (
        load_task(task, source_of(task, Hub())).digests
        == load(tmp_path, label_values=own.label_values).digests
    )


def test_the_kind_is_what_the_labels_look_like(tmp_path: Path) -> None:
    write(tmp_path / "dev.csv", DEV)
    grades = [{"text": f"{at}", "y": at % 3} for at in range(90)]
    scores = [{"text": f"{at}", "y": at / 4} for at in range(90)]
    names = [{"text": f"{at}", "y": f"n{at}"} for at in range(90)]
    bare = task_of(tmp_path, labels=())
    write(tmp_path / "train.csv", grades)
    assert infer_labels(bare, None, (), tmp_path).labels == ("0", "1", "2")
    assert infer_labels(bare, "regression", (), tmp_path).kind == "regression"
    write(tmp_path / "train.csv", scores)
    assert infer_labels(bare, None, (), tmp_path).kind == "regression"
    write(tmp_path / "train.csv", names)
    with pytest.raises(DataError, match=r"90 .* 90 rows"):
        infer_labels(bare, None, (), tmp_path)
    with pytest.raises(UsageError, match="'ranking'"):
        infer_labels(bare, "ranking", (), tmp_path)


def test_a_survey_counts_labels_lengths_and_repetitions(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [*TRAIN, TRAIN[0], {"text": " ", "other": "", "y": "no"}])
    write(tmp_path / "dev.csv", DEV)
    found = survey(task_of(tmp_path), tmp_path)
    train = found.splits[0]
    assert (found.counts(train), found.lengths(train)) == ("no 6, yes 4", "median 5, longest 5")
    assert told(found.notices) == [["1", "10", "train"], ["1", "train"]]


def test_a_data_set_on_the_hub_or_in_its_form_is_read_by_its_own_columns(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "train.csv", TRAIN)
    write(folder / "test.csv", DEV)
    own = task_of(tmp_path, hub="set", train="train", dev="test", labels=())
    assert infer_labels(own, None, (), tmp_path).labels == ("no", "yes")
    found = survey(infer_labels(own, None, (), tmp_path), tmp_path)
    assert found.counts(found.splits[1]) == "no 2, yes 2"
    with pytest.raises(DataError, match=r"'validation' in 'set'.*test, train"):
        infer_labels(own.model_copy(update={"dev": "validation"}), None, (), tmp_path)
    with pytest.raises(DataError, match=r"'z' in 'set'.*other, text, y"):
        infer_labels(own.model_copy(update={"label": "z"}), None, (), tmp_path)

"""Data of one's own: files of three kinds, pairs and scores, and every mistake named with its place."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from matekd_bench import DataError, UsageError
from matekd_bench.files.user_tables import read_lines
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
    assert data.train is not None
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
    assert scored.train is not None
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
    assert load(tmp_path).notices == (
        "2 of 3 dev rows are in train too, word for word.",
        "dev has no row labeled yes.",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "'train.csv' is empty: its first line must name the columns"),
        ("text,y\n", "'train.csv' holds no rows"),
        ("text,label\na,yes\n", r"no column 'y' in 'train.csv': there are label, text\."),
        ("txt,y\na,yes\n", "no column 'text' in 'train.csv': did you mean 'txt'"),
        ("text,y\na,yes\nb,maybe\n", "'train.csv', line 3: unknown label 'maybe': mine has no, yes"),
        ("text,y\na,yes\nb,\n", "'train.csv', line 3: the label 'y' is missing"),
        ("text,y\na,yes\nb,yes\n", "'train.csv' has one class only, 'yes': there is nothing to learn"),
        ("text,y\na,yes,3\n", "'train.csv', line 2: 3 cells where the header has 2"),
        ('text,y\n"a,yes\n', r"'train.csv', line \d: not CSV"),
        ("text,text,y\na,b,yes\n", "'train.csv' has two columns named 'text'"),
        (b"text,y\n\xff,yes\n", "'train.csv' is not UTF-8 text"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    (tmp_path / "train.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    write(tmp_path / "dev.csv", DEV)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert caught.match(message.replace("'train.csv'", f"'{tmp_path}/train.csv'"))


def test_json_lines_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    for text, message in (
        ('{"a": 1}\n\n{"a"\n', r"line 3: not JSON"),
        ("[1]\n", r"line 1: not a JSON object"),
        ("\n", "holds no rows"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=message):
            read_lines(file)
    write(tmp_path / "train.jsonl", [{"text": None, "y": "yes"}, {"text": "a", "y": "no"}])
    with pytest.raises(DataError, match=r"train.jsonl', line 1: 'text' is missing"):
        load(tmp_path, train="train.jsonl", dev="train.jsonl")
    with pytest.raises(DataError, match="there is no file"):
        read_lines(tmp_path / "absent.csv")
    with pytest.raises(DataError, match=r"x.xls' must be one of .csv, .tsv, .jsonl"):
        read_lines(tmp_path / "x.xls")


def test_scores_must_be_numbers(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [{"text": "a", "y": "1.5"}, {"text": "b", "y": "much"}])
    write(tmp_path / "dev.csv", [{"text": "a", "y": "1.5"}])
    with pytest.raises(DataError, match=r"line 3: the score 'much' is not a number"):
        load(tmp_path, kind="regression", labels=())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"metrics": ("pearson",)},
            "'pearson' does not fit a classification; there are accuracy, f1, matthews",
        ),
        ({"metrics": ("f1",), "labels": ("a", "b", "c")}, "f1 is of two labels, 'mine' has 3"),
        ({"label": "text"}, "the column 'text' cannot be both text and label"),
        ({"train": "train.xls"}, "'train.xls' must be one of .csv, .tsv, .jsonl"),
        ({"labels": ("a",)}, "labels: two or more for classes"),
        ({"texts": ("a", "b", "c")}, "fields: one or two text columns"),
    ],
)
def test_tasks_that_contradict_themselves_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"\nlabel = "y"\ntextes = ["a"]', "unknown key 'textes': did you mean 'texts'"),
        ('name = "x"\nlabel = "y"', "missing key 'kind'"),
        ('name = 3\nlabel = "y"', "key 'name': input should be a valid string, not 3"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(DataError, match=f"mine.toml: {message}"):
        load_task_file(file)


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
    with pytest.raises(DataError, match="90 different values in 90 rows: is it the label"):
        infer_labels(bare, None, (), tmp_path)
    with pytest.raises(UsageError, match="unknown kind 'ranking'"):
        infer_labels(bare, "ranking", (), tmp_path)


def test_a_survey_counts_labels_lengths_and_repetitions(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [*TRAIN, TRAIN[0], {"text": " ", "other": "", "y": "no"}])
    write(tmp_path / "dev.csv", DEV)
    found = survey(task_of(tmp_path), tmp_path)
    train = found.splits[0]
    assert (found.counts(train), found.lengths(train)) == ("no 6, yes 4", "median 5, longest 5")
    assert found.notices == (
        "1 of 10 train rows repeat another one's text.",
        "1 train rows have no text.",
    )


def test_a_data_set_on_the_hub_or_in_its_form_is_read_by_its_own_columns(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "train.csv", TRAIN)
    write(folder / "test.csv", DEV)
    own = task_of(tmp_path, hub="set", train="train", dev="test", labels=())
    assert infer_labels(own, None, (), tmp_path).labels == ("no", "yes")
    found = survey(infer_labels(own, None, (), tmp_path), tmp_path)
    assert found.counts(found.splits[1]) == "no 2, yes 2"
    with pytest.raises(DataError, match="no split 'validation' in 'set': there are test, train"):
        infer_labels(own.model_copy(update={"dev": "validation"}), None, (), tmp_path)
    with pytest.raises(DataError, match="no column 'z' in 'set': there are other, text, y"):
        infer_labels(own.model_copy(update={"label": "z"}), None, (), tmp_path)

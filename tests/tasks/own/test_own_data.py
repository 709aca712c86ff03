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
        ("text,y\na,yes\nb,\n", ("'yes'",)),
        ("text,y\na,yes\nb,yes\n", ("'yes'",)),
        ("text,y\na,\nb, \n", ("no row has a label",)),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path: Path, content: str, named: tuple[str, ...]) -> None:
    (tmp_path / "train.csv").write_text(content)
    write(tmp_path / "dev.csv", DEV)
    with pytest.raises(DataError, match=f"'{tmp_path}/train.csv'") as caught:
        load(tmp_path)
    assert [part for part in named if part not in str(caught.value)] == []


@pytest.mark.parametrize("label", [["yes"], {"is": "yes"}])
def test_lists_and_objects_are_no_labels(tmp_path: Path, label: Any) -> None:
    write(tmp_path / "train.jsonl", [{"text": "a", "y": "no"}, {"text": "b", "y": label}])
    for made in (load, lambda folder, **files: infer_labels(task_of(folder, **files), None, (), folder)):
        with pytest.raises(DataError, match=r"train.jsonl', line 2: the label .*yes"):
            made(tmp_path, train="train.jsonl", dev="train.jsonl")


def test_train_rows_without_a_label_are_counted_and_dev_rows_refused(tmp_path: Path) -> None:
    unlabeled = [{"text": "new", "y": ""}, {"text": "newer", "y": " "}]
    write(
        tmp_path / "train.csv",
        [*({**row, "other": ""} for row in TRAIN), *({**row, "other": ""} for row in unlabeled)],
    )
    write(tmp_path / "dev.csv", DEV)
    data = load(tmp_path)
    assert data.train is not None
    assert (data.train.labels, data.train.unlabeled) == ((0, 1, 0, 1, 0, 1, 0, 1, None, None), 2)
    assert [
        notice for notice in data.notices if notice.startswith("2 of 10 training rows have no label")
    ] != []
    found = survey(infer_labels(task_of(tmp_path, labels=()), None, (), tmp_path), tmp_path)
    assert found.counts(found.splits[0]) == "no 4, yes 4; no label 2"
    write(tmp_path / "dev.jsonl", [*DEV, {"text": "new"}])
    with pytest.raises(DataError, match=r"dev.jsonl', line 5: the label 'y' is missing"):
        load(tmp_path, dev="dev.jsonl")


def test_a_limit_that_leaves_no_label_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [*TRAIN, *({"text": f"{at}", "other": "", "y": ""} for at in range(400))])
    write(tmp_path / "dev.csv", DEV)
    task = own_task(task_of(tmp_path), tmp_path)
    with pytest.raises(DataError, match="none of the 1 training rows has a label"):
        load_task(task, source_of(task, Hub()), limit_train=1)


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (("pos", "pos ", "neg"), (("'pos' (8 rows)", "'pos ' (5 rows)"),)),
        (("Neg", "neg", "pos"), (("'Neg' (8 rows)", "'neg' (5 rows)"),)),
        (("caf\u00e9", "cafe\u0301", "pos"), (("'caf\u00e9' (8 rows)", "'cafe\u0301' (5 rows)"),)),
        (("1", "1.0", "0"), (("'1' (8 rows)", "'1.0' (5 rows)"),)),
        (("nan", "pos", "N/A"), (("'nan' (8 rows)",), ("'N/A' (5 rows)",))),
        (("1", "10", "none"), ()),
    ],
)
def test_labels_that_may_be_one_or_none_are_named_with_counts(
    tmp_path: Path, labels: tuple[str, ...], named: tuple[tuple[str, ...], ...]
) -> None:
    first, second, third = labels
    write(
        tmp_path / "train.csv",
        [{"text": f"{at}", "y": (first, first, second, third)[at % 4]} for at in range(12)],
    )
    write(tmp_path / "dev.csv", [{"text": f"dev {at}", "y": labels[at % 3]} for at in range(6)])
    notices = load(tmp_path, labels=labels).notices
    assert len(notices) == len(named)
    for notice, parts in zip(notices, named, strict=True):
        assert [part for part in parts if part not in notice] == []


def test_scores_that_are_all_the_same_are_named(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [{"text": f"{at}", "y": 2.5} for at in range(4)])
    write(tmp_path / "dev.csv", [{"text": f"d{at}", "y": at} for at in range(4)])
    [notice] = load(tmp_path, kind="regression", labels=()).notices
    assert "4 scores of train are 2.5" in notice


def test_one_file_is_enough(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [{"text": f"{at}", "y": ("no", "yes")[at % 2]} for at in range(50)])
    own = task_of(tmp_path, dev=None, dev_share=0.2)
    (tmp_path / "mine.toml").write_text(to_toml(own), encoding="utf-8")
    task = load_task_file(tmp_path / "mine.toml")
    data = load_task(task, source_of(task, Hub()))
    assert data.train is not None
    assert (len(data.train), data.train.official_rows, len(data.dev[0])) == (40, 40, 10)
    assert (data.dev[0].labels or ()).count(0) == 5
    assert data.state_text == "own"
    assert set(data.train.texts).isdisjoint(data.dev[0].texts)


def test_files_in_another_encoding(tmp_path: Path) -> None:
    for name, rows in (("train", TRAIN), ("dev", DEV)):
        file = write(
            tmp_path / f"{name}.csv", [{**row, "text": f"\u201c{row['text']}\u201d \u00e9"} for row in rows]
        )
        file.write_bytes(file.read_text(encoding="utf-8").encode("cp1252"))
    with pytest.raises(DataError, match=r"train.csv', line 2: .*--encoding cp1252.*'encoding'"):
        load(tmp_path)
    data = load(tmp_path, encoding="cp1252")
    assert data.dev[0].texts[0] == ("\u201cdev 0\u201d \u00e9",)
    with pytest.raises(DataError, match="'cp9999'"):
        load(tmp_path, encoding="cp9999")


def test_half_a_character_in_a_label_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [{"text": "a", "y": "\ud83d"}])
    with pytest.raises(DataError, match=r"train.jsonl', line 1: 'y'.*ud83d"):
        load(tmp_path, train="train.jsonl", dev="train.jsonl", labels=("\ud83d", "no"))


def test_a_text_called_label_is_never_read_from_the_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'label'.*'y'"):
        own_task(task_of(tmp_path, texts=("text", "label")), tmp_path)


def test_scores_must_be_numbers(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [{"text": "a", "y": "1.5"}, {"text": "b", "y": "much"}])
    write(tmp_path / "dev.csv", [{"text": "a", "y": "1.5"}])
    with pytest.raises(DataError, match=r"line 3.*'much'"):
        load(tmp_path, kind="regression", labels=())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"metrics": ("pearson",)}, "'pearson'.*accuracy, f1, matthews, macro-f1, balanced-accuracy"),
        ({"metrics": ("f1",), "labels": ("a", "b", "c")}, "f1.*'mine'.*3"),
        ({"label": "text"}, "'text'"),
        ({"train": "train.xls"}, r"'train.xls'.*\.csv, \.tsv, \.jsonl"),
        ({"labels": ("a",)}, "labels"),
        ({"texts": ("a", "b", "c")}, "fields"),
        ({"dev": None}, "'dev'.*'dev_share'"),
        ({"dev_share": 0.2}, "'dev'.*'dev_share'"),
        ({"hub": "set", "encoding": "cp1252"}, "'encoding'.*'cp1252'"),
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
    with pytest.raises(UsageError, match="labels"):
        infer_labels(bare, "regression", ("a", "b"), tmp_path)


def test_a_survey_counts_labels_lengths_and_repetitions(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [*TRAIN, TRAIN[0], {"text": " ", "other": "", "y": "no"}])
    write(tmp_path / "dev.csv", DEV)
    found = survey(task_of(tmp_path), tmp_path)
    train = found.splits[0]
    assert (found.counts(train), found.lengths(train)) == ("no 6, yes 4", "median 5, longest 5")
    assert told(found.notices) == [["1", "10", "train"], ["1", "train"]]


def test_what_is_in_columns_without_a_name_is_counted(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("y,text,,\nno,a,,\nyes,b,and more,\n,,,\n")
    found = survey(task_of(tmp_path, dev="train.csv"), tmp_path)
    assert len(found.splits[0]) == 2  # a row of empty cells is an empty line
    assert [notice for notice in found.notices if notice.startswith("'train.csv': 1 of 2 rows")] != []


def test_quotes_of_csv_in_a_tsv_file_are_counted(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text('y\ttext\nno\t"a ""b"""\nyes\t"c"\n')
    found = survey(task_of(tmp_path, train="train.tsv", dev="train.tsv"), tmp_path)
    assert [notice for notice in found.notices if notice.startswith("'train.tsv': 1 texts")] != []


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


def test_a_folder_of_csv_files_is_read_as_it_is_written(tmp_path: Path) -> None:
    """The words that pandas takes for missing values, numbers and labels with a point stay what they are."""
    (tmp_path / "train.csv").write_text("text,y\nnull,1.0\nNA,0\n7,\nabc,1.0\nd,0\n")
    (tmp_path / "validation.csv").write_text("text,y\nnan,1.0\n,0\n")
    own = task_of(tmp_path, hub=".", train="train", dev="validation", labels=())
    found = survey(infer_labels(own, None, (), tmp_path), tmp_path)
    assert found.task.labels == ("0", "1.0")
    assert found.splits[0].texts == (("null",), ("NA",), ("7",), ("abc",), ("d",))
    assert found.splits[0].labels == (1, 0, None, 1, 0)
    assert found.splits[1].texts == (("nan",), ("",))


def test_labels_that_a_data_set_declares_keep_their_order(tmp_path: Path) -> None:
    import datasets

    names = datasets.ClassLabel(names=["positive", "neutral", "negative"])
    for split, labels in (("train", [2, 0, -1, 1]), ("validation", [0, 1])):
        rows = datasets.Dataset.from_dict({"text": [f"{split} {label}" for label in labels], "y": labels})
        rows.cast_column("y", names).to_parquet(tmp_path / f"{split}-00000-of-00001.parquet")
    own = task_of(tmp_path, hub=".", train="train", dev="validation", labels=())
    found = survey(infer_labels(own, None, (), tmp_path), tmp_path)
    assert found.task.labels == ("positive", "neutral", "negative")
    assert found.splits[0].labels == (2, 0, None, 1)  # -1 is no label, and not the last one


def test_lists_in_a_data_set_are_neither_labels_nor_texts(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "y": ["no"], "texts": ["a"], "z": "no"},
        {"text": "b", "y": ["yes"], "texts": [], "z": "yes"},
    ]
    write(tmp_path / "train.jsonl", rows)
    own = task_of(tmp_path, hub=".", train="train", dev="train", labels=())
    with pytest.raises(DataError, match=r"row 0: the label .*no"):
        infer_labels(own, None, (), tmp_path)
    with pytest.raises(DataError, match=r"row 0: a text .*'a'"):
        load(tmp_path, hub=".", train="train", dev="train", texts=("texts",), label="z")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train.jsonl", b'{"text": "a \\ud83d", "y": "no"}\n', "surrogate"),
        ("train.csv", b"text,y\ncaf\xe9,no\n", "utf-8"),
    ],
)
def test_a_folder_with_what_is_no_text_is_one_line(
    tmp_path: Path, name: str, content: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        load(tmp_path, hub=".", train="train", dev="train")
    assert "--glue-dir" not in str(caught.value)
    assert capfd.readouterr().err == ""

"""TOML files become records, and every mistake in one is a line that names file and key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.task_files import load_suites, load_tasks

GOOD = """
name = "tiny"
title = "Tiny"
summary = "two classes"
kind = "classification"
fields = ["text"]
labels = ["no", "yes"]
metrics = ["accuracy"]

[label_values]
"0" = "no"

[splits.train]
hub = "train"
file = "train.tsv"
rows = 3

[splits.dev]
hub = "validation"
file = "dev.tsv"
rows = 2
header = false
columns = { text = "0", label = "1" }
"""


def load(folder: Path, content: str) -> None:
    (folder / "tiny.toml").write_text(content, encoding="utf-8")
    load_tasks(folder)


def test_a_file_becomes_a_record(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(GOOD, encoding="utf-8")
    (task,) = load_tasks(tmp_path)
    assert (task.name, task.fields, task.labels, task.train) == ("tiny", ("text",), ("no", "yes"), "train")
    train, dev = task.splits["train"], task.splits["dev"]
    assert (train.header, dev.header, dev.columns) == (True, False, {"text": "0", "label": "1"})
    assert task.label_values == {"0": "no"}
    (tmp_path / "tiny.toml").write_text(GOOD.replace("[splits.train]", "[splits.more]"), encoding="utf-8")
    (task,) = load_tasks(tmp_path)
    assert task.train is None  # for evaluation only


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "Tiny"\n', "", "'title'"),
        ("rows = 3\n", "", "'splits.train.rows'"),
        ("header =", "headers =", "'splits.dev.headers': did you mean 'header'"),
        ('fields = ["text"]', "fields = 3", "'fields': it should be a list, not 3"),
        ('"accuracy"', '"acuracy"', "metrics: no 'acuracy'; did you mean 'accuracy'"),
        ('"classification"', '"ranking"', "'ranking'"),
        ('["no", "yes"]', '["no"]', "labels"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(DataError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert words in str(caught.value)
    assert "tiny.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_absent_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent"):
        load_tasks(tmp_path / "absent")
    with pytest.raises(DataError, match=str(tmp_path)):
        load_tasks(tmp_path)


def test_suites_keep_their_order(tmp_path: Path) -> None:
    assert load_suites(tmp_path) == []  # without a file
    (tmp_path / "suites.toml").write_text('[b]\ntasks = ["y", "x"]\n[a]\ntasks = ["x"]\nsummary = "one"\n')
    found = [(suite.name, suite.tasks) for suite in load_suites(tmp_path)]
    assert found == [("b", ("y", "x")), ("a", ("x",))]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[a]\n", "'tasks'"),
        ('a = ["x"]\n', r"\[a\]"),
    ],
)
def test_mistakes_in_suites(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "suites.toml").write_text(content)
    with pytest.raises(DataError, match=words):
        load_suites(tmp_path)


def test_listing_tasks_loads_no_heavy_library() -> None:
    code = (
        "import sys; from matekd_tasks import matekd_bench_tasks as tasks; assert len(list(tasks())) == 28;"
        "heavy = ['torch', 'transformers', 'datasets', 'evaluate', 'pandas', 'scipy', 'sklearn', 'numpy'];"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

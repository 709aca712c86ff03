"""The Hub source, on local data sets written here, and its one line when the Hub cannot be reached."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources import GlueFolder, Hub, MissingSplitError, load_split, load_task
from matekd_bench.tasks.task import Task
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}


def local(name: str, folder: Path) -> Task:
    """The task with a local folder in place of its data set."""
    return replace(TASKS[name], hub_id=str(folder), hub_config=None, hub_revision=None)


def write(folder: Path, split: str, columns: dict[str, Any], names: list[str] | None = None) -> None:
    """One split as parquet, with class-label names where given."""
    data = datasets.Dataset.from_dict(columns)
    if names is not None:
        data = data.cast_column("label", datasets.ClassLabel(names=names))
    folder.mkdir(exist_ok=True)
    data.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def rte_columns(labels: list[object]) -> dict[str, list[object]]:
    count = len(labels)
    return {
        "sentence1": [f"premise {row}" for row in range(count)],
        "sentence2": [f"hypothesis {row}" for row in range(count)],
        "label": labels,
        "idx": list(range(count)),
    }


def test_class_labels_are_mapped_by_name(tmp_path: Path) -> None:
    write(tmp_path / "d", "validation", rte_columns([0, 1, 1]), ["not_entailment", "entailment"])
    rows = Hub(tmp_path / "cache").read(local("rte", tmp_path / "d"), "dev")
    assert rows.labels == [1, 0, 0]
    assert rows.texts[2] == ("premise 2", "hypothesis 2")


def test_label_names_must_be_the_tasks(tmp_path: Path) -> None:
    write(tmp_path / "d", "validation", rte_columns([0, 1]), ["yes", "no"])
    with pytest.raises(DataError, match=r"yes, no,.*rte.*entailment, not_entailment"):
        Hub(tmp_path / "cache").read(local("rte", tmp_path / "d"), "dev")


def test_a_spelling_of_a_class_name_is_mapped_to_the_tasks_label(tmp_path: Path) -> None:
    write(tmp_path / "d", "validation", rte_columns([0, 1, 2]), ["entailment", "no", "Entailment"])
    task = replace(
        local("rte", tmp_path / "d"),
        label_values={"no": "not_entailment", "Entailment": "entailment"},
    )
    assert Hub(tmp_path / "cache").read(task, "dev").labels == [0, 1, 0]


def test_a_test_split_without_labels(tmp_path: Path) -> None:
    names = ["entailment", "not_entailment"]
    write(tmp_path / "d", "test", rte_columns([-1, -1]), names)
    write(tmp_path / "d", "validation", rte_columns([-1, 0]), names)
    source, task = Hub(tmp_path / "cache"), local("rte", tmp_path / "d")
    assert load_split(task, source, "test").labels is None
    with pytest.raises(DataError, match=r"dev row 0: .*label"):
        source.read(task, "dev")


def test_written_labels_and_one_that_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "validation.csv").write_text("sentence,label\nfine,1\ndull,0\n")
    assert Hub(tmp_path / "cache").read(local("sst2", tmp_path / "d"), "dev").labels == [1, 0]
    (tmp_path / "e").mkdir()
    lines = [{"sentence": text, "label": label} for text, label in (("fine", "positive"), ("so", "mixed"))]
    (tmp_path / "e" / "validation.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError, match=r"dev row 1: .*'mixed'.*0, 1, negative, positive"):
        Hub(tmp_path / "cache").read(local("sst2", tmp_path / "e"), "dev")


def test_regression_scores(tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict(rte_columns([0.5, 5.0, 3.8]))
    (tmp_path / "d").mkdir()
    data.cast_column("label", datasets.Value("float32")).to_parquet(tmp_path / "d" / "validation.parquet")
    assert Hub(tmp_path / "cache").read(local("stsb", tmp_path / "d"), "dev").labels == [0.5, 5.0, 3.8]


def test_missing_texts_and_columns(tmp_path: Path) -> None:
    columns = rte_columns([0, 1])
    columns["sentence1"][1] = None
    write(tmp_path / "d", "validation", columns, ["entailment", "not_entailment"])
    task, source = local("rte", tmp_path / "d"), Hub(tmp_path / "cache")
    with pytest.raises(DataError, match=r"dev row 1: .*text"):
        source.read(task, "dev")
    with pytest.raises(DataError, match=r"'sentence3' .*'sentence2'\?"):
        source.read(replace(task, fields=("sentence1", "sentence3")), "dev")


def test_a_missing_split(tmp_path: Path) -> None:
    write(tmp_path / "d", "train", rte_columns([0, 1]), ["entailment", "not_entailment"])
    with pytest.raises(MissingSplitError, match=r"'validation' \(rte dev\) .*train\."):
        Hub(tmp_path / "cache").read(local("rte", tmp_path / "d"), "dev")


def test_the_hub_has_no_labels_for_ax(tmp_path: Path) -> None:
    columns = {"premise": ["A"], "hypothesis": ["B"], "label": [-1]}
    write(tmp_path / "d", "test", columns, list(TASKS["ax"].labels))
    task, source = local("ax", tmp_path / "d"), Hub(tmp_path / "cache")
    assert load_split(task, source, "test").texts == (("A", "B"),)
    with pytest.raises(DataError, match=r"\(ax diagnostic\).*--glue-dir DIR"):
        load_task(task, source)


def test_both_sources_give_the_same_examples(tmp_path: Path) -> None:
    names = ["entailment", "not_entailment"]
    folder = tmp_path / "glue" / "RTE"
    folder.mkdir(parents=True)
    for split, file in (("train", "train"), ("validation", "dev")):
        columns = rte_columns([0, 1, 1])
        write(tmp_path / "d", split, columns, names)
        lines = [f"{a}\t{b}\t{names[int(str(y))]}" for a, b, y, _ in zip(*columns.values(), strict=True)]
        (folder / f"{file}.tsv").write_text("\n".join(["sentence1\tsentence2\tlabel", *lines]))
    task = local("rte", tmp_path / "d")
    hub, files = load_task(task, Hub(tmp_path / "cache")), load_task(task, GlueFolder(tmp_path / "glue"))
    assert (hub.train, hub.dev, hub.digests) == (files.train, files.dev, files.digests)
    assert (hub.source, files.source) == ("hub", "glue-dir")


def test_progress_bars_are_left_as_they_were(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "d", "validation", rte_columns([0, 1]), ["entailment", "not_entailment"])
    capfd.readouterr()
    assert not datasets.are_progress_bars_disabled()
    Hub(tmp_path / "cache").read(local("rte", tmp_path / "d"), "dev")
    assert not datasets.are_progress_bars_disabled()
    assert capfd.readouterr() == ("", "")


def test_an_id_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    code = (
        "from matekd_tasks import matekd_bench_tasks\n"
        "from matekd_bench.tasks.sources import Hub, load_task\n"
        "from matekd_bench.errors import DataError\n"
        "rte = next(task for task in matekd_bench_tasks() if task.name == 'rte')\n"
        "try:\n    load_task(rte, Hub())\nexcept DataError as error:\n    print(error)\n"
    )
    settings = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **settings},
    )
    assert re.fullmatch(r".*'nyu-mll/glue' at bcdcba79: .*--glue-dir DIR.*\n", done.stdout)
    assert done.stderr == ""


def test_a_folder_without_data_and_a_task_without_an_id(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match="could not be loaded"):
        Hub(tmp_path / "cache").read(local("rte", tmp_path / "d"), "dev")
    with pytest.raises(DataError, match="Hub"):
        Hub(tmp_path / "cache").read(replace(TASKS["rte"], hub_id=None), "dev")

"""The GLUE folder: every trap of the files, and one clear line for all that is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources import GlueFolder, MissingSplitError
from matekd_bench.tasks.task import Rows
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}


def read(root: Path, name: str, split: str, content: str) -> Rows:
    task = TASKS[name]
    folder = root / str(task.folder)
    folder.mkdir(exist_ok=True)
    (folder / task.splits[split].file).write_bytes(content.encode())
    return GlueFolder(root).read(task, split)


PAIR = "index\tsentence1\tsentence2\tlabel\n"
MNLI = "index\tpromptID\tsentence1\tsentence2\tlabel1\tgold_label\n"
MRPC = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
SCORED = "sentence1\tsentence2\tscore\n"
QQP = (
    "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n3\t1\t2\tA?\tB?\t1\n"
    "4\t1\t2\tcut in\n two?\tB?\t1\n5\t1\t2\ta\ttab\tB?\t1\n6\t1\t2\tA?\tB?\t\n7\t1\t2\t\tB?\t0\n"
)


@pytest.mark.parametrize(
    ("name", "split", "content", "rows"),
    [
        (
            "cola",
            "train",
            "gj04\t1\t\tIt runs.\ngj04\t0\t*\tRuns it the.\n",
            [(1, "It runs."), (0, "Runs it the.")],
        ),
        ("cola", "test", "index\tsentence\n0\tBill.\n", [(None, "Bill.")]),
        ("rte", "dev", "label\tsentence2\tx\tsentence1\nnot_entailment\tB\t-\tA\n", [(1, "A", "B")]),
        ("rte", "dev", f"{PAIR}0\tA\tB\tentailment\n", [(0, "A", "B")]),
        ("wnli", "dev", f"{PAIR}0\tA\tB\t1\n", [(1, "A", "B")]),
        ("mnli", "dev-matched", f"{MNLI}0\t1\tP\tH\tneutral\tcontradiction\n", [(2, "P", "H")]),
        ("mrpc", "train", f'{MRPC}1\t7\t8\t" A\tB "\r\n', [(1, '" A', 'B "')]),
        ("stsb", "dev", f"{SCORED}A\tB\t3.800\n", [(3.8, "A", "B")]),
        (
            "ax",
            "diagnostic",
            "Logic\tPremise\tHypothesis\tLabel\r\n\tA\tB\tcontradiction\r\n",
            [(2, "A", "B")],
        ),
        ("ax", "test", "index\tsentence1\tsentence2\n0\tA\tB\n", [(None, "A", "B")]),
        ("qqp", "train", QQP, [(1, "A?", "B?"), (0, "", "B?")]),
    ],
)
def test_texts_and_labels_are_read(
    tmp_path: Path, name: str, split: str, content: str, rows: list[tuple[Any, ...]]
) -> None:
    """Columns go by name; of QQP, broken rows are skipped and counted."""
    labels = [label for label, *_ in rows]
    expected = Rows([tuple(texts) for _, *texts in rows], None if labels == [None] else labels)
    found = read(tmp_path, name, split, content)
    assert found == replace(expected, skipped=4 if name == "qqp" else 0)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("rte", f"{PAIR}0\tA\tB\tentailment\n1\tA\tB\n", r"dev.tsv', line 3: 3 .*4 "),
        (
            "rte",
            f"{PAIR}0\tA\tB\tentailment\n1\tA\tB\tneutral\n",
            r"dev.tsv', line 3: .*'neutral': .*not_entailment",
        ),
        ("rte", "index\tsentence1\tsentence2\n0\tA\tB\n", "'label'"),
        (
            "rte",
            "index\tsentence1\tsentnce2\tlabel\n0\tA\tB\tentailment\n",
            r"'sentence2' \(rte\).*'sentnce2'\?.*index, label, sentence1, sentnce2",
        ),
        *(
            ("stsb", f"{SCORED}A\tB\t{score}\n", r"dev.tsv', line 2: .*from 0 to 5")
            for score in ("high", "", "nan", "inf", "5.2", "-0.1")
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, name: str, content: str, named: str
) -> None:
    with pytest.raises(DataError, match=named):
        read(tmp_path, name, "dev", content)


def test_a_missing_file_names_what_is_there(tmp_path: Path) -> None:
    read(tmp_path, "mnli", "dev-matched", "sentence1\tsentence2\tgold_label\nA\tB\tneutral\n")
    with pytest.raises(MissingSplitError, match=r"'dev_matched\.tsv'\?"):
        GlueFolder(tmp_path).read(TASKS["mnli"], "dev-mismatched")


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent'.*--glue-dir"):
        GlueFolder(tmp_path / "absent").read(TASKS["rte"], "dev")
    (tmp_path / "rte").mkdir()
    with pytest.raises(DataError, match=r"'RTE' \(rte\) in .*: .*\brte\."):
        GlueFolder(tmp_path).read(TASKS["rte"], "dev")


def test_a_folder_one_level_off_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "glue" / "RTE").mkdir(parents=True)
    for wrong in (tmp_path, tmp_path / "glue" / "RTE"):
        with pytest.raises(DataError) as caught:
            GlueFolder(wrong).read(TASKS["rte"], "dev")
        assert f"--glue-dir '{tmp_path / 'glue'}'" in str(caught.value)

"""The GLUE server's zip: names, rows, strings, clipping, and what is refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from matekd_bench.errors import DataError, UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.tools.predict import StudentAnswers
from matekd_bench.tools.submission import TABLES, chosen_runs, file_text, runs_of, write_submission, zipped

ROWS = {
    "CoLA": 1063, "SST-2": 1821, "MRPC": 1725, "STS-B": 1379, "QQP": 390965, "MNLI-m": 9796, "MNLI-mm": 9847,
    "QNLI": 5463, "RTE": 3000, "WNLI": 146, "AX": 1104,
}  # fmt: skip
BY_FILE = {table.file: table for table in TABLES}


def answers(table: Any, rows: int | None = None) -> StudentAnswers:
    count = table.rows if rows is None else rows
    if table.written == "score":
        return StudentAnswers((), [[at % 9 - 2.0] for at in range(count)])
    if table.written == "class":
        return StudentAnswers(("no", "yes"), [[0.0, 1.0 - at % 2 * 2] for at in range(count)])
    labels = ("entailment", "not_entailment")
    if table.source == "mnli":
        labels = ("entailment", "neutral", "contradiction")
    turn = [[float(at % len(labels) == column) for column in range(len(labels))] for at in range(len(labels))]
    return StudentAnswers(labels, [turn[at % len(labels)] for at in range(count)])


def run(task: str, state: str = "official", eval_on: str = "dev") -> Any:
    data = SimpleNamespace(state=state, state_text=state, eval_on=eval_on)
    return SimpleNamespace(run_id=f"{task}-kd-0", identity=SimpleNamespace(task=task), data=data)


NINE = [run(task) for task in ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")]


def test_tables_are_those_of_the_server_and_of_the_tasks() -> None:
    assert {table.file.removesuffix(".tsv"): table.rows for table in TABLES} == ROWS
    tasks = Host.load((), only_builtin=True).tasks
    for table in TABLES:
        assert tasks[table.task].record.splits[table.split].rows == table.rows
        assert len(tasks[table.task].record.labels) == {"score": 0, "class": 2}.get(
            table.written, len(tasks[table.source].record.labels)
        )


def test_the_zip_holds_every_file_as_the_server_reads_it() -> None:
    texts = {table.file: file_text(table, answers(table)) for table in TABLES}
    content = zipped(texts)
    assert content == zipped(dict(reversed(texts.items())))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name.removesuffix(".tsv") for name in archive.namelist()} == set(ROWS)
        read = {name: archive.read(name).decode().splitlines() for name in archive.namelist()}
    for name, lines in read.items():
        assert lines[0] == "index\tprediction"
        assert [line.split("\t")[0] for line in lines[1:]] == [str(at) for at in range(ROWS[name[:-4]])]
    assert [line.split("\t")[1] for line in read["STS-B.tsv"][1:10]] == [
        "0.000", "0.000", "0.000", "1.000", "2.000", "3.000", "4.000", "5.000", "5.000",
    ]  # fmt: skip
    assert [line.split("\t")[1] for line in read["CoLA.tsv"][1:4]] == ["1", "0", "1"]
    assert (read["AX.tsv"][3], read["RTE.tsv"][2]) == ("2\tcontradiction", "1\tnot_entailment")


@pytest.mark.parametrize(
    ("file", "given", "said"),
    [
        ("RTE.tsv", lambda table: answers(table, 277), "RTE.tsv .*3000 .*277"),
        (
            "RTE.tsv",
            lambda _: StudentAnswers(("yes", "no"), [[0.0, 1.0]]),
            "RTE.tsv .*entailment, not_entailment",
        ),
        ("WNLI.tsv", lambda _: StudentAnswers(("a", "b", "c"), [[0.0, 1.0, 2.0]]), "WNLI.tsv .*two"),
        ("STS-B.tsv", lambda _: StudentAnswers(("a", "b"), [[0.0, 1.0]]), "STS-B.tsv .*scores"),
        ("STS-B.tsv", lambda _: StudentAnswers((), [[float("nan")]]), "STS-B.tsv"),
    ],
)
def test_answers_that_do_not_fit_are_refused(file: str, given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        file_text(BY_FILE[file], given(BY_FILE[file]))


def test_a_folder_that_does_not_exist_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        write_submission(tmp_path / "none" / "glue.zip", [], {}, {})


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DataError, match=r"CoLA\.tsv"):
        zipped({table.file: "" for table in TABLES[1:]})


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (NINE[:-1], "wnli"),
        ([*NINE, run("cola")], "cola.* two.*'runs/'"),
        ([run("mini-rte", "mini")], "synthetic data"),
        ([run("rte", "partial")], "partial data"),
        ([run("rte", eval_on="holdout")], "partial data"),
        ([run("hans")], "hans"),
    ],
)
def test_other_runs_are_refused(runs: list[Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen_runs(runs)


def test_nine_official_runs_are_taken() -> None:
    assert set(chosen_runs(NINE)) == {run.identity.task for run in NINE}


def test_a_method_means_its_row_and_an_exact_row_wins(make_record: Any) -> None:
    kd, small, large = (make_record("eda", variant=name, seed=1) for name in ("eda", "eda[a=1]", "eda[a=2]"))
    assert runs_of([small, kd], "eda", 1) == [kd]
    assert runs_of([small], "eda", 1) == [small]
    with pytest.raises(UsageError, match=r"eda\[a=1\], eda\[a=2\]"):
        runs_of([small, large], "eda", 1)
    with pytest.raises(UsageError, match="'eda, 2'"):
        runs_of([small], "eda", 2)

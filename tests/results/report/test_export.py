"""The exported files: fixed columns, the same bytes, readable by pandas, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.glue_score import GLUE8
from matekd_bench.results.report.export import export
from matekd_bench.tasks.task import Suite

SUITES = (Suite("glue", (*GLUE8, "wnli")),)
FIXED = (
    "schema,rank_lo,rank_hi,method,method_version,params,role,preset,teacher,student,budget,n_tasks,"
    "n_seeds_min,n_failed,score_definition,score,ci_lo,ci_hi,delta,delta_ci_lo,delta_ci_hi,p_holm,verdict,"
    "delta_matched,tasks_won,prob_improve,worst_task_delta,optimism_mean,train_pflops,flops_x_reference,"
    "train_seconds,device,protocol_id,runs_digest,bench_version,tuning,tuning_pflops,resources,compared_with,"
    "n_collapsed,n_diverged,seed_correlation,torch,transformers,processor,code,cost_beforehand,variant,view,pflops,n_missing"
)


def write(path: Path, records: Any, table: str = "leaderboard") -> Path:
    board = build(records, tasks={}, suites=SUITES)
    export(path, table, records, tasks={}, suites=SUITES, leaderboard=board)
    return path


@pytest.fixture
def records(make_record: Any) -> list[Any]:
    rng = random.Random(1)
    done = [
        make_record(method, task, seed, rng.uniform(0.6, 0.9), params={"alpha": 0.1})
        for method in ("kd", "eda", "eda[alpha=0.2]")
        for task in ("rte", "cola")
        for seed in range(2)
    ]
    return [*done, make_record("kd", "rte", 7, None), make_record("=cmd", "own", 0, 0.8)]


def test_leaderboard_columns_are_fixed(tmp_path: Path, records: list[Any]) -> None:
    text = write(tmp_path / "board.csv", records).read_text(encoding="utf-8")
    parts = ("mean", "sd", "n", "delta", "verdict", "data_state")
    parts += ("n_failed", "n_collapsed", "n_diverged", "uninformative")
    parts += ("delta_halfwidth", "added_seeds", "answers_changed", "adversary_margin", "n_no_adversary")
    parts += ("ci_lo", "ci_hi", "delta_ci_lo", "delta_ci_hi", "p_holm")
    tasks = [f"{task}_{part}" for task in ("cola", "rte", "own") for part in parts]
    assert text.splitlines()[0] == ",".join((FIXED, *tasks))


@pytest.mark.parametrize("table", ["leaderboard", "runs"])
@pytest.mark.parametrize("extension", ["csv", "json", "md"])
def test_the_same_records_give_the_same_bytes(
    tmp_path: Path, records: list[Any], table: str, extension: str
) -> None:
    first = write(tmp_path / f"a.{extension}", records, table).read_bytes()
    random.Random(2).shuffle(records)
    assert write(tmp_path / f"b.{extension}", records, table).read_bytes() == first
    assert b"\r" not in first
    assert first.endswith(b"\n")
    assert b"nan" not in first.lower()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{extension}", f"b.{extension}"]


def test_pandas_reads_the_leaderboard(tmp_path: Path, records: list[Any]) -> None:
    for frame in (
        pd.read_csv(write(tmp_path / "board.csv", records)),
        pd.read_json(write(tmp_path / "board.json", records)),
    ):
        assert frame["method"].iloc[0] == "teacher"
        assert set(frame["role"].dropna()) <= {"reference", "baseline", "ablation", "method"}
        kd = frame[frame["method"] == "kd"].iloc[0]
        scores = [
            run.task_score.last
            for run in records
            if (run.identity.method, run.identity.task) == ("kd", "cola")
        ]
        assert (kd["cola_mean"], kd["cola_n"]) == (pytest.approx(sum(scores) / 2, abs=1e-12), 2)
        assert (kd["n_failed"], kd["score_definition"], json.loads(kd["params"])) == (
            1,
            "1 of 8 tasks",
            {"alpha": 0.1},
        )
        assert kd[["own_mean", "delta", "score"]].isna().all()
        empty = ["rank_lo", "ci_lo", "delta_ci_hi", "p_holm", "verdict", "delta_matched", "tasks_won"]
        assert frame[empty].isna().all(axis=None)


@pytest.mark.parametrize(
    ("definition", "prefix", "data"),
    [("glue8", "", {}), ("mini", "mini-", {"state": "mini", "state_text": "mini"})],
)
def test_a_score_names_its_definition(
    definition: str, prefix: str, data: dict[str, str], tmp_path: Path, make_record: Any
) -> None:
    records = [make_record("kd", f"{prefix}{task}", score=0.75, **data) for task in GLUE8]
    whole, part = (
        pd.read_csv(write(tmp_path / name, runs)).set_index("method").loc["kd"]
        for name, runs in (("whole.csv", records), ("part.csv", records[1:]))
    )
    assert (whole["score_definition"], whole["score"]) == (definition, pytest.approx(0.75))
    assert part["score_definition"] == (definition if prefix else "7 of 8 tasks")
    assert pd.isna(part["score"])


def test_a_score_of_collapsed_runs_has_no_interval(tmp_path: Path, make_record: Any) -> None:
    """As the cell of the task has none."""
    records = [make_record("kd", task, seed, 0.7 + seed / 100) for task in GLUE8 for seed in range(3)]
    for status in ("ok", "collapsed", "diverged"):
        last = records[-1].model_copy(update={"status": status})
        frame = pd.read_csv(write(tmp_path / f"{status}.csv", [*records[:-1], last])).set_index("method")
        kd = frame.loc["kd"]
        assert kd["score"] == pytest.approx(0.71)
        assert kd[["ci_lo", "ci_hi", "rte_ci_lo"]].isna().tolist() == [status != "ok"] * 3


def test_uninformative_and_unranked_are_said(tmp_path: Path, make_record: Any) -> None:
    records = [make_record(score=0.5), make_record("eda", score=0.4), make_record("x", score=0, ranked=False)]
    frame = pd.read_csv(write(tmp_path / "b.csv", records)).set_index("method")
    assert frame.loc["eda", "rte_verdict"] == "uninformative"
    assert frame["rte_delta"].isna().all()
    assert frame.loc["x", "verdict"] == "unranked"
    assert frame["rte_verdict"].isna().tolist() == [True, False, False, False]
    assert frame["rte_uninformative"].str.contains("majority class").all()


def test_pandas_reads_the_runs(tmp_path: Path, records: list[Any]) -> None:
    frame = pd.read_csv(write(tmp_path / "runs.csv", records, "runs"))
    assert set(frame["run_id"]) == {run.run_id for run in records}
    one = frame[frame["run_id"] == records[0].run_id]
    assert sorted(zip(one["split"], one["selection"], one["metric"], strict=True)) == [
        ("all", "best_dev", "task_score"),
        ("all", "last", "task_score"),
        ("dev", "best_dev", "accuracy"),
        ("dev", "last", "accuracy"),
    ]
    last = one[(one["split"] == "all") & (one["selection"] == "last")].iloc[0]
    assert last["value"] == pytest.approx(records[0].task_score.last, abs=1e-12)
    failed = frame[frame["status"] == "failed"]
    assert len(failed) == 1
    assert failed["value"].isna().all()
    assert failed["reason"].iloc[0] == "RuntimeError: out of memory"
    as_json = pd.read_json(write(tmp_path / "runs.json", records, "runs"), dtype={"run_id": str})
    assert list(as_json.columns) == list(frame.columns)
    assert list(as_json["value"].dropna()) == pytest.approx(list(frame["value"].dropna()), abs=1e-12)


def test_formulas_are_defused_and_numbers_stay_numbers(tmp_path: Path, make_record: Any) -> None:
    nasty = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain", 'quo"te,\nline']
    records = [make_record("kd", seed=seed, score=None, reason=reason) for seed, reason in enumerate(nasty)]
    records.append(make_record("kd", seed=99, score=-0.25))
    path = write(tmp_path / "runs.csv", records, "runs")
    with path.open(encoding="utf-8", newline="") as file:
        rows = {int(row["seed"]): row for row in csv.DictReader(file)}
    assert [rows[seed]["reason"] for seed in range(len(nasty))] == [
        *("'=1+1", "+1", "-1", "'@SUM(A1)"),
        "\ufffdx",  # a record shows a sign in place of what would steer a terminal or a spreadsheet
        "\ufffdx",
        "plain",
        'quo"te,\ufffdline',
    ]
    assert float(rows[99]["value"]) < 0


def test_formulas_in_method_names(tmp_path: Path, records: list[Any]) -> None:
    assert "'=cmd" in write(tmp_path / "b.csv", records).read_text()
    assert '"=cmd"' in write(tmp_path / "b.json", records).read_text()  # JSON runs nothing


def test_no_records_give_a_header_alone(tmp_path: Path) -> None:
    assert write(tmp_path / "b.csv", []).read_text() == FIXED + "\n"
    assert pd.read_csv(tmp_path / "b.csv").empty


def test_markdown_exports(tmp_path: Path, records: list[Any]) -> None:
    assert write(tmp_path / "b.md", records).read_text().count("| method |") == 2
    runs = write(tmp_path / "r.md", records, "runs").read_text().splitlines()
    assert runs[0].startswith("| schema | run_id | status |")
    assert len(runs) == 2 + 4 * 13 + 1


def test_numbers_are_written_in_full(tmp_path: Path, make_record: Any) -> None:
    record = make_record(score=2 / 3)
    with write(tmp_path / "b.csv", [record]).open(encoding="utf-8") as file:
        assert [row["rte_mean"] for row in csv.DictReader(file)] == ["0.9", repr(2 / 3)]


def test_what_a_method_used_stands_in_both_tables_and_below_the_one_on_screen(
    tmp_path: Path, make_record: Any
) -> None:
    used = {"parameters": 0, "trainable": 0, "resources": {"thesaurus": "WordNet 3.0"}}
    done = [make_record("kd", "rte", 0, 0.7), make_record("eda", "rte", 0, 0.8, perturber=used)]
    for table in ("leaderboard", "runs"):
        frame = pd.read_csv(write(tmp_path / f"{table}.csv", done, table))
        assert set(frame[frame["method"] == "eda"]["resources"]) == {"thesaurus: WordNet 3.0"}
        assert frame[frame["method"] == "kd"]["resources"].isna().all()
    board = pd.read_csv(write(tmp_path / "again.csv", done)).set_index("method")
    assert board["compared_with"].dropna().to_dict() == {"eda": "kd"}
    assert (
        board[["tasks_won", "prob_improve"]].isna().all(axis=None)
    )  # of one seed they would be 1 of 1 and 1.0
    text = write(tmp_path / "board.md", done).read_text(encoding="utf-8")
    assert "eda used thesaurus: WordNet 3.0." in text


def test_a_study_that_is_not_finished_says_what_is_lacking(tmp_path: Path, make_record: Any) -> None:
    done = [make_record("kd", task, 0, 0.7) for task in ("rte", "cola")]
    done += [make_record("eda", "rte", 0, 0.8)]
    text = write(tmp_path / "board.md", done).read_text(encoding="utf-8")
    assert "cola: no run of eda" in text
    board = pd.read_csv(write(tmp_path / "board.csv", done)).set_index("method")
    assert board["cola_data_state"].isna().to_dict() == {"teacher": False, "kd": False, "eda": True}

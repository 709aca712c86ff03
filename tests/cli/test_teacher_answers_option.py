"""``run --teacher-answers`` as it is typed: from the rows to the table, and what it refuses in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.results.store.results_store import ResultsStore


def test_from_the_answers_to_the_table(
    rte_rows: list[dict[str, str]], rte_answers: Callable[..., Path], study_options: tuple[str, ...], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    options = [option for option in study_options if option != "--quiet"]
    results = str(tmp_path / "results")
    file = rte_answers(cost={"tokens": 5})
    command = ["run", "--methods", "vat", "--tasks", "rte", *options, "--results", results, "--jobs", "1"]
    assert main([*command, "--teacher-answers", str(file)]) == 0
    printed = capsys.readouterr()
    assert f"64 training rows are answered in '{file}'" in printed.err
    assert "fine-tuning" not in printed.err
    assert main(["leaderboard", "--notes", "--results", results]) == 0
    assert "5 tokens" in capsys.readouterr().out
    record = next(iter(ResultsStore(tmp_path / "results").records()))
    assert (record.teacher.answers, record.teacher.cost_beforehand) == (True, {"tokens": 5})
    assert record.teacher.id.startswith("a.jsonl (sha256 ")
    assert record.teacher.task_score == pytest.approx(1 - record.data.majority_score)  # one class of two
    train = [row for row in rte_rows if row["split"] == "train"]
    assert main([*command, "--teacher-answers", str(rte_answers(train)), "--json"]) == 0
    scores = {record.teacher.task_score for record in ResultsStore(tmp_path / "results").records()}
    assert None in scores
    assert len(scores) == 2
    capsys.readouterr()
    assert main(["leaderboard", "--notes", "--results", results]) == 0
    assert "the teacher has no score" in " ".join(capsys.readouterr().out.split())
    assert main(["leaderboard", "--results", results, "--verify"]) == 0


def test_what_a_study_refuses_before_it_trains(
    rte_rows: list[dict[str, str]], rte_answers: Callable[..., Path], refused: Callable[..., str],
    study_options: tuple[str, ...], tmp_path: Path,
) -> None:  # fmt: skip
    results = tmp_path / "results"

    def refuse(file: Path, *named: str) -> None:
        options = ("--methods", "kd", "--tasks", "rte", *study_options, "--results", results)
        refused("run", *options, "--teacher-answers", file, named=named)

    refuse(tmp_path / "gone.jsonl", "gone.jsonl")
    refuse(
        rte_answers([row for row in rte_rows if row["split"] == "dev"]),
        "64 training",
        "a.jsonl",
        "'sentence1'",
    )
    refuse(rte_answers(rte_rows[1:]), "1 of the 64", rte_rows[0]["id"])
    refuse(rte_answers(rte_rows[1:], {**rte_rows[0], "answer": "maybe"}), "'maybe'", "not_entailment")
    assert not results.exists()

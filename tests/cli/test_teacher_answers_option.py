"""``run --teacher-answers`` as it is typed: from the rows to the table, and what it refuses in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record
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


RAY = [pytest.mark.ray, pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")]
IN_OTHER_PROCESSES = [
    ["--jobs", "2"],
    ["--processes", "2"],
    pytest.param(["--executor", "ray", "--ray-address", "local"], marks=RAY),
]


@pytest.mark.full
@pytest.mark.parametrize("where", IN_OTHER_PROCESSES, ids=lambda where: where[0])
def test_a_tuned_study_is_the_same_in_other_processes(
    where: list[str], tunable_glue: Path, study_options: tuple[str, ...], tmp_path: Path
) -> None:
    """The trials, too, learn the answers of the file, those to the holdout included."""
    rows = tmp_path / "rows.jsonl"
    assert main(["tasks", "rows", "sst2", "--glue-dir", str(tunable_glue), "--out", str(rows)]) == 0
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    answers = [
        {"id": line["id"], "logits": {"negative": 0, "positive": number % 7 - 3}}
        for number, line in enumerate(lines)
    ]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in answers))
    study = ["run", *study_options, "--methods", "vat", "--tasks", "sst2", "--tune", "2"]
    study += ["--glue-dir", str(tunable_glue), "--teacher-answers", str(file)]

    def recorded(name: str, *more: str) -> dict[tuple[str, ...], Record]:
        assert main([*study, *more, "--results", str(tmp_path / name)]) == 0
        return {
            (folder, record.identity.variant, str(record.hparams["lr"])): record
            for folder in ("", "tuning")
            for record in ResultsStore(tmp_path / name / folder).records()
        }

    here, there = recorded("here", "--jobs", "1"), recorded("there", *where)
    assert len(here) == 6  # two methods, each in two trials and a run
    assert here.keys() == there.keys()
    for key, record in here.items():
        assert there[key].teacher == record.teacher, key
        losses = [[evaluation.train_loss for evaluation in run.curve] for run in (there[key], record)]
        # `--processes` cuts batches elsewhere, so it draws another dropout
        assert losses[0] == pytest.approx(losses[1], abs=1e-3 if "--processes" in where else 0), key


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

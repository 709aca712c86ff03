"""``run --also`` as it is typed: scores of teacher and students, a table of their own, and what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub_server import HubServer, glue_files
from matekd_bench.cli import main
from matekd_bench.cli.completion import also as complete
from matekd_bench.results.store.results_store import ResultsStore
from matekd_tasks import matekd_bench_tasks

CLAIMS = """
name = "claims"
kind = "classification"
texts = ["a", "b"]
label = "label"
labels = ["no", "yes"]
metrics = ["accuracy", "f1"]
dev = "claims.csv"
label_map = { entailment = "yes", not_entailment = "no" }
"""
SETS = ("rte/claims", "rte@nlpaug:keyboard")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory, study_options: tuple[str, ...]) -> tuple[str, ...]:
    """The options of a study on RTE with a set of the user's own."""
    folder = tmp_path_factory.mktemp("claims")
    (folder / "claims.toml").write_text(CLAIMS)
    rows = [f"the man runs {row},a dog eats {row},{('yes', 'no')[row % 3 > 0]}" for row in range(30)]
    (folder / "claims.csv").write_text("\n".join(["a,b,label", *rows, ""]))
    return (*study_options, "--tasks", "rte", "--plugin", str(folder / "claims.toml"), "--jobs", "1")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...]) -> Path:
    """A study of two methods that was scored on two sets."""
    results = tmp_path_factory.mktemp("study") / "results"
    command = ("run", "--methods", "eda", *options, "--results", str(results))
    assert main([*command, "--also", "claims,rte@nlpaug:keyboard"]) == 0
    return results


def test_records_have_the_scores_and_the_predictions_their_logits(results: Path) -> None:
    store = ResultsStore(results)
    records = store.records()
    assert len(records) == 2
    for record in records:
        claims, keyboard = record.also
        assert (claims.name, keyboard.name) == SETS
        assert (claims.labels, claims.label_map) == (
            ("no", "yes"), {"entailment": "yes", "not_entailment": "no"},
        )  # fmt: skip
        assert (claims.state, keyboard.label_map) == ("own", {})
        assert claims.majority_score == pytest.approx(1 / 3)  # accuracy 2/3 and F1 0 of "no" everywhere
        assert keyboard.resources.keys() == {"nlpaug"}
        assert keyboard.splits["dev"].digest != record.data.splits["dev"].digest
        assert claims.teacher_score is not None
        predictions = store.read_predictions(record)
        for scores in record.also:
            devset = store.read_data(scores.splits["dev"].digest)
            answers = predictions.also[devset.digest].argmax(1)
            accuracy = next(item.value for item in scores.scores if item.metric == "accuracy")
            assert accuracy == pytest.approx(np.mean(answers == np.array(devset.labels)))
    assert len({record.also[1].splits["dev"].digest for record in records}) == 1  # the same rows for all


def test_the_sets_have_a_table_of_their_own(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", "--results", str(results)]) == 0
    printed = capsys.readouterr().out
    assert [name in printed for name in SETS] == [True, True]
    assert main(["leaderboard", "--results", str(results), "--by", "task", "--notes"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in SETS if f"\n{name}" not in printed] == []  # each has a table with this title
    assert "rte@nlpaug:keyboard: partial (dev 40 of 277)" in printed


def test_files_have_the_sets_after_the_tasks_and_means_do_not(results: Path, tmp_path: Path) -> None:
    files = [
        str(tmp_path / name) for name in ("board.csv", "board.md", "board.html", "board.json", "board.tex")
    ]
    assert main(["export", *files, "--results", str(results)]) == 0
    assert [name for name in files[1:] if "rte/claims" not in Path(name).read_text()] == []
    rows = list(csv.DictReader(Path(files[0]).read_text().splitlines()))
    teacher, kd, eda = rows
    scores = {record.identity.method: record.also[0].score for record in ResultsStore(results).records()}
    assert [float(row["rte/claims_mean"]) for row in (kd, eda)] == [scores["kd"], scores["eda"]]
    assert float(teacher["rte/claims_mean"]) >= 0
    assert eda["rte@nlpaug:keyboard_delta"] != ""
    assert kd["n_tasks"] == "1"
    assert float(eda["delta"] or 0) == pytest.approx(float(eda["rte_delta"] or 0))


def test_the_table_of_runs_has_the_scores_and_one_headline_a_run(results: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    assert main(["export", "--table", "runs", str(file), "--results", str(results)]) == 0
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert {"rte/claims dev", "rte@nlpaug:keyboard dev"} <= {row["split"] for row in rows}
    assert sum(row["headline"].lower() == "true" for row in rows) == 2


def test_filters_choose_among_the_sets_as_well(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def board(*options: str) -> Any:
        capsys.readouterr()
        assert main(["leaderboard", "--results", str(results), "--by", "task", "--json", *options]) == 0
        return {(row["method"], row["task"]) for row in json.loads(capsys.readouterr().out)}

    tasks = ("rte", *SETS)
    assert board() == {(method, task) for method in ("kd", "eda") for task in tasks}
    assert board("--methods", "eda", "--tasks", "rte") == {("eda", task) for task in tasks}


def test_scores_are_verified_and_a_changed_one_is_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    assert main(["leaderboard", "--verify", "--results", str(copy)]) == 0
    file = next(copy.glob("runs/*/record.json"))
    record = json.loads(file.read_text())
    record["also"][0]["scores"][0]["value"] -= 0.01
    file.write_text(json.dumps(record))
    capsys.readouterr()
    assert main(["leaderboard", "--verify", "--results", str(copy)]) == 1
    assert "rte/claims" in capsys.readouterr().err
    merged = tmp_path / "merged"
    assert main(["merge", str(results), str(copy), "-o", str(merged)]) == 0
    assert len(ResultsStore(merged).data_digests()) == len(ResultsStore(results).data_digests())
    assert main(["leaderboard", "--verify", "--results", str(merged)]) == 0


def test_recorded_runs_keep_their_ids_and_are_counted_where_they_lack_a_set(
    results: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    loud = [option for option in options if option != "--quiet"]
    command = ["run", "--methods", "eda", *loud, "--results", str(results)]
    capsys.readouterr()
    assert main([*command, "--also", "claims,rte@aeda"]) == 0
    printed = capsys.readouterr()
    assert "0 trained, 2 already recorded" in printed.out
    assert "2 recorded runs" in printed.err
    assert main([*command, "--also", "claims"]) == 0
    assert "recorded runs" not in capsys.readouterr().err


@pytest.mark.full
def test_a_run_in_a_worker_is_scored_like_one_here(
    results: Path, options: tuple[str, ...], tmp_path: Path
) -> None:
    there = str(tmp_path / "there")
    command = ("run", "--methods", "eda", *options, "--results", there, "--jobs", "2")
    assert main([*command, "--also", "claims,rte@nlpaug:keyboard"]) == 0
    here = {record.run_id: record.also for record in ResultsStore(results).records()}
    assert len(here) == 2
    assert {record.run_id: record.also for record in ResultsStore(Path(there)).records()} == here


def test_prepare_names_the_sets(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """`claims` is read; `paws` is no set for the students of rte."""
    known = {"--config", "--glue-dir", "--teacher", "--student", "--generator", "--tasks", "--plugin"}
    pairs = [pair for pair in pairwise(options) if pair[0] in known]
    command = ["prepare", *(word for pair in pairs for word in pair), "--methods", "kd", "--json"]
    assert main([*command, "--also", "claims,rte@aeda", "--offline"]) == 0
    parts = {part["name"]: part for part in json.loads(capsys.readouterr().out)}
    assert parts["claims"]["text"].startswith("0 training and 30 dev rows")


@pytest.fixture
def advglue(hub: HubServer) -> HubServer:
    """A Hub with AdvGLUE: a configuration per task, each with one split, and labels as numbers with names."""
    tasks = [task for task in matekd_bench_tasks() if task.name.startswith("advglue")]
    configs: dict[str, dict[str, dict[str, list[object]]]] = {}
    for task in tasks:
        texts: list[object] = [f"the man runs {row}" for row in range(9)]
        columns = dict.fromkeys(task.fields, texts)
        labels: list[object] = [row % len(task.labels) for row in range(9)]
        configs[str(task.hub_config)] = {"validation": {**columns, "label": labels, "idx": list(range(9))}}
    classes = {str(task.hub_config): task.labels for task in tasks}
    [(id, revision)] = {(task.hub_id, task.hub_revision) for task in tasks}
    hub.add("datasets", str(id), glue_files(configs, classes), commit=revision)
    return hub


def test_advglue_is_fetched_from_the_hub_and_read_then_without_a_request(
    advglue: HubServer, study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A task with one text and one with two; parts for other tasks are not fetched."""
    known = {"--config", "--glue-dir", "--teacher", "--student", "--generator"}
    pairs = [pair for pair in pairwise(study_options) if pair[0] in known]
    asked = ("--methods", "kd", "--tasks", "sst2,rte", "--also", "advglue")
    assert main(["prepare", *(word for pair in pairs for word in pair), *asked, "--json"]) == 0
    parts = {part["name"]: part for part in json.loads(capsys.readouterr().out)}
    assert {name: parts[name]["state"] for name in parts if name.startswith("advglue")} == {
        "advglue-sst2": "fetched", "advglue-rte": "fetched",
    }  # fmt: skip
    advglue.requests.clear()
    results = tmp_path / "results"
    assert main(["run", *study_options, *asked, "--results", str(results), "--jobs", "1", "--offline"]) == 0
    assert advglue.requests == []
    store = ResultsStore(results)
    for record in store.records():
        [scores] = record.also
        assert scores.name == f"{record.identity.task}/advglue-{record.identity.task}"
        classes = len(record.data.labels)
        labels = store.read_data(scores.splits["dev"].digest).labels
        assert list(labels) == [row % classes for row in range(9)]
        assert (scores.source, scores.state) == ("hub", "partial")


def test_what_a_study_refuses_before_it_trains(
    refused: Callable[..., str], options: tuple[str, ...], tmp_path: Path
) -> None:
    command = ("run", "--methods", "kd", *options, "--results", tmp_path / "results")
    refused(*command, "--also", "claimz", named=("claimz", "claims"))
    refused(*command, "--also", "hans", named=("hans", "mnli"))
    refused(*command, "--also", "rte@random-mask", named=("random-mask", "text"))
    assert not (tmp_path / "results").exists()


def test_completion_offers_sets_and_then_text_methods() -> None:
    assert {"hans", "paws", "advglue"} <= {name for name, _ in complete("")}
    assert "rte" not in {name for name, _ in complete("")}
    assert [name for name, _ in complete("hans,pa")] == ["hans,paws"]
    offered = {name for name, _ in complete("hans,rte@nlp")}
    assert "hans,rte@nlpaug:keyboard" in offered
    assert "rte@random-mask" not in {name for name, _ in complete("rte@")}

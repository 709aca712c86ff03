"""`leaderboard`, `compare` and `export` on one small real study."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.results.store.results_store import ResultsStore

Say = Callable[..., str]


@pytest.fixture(scope="module")
def results(
    study_options: tuple[str, ...], tiny_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Three seeds of two methods on two tasks, one of them a regression, whose teacher has learned a little."""
    folder = tmp_path_factory.mktemp("results")
    config = folder.with_suffix(".toml")
    config.write_text(tiny_config.read_text().replace("limit = 4", "limit = 30"))
    chosen = ("--methods", "cutoff,kd@2x", "--tasks", "sst2,stsb", "--seeds", "3")
    assert main(["run", *chosen, "--results", str(folder), *study_options, "--config", str(config)]) == 0
    return folder


@pytest.fixture
def say(results: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """What a command prints."""

    def run(*arguments: str) -> str:
        assert main([*arguments, "--results", str(results)]) == 0
        return capsys.readouterr().out

    return run


def test_views(say: Say) -> None:
    overall = say("leaderboard")
    assert "kd@2x" in overall
    assert "Holm over 1 method." in " ".join(overall.split())
    assert "At equal cost: no row of kd cost as much as cutoff (kd@3x would)." in " ".join(overall.split())
    assert "best dev" in say("leaderboard", "--by", "task")
    assert "eval s" in say("leaderboard", "--cost", "--sort", "cost")
    assert "Diagnostics" in say("leaderboard", "--diagnostics")
    assert say("leaderboard", "--failures").startswith(
        "collapsed: cutoff on sst2, seed 0: the last evaluation"
    )


def test_filters(say: Say) -> None:
    text = say("leaderboard", "--methods", "cutoff", "--tasks", "sst2")
    assert "kd@2x" not in text
    assert "shown: 1 of 3 methods, 1 of 2 tasks" in text
    [row] = [row for row in json.loads(say("leaderboard", "--methods", "kd@2x", "--json")) if row["student"]]
    assert (row["method"], row["budget"]) == ("kd@2x", "student_updates=8")


def test_the_files_have_the_statistics(say: Say, tmp_path: Path) -> None:
    say("export", str(tmp_path / "b.csv"))
    with (tmp_path / "b.csv").open(encoding="utf-8") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"teacher", "kd", "kd@2x", "cutoff"}
    board = json.loads(say("leaderboard", "--json"))
    assert {row["method"]: row["rank_lo"] for row in board} == {
        name: int(row["rank_lo"]) if row["rank_lo"] else None for name, row in rows.items()
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("leaderboard --by method", "'method'"),
        ("leaderboard --cost --failures", "--cost and --failures"),
        ("leaderboard --sort scor", "'score'"),
        ("leaderboard --match zz", "'zz'"),
        ("leaderboard --methods eda", "'eda'"),
        ("compare zz yy", "'zz'"),
        ("compare sst2 stsb", "'sst2'"),
        ("compare sst2-kd-0", "RUN_B"),
    ],
)
def test_mistakes_are_one_line(
    arguments: str, said: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments.split(), "--results", str(results)]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_compare(say: Say, results: Path) -> None:
    ids = {
        (run.identity.variant, run.identity.task): run.run_id
        for run in ResultsStore(results).records()
        if run.identity.seed == 1
    }
    text = say("compare", "sst2-cutoff-1", ids["kd", "sst2"])
    assert "these two checkpoints only" in text
    assert "exact McNemar test: p = " in text
    found = json.loads(say("compare", ids["kd", "stsb"], ids["cutoff", "stsb"], "--json"))
    assert (found["test"], found["only_a"], found["n"]) == ("permutation", None, 40)


def test_compare_takes_folders(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = sorted((results / "runs").glob("stsb-*-0-*"))
    assert main(["compare", str(runs[0]), f"{runs[1]}/"]) == 0
    assert runs[0].name in capsys.readouterr().out


def test_damage_is_named_on_screen(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    copy = shutil.copytree(results, tmp_path / "copy")
    damaged, lost = sorted((copy / "runs").iterdir())[:2]
    (damaged / "record.json").write_text("{")
    (lost / "predictions.npz").unlink()
    assert main(["leaderboard", "--results", str(copy)]) == 0
    printed = capsys.readouterr()
    assert f"warning: {damaged} was left out: " in printed.err
    assert lost.name in " ".join(printed.out.split())
    assert main(["leaderboard", "--results", str(copy), "--results", str(results)]) == 0

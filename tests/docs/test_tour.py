"""The tour is walked: every command of docs/tour.md, in order, in one folder, with smaller budgets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from matekd_bench.cli import main
from pages import ROOT, blocks, commands, files

TOUR = ROOT / "docs" / "tour.md"
COMMANDS = list(commands(TOUR))
# Given last, so they win: the same command, done sooner.
BRIEF = ("--limit-train", "32", "--limit-eval", "32", "--budget", "student_updates=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of the tour, with the files that its page shows and the config that shortens teachers."""
    folder = tmp_path_factory.mktemp("tour")
    for name, text in files(TOUR).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "brief.toml").write_text("[teacher]\nbudget = { limit = 2 }\n[training]\nevaluations = 2\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def shortened(command: list[str], glue: Path, models: tuple[str, ...]) -> list[str]:
    """The command with the real GLUE folder, fewer tasks, and options that make it brief."""
    instead = {"DIR": str(glue), "glue": "rte,stsb,cola"}
    given = [instead.get(word, word) for word in command]
    if given[0] == "run":
        given += [*BRIEF, "--config", "brief.toml", "--quiet"]
    if given[:2] == ["methods", "preview"]:
        given += ["--config", "brief.toml"]
    return given + list(models if str(glue) in given and given[0] == "run" else ())


@pytest.mark.parametrize("place", range(len(COMMANDS)), ids=lambda place: " ".join(COMMANDS[place][:2]))
def test_every_command_works(place: int, folder: Path, small_glue: Path, tiny_checkpoint: Path) -> None:
    models = ("--teacher", str(tiny_checkpoint), "--student", "layers:2", "--generator", "layers:2")
    assert main(shortened(COMMANDS[place], small_glue, models)) == 0


def test_what_the_tour_leaves_behind(folder: Path) -> None:
    """Runs after the commands: the files it speaks of are there and hold what it says."""
    board = pd.read_csv(folder / "leaderboard.csv")
    assert set(board["score_definition"].dropna()) == {"mini"}
    assert {"teacher", "kd", "eda"} <= set(board["method"])
    assert "eda[thesaurus=mini]" in set(board["variant"])
    runs = pd.read_csv(folder / "runs.csv")
    assert set(runs[runs["task"] == "mini-rte"]["seed"]) == {0, 1, 2}
    assert "<html" in (folder / "board.html").read_text(encoding="utf-8")
    glue = pd.read_csv(folder / "glue.csv")
    assert set(glue["rte_data_state"].dropna()) == {"partial (train 32 of 2490, dev 32 of 277)"}
    records = [json.loads(file.read_text()) for file in (folder / "results" / "runs").rglob("record.json")]
    assert {record["data"]["state"] for record in records} == {"mini"}


def test_the_tour_says_what_each_kind_of_command_is_for() -> None:
    spoken = {command[0] for command in COMMANDS}
    assert {"run", "leaderboard", "methods", "export", "compare", "doctor"} <= spoken
    assert len(blocks(TOUR, "text")) >= 3

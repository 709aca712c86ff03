"""docs/further-sets.md is followed from top to bottom: its task file, its data and its commands, in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.results.store.results_store import ResultsStore
from pages import ROOT, blocks, files, follow

PAGE = ROOT / "docs" / "further-sets.md"
BRIEF = ("--seeds", "1", "--budget", "student_updates=2", "--config", "brief.toml")
CONFIG = """
limit_train = 32
limit_eval = 32
teacher.budget = { limit = 2 }
training.evaluations = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the page has been followed; runs are shortened."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "brief.toml").write_text(CONFIG)
    (folder / "claims.toml").write_text(files(PAGE)["claims.toml"])
    [rows] = [block for block in blocks(PAGE, "text") if block.startswith("premise,")]
    (folder / "claims.csv").write_text(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        follow(PAGE, run_command)
        yield folder


def run_command(command: list[str]) -> None:
    assert main([*command, *(BRIEF if command[0] == "run" else ())]) == 0, command


def test_the_runs_are_scored_as_the_page_says(folder: Path) -> None:
    perturbed, own = (ResultsStore(folder / name).records() for name in ("results", "claims"))
    assert {scores.name for record in perturbed for scores in record.also} == {
        "mini-rte@aeda",
        "mini-rte@nlpaug:keyboard",
    }
    assert {scores.name for record in own for scores in record.also} == {"mini-rte/claims", "mini-rte@aeda"}
    assert [scores.splits["dev"].n for scores in own[0].also if scores.name == "mini-rte/claims"] == [4]


def test_the_table_that_the_page_shows_has_the_real_headings(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [shown] = [block for block in blocks(PAGE, "text") if "teacher" in block]
    assert main(["leaderboard", "--results", str(folder / "claims")]) == 0
    printed = capsys.readouterr().out
    heading = next(line for line in shown.splitlines() if line.startswith("method"))
    names = [part.split()[0] for part in heading.split("|")[1:]]
    line = next(line for line in printed.splitlines() if all(name in line for name in names))
    assert [part.split()[0] for part in line.split("|")[1:]] == names

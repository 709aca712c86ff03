"""docs/perturbed-texts.md is followed from top to bottom: its commands and its program, in one folder."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.files.user_tables import read_lines
from matekd_bench.results.store.results_store import ResultsStore
from pages import ROOT, blocks, follow

PAGE = ROOT / "docs" / "perturbed-texts.md"
BRIEF = ("--seeds", "1", "--budget", "student_updates=2", "--config", "brief.toml")
CONFIG = """
limit_train = 32
limit_eval = 32
teacher.budget = { limit = 2 }
training.evaluations = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the page has been followed; runs and previews are shortened."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "brief.toml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        follow(PAGE, run_command)
        yield folder


def run_command(command: list[str]) -> None:
    if command[0] == "run":
        command = [*command, *BRIEF]
    if command[:2] == ["methods", "preview"]:
        command = [*command, "--config", "brief.toml"]
    assert main(command) == 0, command


def test_the_runs_are_there(folder: Path) -> None:
    records = {record.identity.method: record for record in ResultsStore(folder / "results").records()}
    assert set(records) == {"kd", "from-file", "eda", "random-mask"}
    shown = re.search(r'header = (\{"cost": (\{.*?\}).*)', PAGE.read_text(encoding="utf-8"))
    assert records["from-file"].perturber.cost_beforehand == json.loads(shown[2])


def test_the_lines_that_the_page_shows_are_those_of_the_files(folder: Path) -> None:
    first, by_id = (json.loads(block) for block in blocks(PAGE, "json"))
    assert read_lines(folder / "texts.jsonl")[0].cells == first
    assert read_lines(folder / "hypotheses.jsonl")[0].cells == by_id


def test_the_coverage_that_the_page_shows_is_the_real_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [command] = [
        line for line in "".join(blocks(PAGE, "sh")).splitlines() if line.startswith("matekd-bench run")
    ]
    assert main([*shlex.split(command)[1:], "--dry-run", "--results", "other"]) == 0
    [coverage] = blocks(PAGE, "text")
    assert coverage.strip() in capsys.readouterr().err

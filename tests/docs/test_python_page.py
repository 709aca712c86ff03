"""The Python of README and docs/python.md runs, block after block, with smaller budgets."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any

import pytest

import matekd_bench
from brief_study import BriefStudy
from pages import NAMED, ROOT, blocks


def run_blocks(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the blocks of a page that are no file, as cells of one notebook; what they define."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(matekd_bench, "Study", BriefStudy)
    scope: dict[str, Any] = {"__name__": "__main__"}
    for number, block in enumerate(blocks(page, "python")):
        if NAMED.match(block) is None:
            name = f"<{page.name}, block {number}>"
            linecache.cache[name] = (len(block), None, block.splitlines(keepends=True), name)
            exec(compile(block, name, "exec"), scope)
    return scope


def test_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = run_blocks(ROOT / "docs" / "python.md", tmp_path, monkeypatch)
    assert {*scope["results"].runs()["variant"]} == {"kd", "eda[thesaurus=mini]", "hesitate"}
    assert len(scope["plan"].to_frame()) == 8
    assert (tmp_path / "leaderboard.csv").is_file()
    assert scope["report"].same
    assert {*scope["merged"].runs()["variant"]} == {"kd", "eda[thesaurus=mini]"}
    assert "eda[thesaurus=mini]" in capsys.readouterr().out


def test_the_lines_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = run_blocks(ROOT / "README.md", tmp_path, monkeypatch)
    assert str(scope["board"]) in capsys.readouterr().out
    assert (tmp_path / "leaderboard.csv").is_file()


def test_the_table_of_calls_is_that_of_the_class() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    public = {
        name for name, value in vars(matekd_bench.Results).items() if callable(value) and name[0] != "_"
    }
    named = {line.split("`")[1].partition("(")[0] for line in page.splitlines() if line.startswith("| `")}
    assert named | {"find"} == public

"""`merge` and the pictures of `export` from outside."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main

STUDY = Path(__file__).resolve().parents[3] / "results" / "reference" / "minilm"


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the results of two machines, which share one run."""
    if not STUDY.is_dir():
        pytest.skip("no reference study in this copy")
    monkeypatch.chdir(tmp_path)
    runs = sorted(path.name for path in (STUDY / "runs").iterdir())
    for name, own in (("a", runs[:40]), ("b", runs[39:])):
        shutil.copytree(STUDY / "data", Path(name) / "data")
        for run in own:
            shutil.copytree(STUDY / "runs" / run, Path(name) / "runs" / run)
    return tmp_path


def test_merged_folders_give_the_leaderboard_of_the_whole(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", "a", "b", "-o", "c"]) == 0
    whole, sets = (len(list((STUDY / kind).iterdir())) for kind in ("runs", "data"))
    said = f"wrote c: runs: {whole} (1 of them in several folders); data sets: {sets}\n"
    assert capsys.readouterr().out == said
    assert main(["export", "c.json", "--results", "c"]) == 0
    assert main(["export", "whole.json", "--results", str(STUDY)]) == 0
    assert Path("c.json").read_bytes() == Path("whole.json").read_bytes()


@pytest.mark.usefixtures("in_folder")
def test_what_is_wrong_stops_before_anything_is_written(refused: Callable[..., str]) -> None:
    refused("merge", "a", "b", "-o", "a", named="error: 'a'")
    refused("export", "board.csv", "picture.svg", "--results", "a", named="picture.svg")
    refused("export", "board.csv", "board.html", "--plot", "cost", "--results", "a", named="plot")
    refused("export", "board.html", "--glue-dir", "glue", "--results", "a", named="--texts")
    refused("export", "board.html", "--texts", "--reference", "none", "--results", "a", named="reference")
    assert not Path("board.csv").exists()
    assert not Path("board.html").exists()


@pytest.mark.usefixtures("in_folder")
def test_a_glue_folder_of_the_environment_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLUE_DIR", "glue")
    assert main(["export", "board.csv", "--results", "a"]) == 0


def test_damage_is_a_warning(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = next(Path("a", "runs").iterdir())
    (broken / "record.json").write_text("{", encoding="utf-8")
    assert main(["merge", "a", "b", "--output", "c"]) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert re.match(f"warning: .*{re.escape(broken.name)}", line)
    assert Path("c").is_dir()


def test_page_and_pictures(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["board.html", "board.tex", "curves.svg"]
    assert main(["export", *files, "--results", "a"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"wrote {name}" for name in files]
    page = Path("board.html").read_text(encoding="utf-8")
    assert 'id="method-kd"' in page
    assert "not installed here" not in page

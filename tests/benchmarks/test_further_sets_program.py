"""The independent evaluation of kept students agrees with the records, and sees a score that was changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from matekd_bench.cli import main
from scripts import script


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, study_options: tuple[str, ...]) -> tuple[Path, Path]:
    """A study whose student was scored on a part of AdvGLUE, and the folder of that."""
    ood, results = tmp_path_factory.mktemp("ood"), tmp_path_factory.mktemp("study") / "results"
    (ood / "AdvGLUE").mkdir()
    words = ("man", "dog", "bird", "tree")
    rows = [
        {"idx": row, "sentence1": f"the {words[row % 4]} runs", "sentence2": f"a {words[row % 3]}", "label": row % 2}
        for row in range(40)
    ]  # fmt: skip
    (ood / "AdvGLUE" / "dev.json").write_text(json.dumps({"rte": rows}))
    command = (
        "run",
        "--methods",
        "kd",
        "--tasks",
        "rte",
        *study_options,
        "--results",
        str(results),
        "--jobs",
        "1",
    )
    assert main([*command, "--also", "advglue", "--also-dir", str(ood)]) == 0
    return results, ood


def evaluate(monkeypatch: pytest.MonkeyPatch, results: Path, ood: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["further_sets.py", str(results), str(ood)])
    return int(script("further_sets").main())


def test_the_scores_are_those_of_plain_transformers(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert evaluate(monkeypatch, *folders) == 0
    assert "1 scores; the largest difference is 0.00 answers" in capsys.readouterr().out


def test_another_score_is_found(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    results, ood = folders
    [file] = results.glob("runs/*/record.json")
    record = json.loads(file.read_text())
    record["also"][0]["score"] = abs(record["also"][0]["score"] - 0.2)
    file.write_text(json.dumps(record))
    assert evaluate(monkeypatch, results, ood) == 1

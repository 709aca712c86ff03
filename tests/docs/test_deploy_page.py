"""docs/deploy.md is followed from top to bottom: its commands, and its program in the folder that they write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matekd_bench.cli import main
from pages import ROOT, blocks, commands

PAGE = ROOT / "docs" / "deploy.md"
CONFIG = """
limit_train = 32
limit_eval = 32
teacher.budget = { limit = 2 }
training.evaluations = 2
"""


def test_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("matekd_bench.tools.deployment.serving_costs.ROUNDS", 1)
    Path("brief.toml").write_text(CONFIG)
    for command in commands(PAGE):
        brief = ("--budget", "student_updates=2", "--config", "brief.toml") if command[0] == "run" else ()
        assert main([*command, *brief]) == 0, command
    assert "teacher" in capsys.readouterr().out
    table = {line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    assert table <= {path.name for path in Path("student").iterdir()}
    [program] = blocks(PAGE, "python")
    scope: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path / "student")
    exec(compile(program, PAGE.name, "exec"), scope)
    assert scope["logits"].shape == (1, 2)

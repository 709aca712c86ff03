"""The independent recomputation agrees with the program's files, and finds numbers that were changed."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import edge_study
from matekd_bench.cli import main

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
TASKS, ROWS = ("mrpc", "stsb", "mnli"), ("kd", "kd@2x", "same", "eda", "freelb", "random-mask")
ENDINGS = {
    ("freelb", "mrpc", 1): "collapsed",
    ("eda", "mnli", 2): "diverged",
    ("random-mask", "mrpc", 0): "failed",
    ("same", "stsb", 1): "missing",
}


@pytest.fixture
def recompute(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("recompute")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small study with every kind of cell, and what the program exports of it."""
    results = tmp_path_factory.mktemp("results")
    edge_study.write(results, tasks=TASKS, rows=ROWS, seeds=4, n=40, endings=ENDINGS)
    edge_study.write(results, tasks=("mrpc",), rows=("kd", "eda"), seeds=3, n=40, endings={}, protocol="p2")
    return results, export(results, tmp_path_factory.mktemp("exports"))


def export(results: Path, exports: Path, reference: str = "kd") -> Path:
    """Write the files that the script compares, with its own commands but in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        files = importlib.import_module("recomputation.export_files")
        patch.setattr(files, "subprocess", SimpleNamespace(run=in_process, DEVNULL=None, PIPE=None))
        files.write(results, exports, reference)
    return exports


def in_process(command: list[str], *, env: Any = (), **_: Any) -> SimpleNamespace:
    """Run a command of the program here, as `subprocess.run` does in a process of its own."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        for name, value in dict(env).items():
            patch.setenv(name, value)
        assert main(command[1:]) == 0
    return SimpleNamespace(stdout=out.getvalue().encode())


def test_it_imports_nothing_of_the_project() -> None:
    imported = {
        name.partition(".")[0]
        for path in (BENCHMARKS / "recompute.py", *BENCHMARKS.glob("recomputation/*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
    }
    assert (
        {"numpy", "recomputation"}
        <= imported
        <= {"numpy", "scipy", "recomputation", *sys.stdlib_module_names}
    )


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_every_number_agrees(
    recompute: ModuleType, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    results, exports = folders
    code, lines = (
        recompute.main([str(results), "--exports", str(exports)]),
        capsys.readouterr().out.splitlines(),
    )
    assert (code, [line for line in lines if "DEVIATE" in line]) == (0, [])
    compared = {line[:42].strip(): int(line[42:50]) for line in lines[:-1]}
    assert compared["scores of runs"] > 200
    assert compared["verdicts on tasks"] == 3 * 6 + 2
    assert compared["p values on tasks (shown)"] > 12


def test_another_reference_is_that_of_the_exports_too(
    recompute: ModuleType, folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, exports = folders[0], export(folders[0], tmp_path, "eda")
    code = recompute.main([str(results), "--exports", str(exports), "--reference", "eda"])
    assert (code, [line for line in capsys.readouterr().out.splitlines() if "DEVIATE" in line]) == (0, [])
    rows = json.loads((exports / "leaderboard.json").read_text(encoding="utf-8"))
    compared = [row["method"] for row in rows if row["delta"] is not None and row["protocol_id"] == "p2"]
    assert compared == ["kd"]


def test_a_reference_without_a_row_is_refused(
    recompute: ModuleType, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        recompute.main([str(folders[0]), "--exports", str(folders[1]), "--reference", "edda"])
    message = capsys.readouterr().err
    assert [name for name in ("'edda'", *ROWS) if name not in message] == []


@pytest.mark.full
def test_every_number_of_all_glue_tasks_agrees(
    recompute: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight seeds, eleven rows, nine tasks; dev sets that are large enough for `xfit`."""
    results, exports = tmp_path / "results", tmp_path / "exports"
    exports.mkdir()
    edge_study.write(results)
    code = recompute.main([str(results), "--exports", str(export(results, exports))])
    assert (code, [line for line in capsys.readouterr().out.splitlines() if "DEVIATE" in line]) == (0, [])


def test_numbers_that_were_changed_are_named(
    recompute: ModuleType, folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, exports = folders
    shutil.copytree(exports, tmp_path, dirs_exist_ok=True)
    rows = json.loads((exports / "leaderboard.json").read_text(encoding="utf-8"))
    row = next(row for row in rows if row["method"] == "kd@2x")
    row |= {key: _slightly_other(row[key]) for key in CHANGED}
    (tmp_path / "leaderboard.json").write_text(json.dumps(rows), encoding="utf-8")
    assert recompute.main([str(results), "--exports", str(tmp_path)]) == 1
    named = [line.strip() for line in capsys.readouterr().out.splitlines() if "recomputed" in line]
    assert {f"kd@2x, {key}" for key in CHANGED} <= {line.partition(":")[0] for line in named}


CHANGED = (
    "delta", "delta_ci_lo", "p_holm", "verdict", "rank_hi", "prob_improve", "seed_correlation", "optimism_mean",
    "flops_x_reference", "train_pflops", "mrpc_mean", "mrpc_sd", "stsb_delta", "mnli_verdict", "mnli_n",
)  # fmt: skip


def _slightly_other(value: Any) -> Any:
    return value * (1 + 2e-9) if isinstance(value, float) else 99

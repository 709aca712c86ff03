"""A new plugin works as it is written: it loads, lists without torch, keeps the contract, trains, installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import matekd_bench
from matekd_bench import UsageError
from matekd_bench.cli import main
from matekd_bench.plugins.host import Host
from matekd_bench.scaffold import LEVELS, bounded_requirement, files, write

FAST = "shapes,weights,special-tokens,padding,deterministic,random-state,pieces,rows,student,cost,mini-glue"


@pytest.mark.parametrize("level", LEVELS)
def test_one_file_loads_and_keeps_the_contract(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "my-method", "--level", level, "--single-file"]) == 0
    assert "matekd-bench methods check matekd_my_method.py" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["matekd_my_method.py"]
    assert main(["methods", "check", "matekd_my_method.py", "--only", FAST]) == 0
    assert " 0 failed" in capsys.readouterr().out
    [found] = [one.record for one in Host.load([Path("matekd_my_method.py")]).methods.values() if one.by.path]
    assert (found.name, found.level) == ("my-method", level)


@pytest.mark.parametrize("level", LEVELS)
def test_the_module_imports_nothing_heavy(level: str, tmp_path: Path) -> None:
    [path] = write(files("quick", level, single_file=True), tmp_path)
    probe = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {path.stem}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("level", LEVELS)
def test_a_package_says_how_it_comes_in(level: str) -> None:
    found = files("my-method", level)
    folder = "matekd-my-method"
    assert list(found) == [
        f"{folder}/{name}"
        for name in (
            *("pyproject.toml", "README.md", "matekd_my_method.py", "test_matekd_my_method.py"),
            ".github/workflows/contract.yml",
        )
    ]
    project = tomllib.loads(found[f"{folder}/pyproject.toml"])["project"]
    assert project["entry-points"]["matekd_bench"] == {"my-method": "matekd_my_method"}
    assert project["name"] == folder
    assert project["dependencies"] == [bounded_requirement(matekd_bench.__version__)]
    assert "python -m pytest" in found[f"{folder}/.github/workflows/contract.yml"]
    assert "contract_tests(MyMethod)" in found[f"{folder}/test_matekd_my_method.py"]
    assert not [path for path, text in found.items() if "$" in text]


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("0.1.0", ">=0.1,<0.2"),
        ("0.12", ">=0.12,<0.13"),
        ("1.4.2", ">=1.4,<2"),
        ("0.2.0.dev3+g12", ">=0.2.0.dev3,<0.3"),  # what is installed has to satisfy it
        ("2", ">=2.0,<3"),
    ],
)
def test_the_dependency_ends_before_the_interface_may_change(version: str, requirement: str) -> None:
    assert bounded_requirement(version) == f"matekd-bench{requirement}"


@pytest.mark.parametrize("level", LEVELS)
def test_ruff_finds_nothing(level: str, tmp_path: Path) -> None:
    """With ruff's own defaults, as in a repository that has nothing but this package."""
    write(files("my-method", level), tmp_path)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "."]
    process = subprocess.run(
        command, cwd=tmp_path / "matekd-my-method", capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout


def test_a_package_passes_its_own_tests(tmp_path: Path) -> None:
    """Two checks show that its test file works; those of one file above make them all."""
    write(files("my-method", "token"), tmp_path)
    options = ("-q", "-W", "error", "-k", "shapes or deterministic", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path / "matekd-my-method", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_package_installs_and_is_listed(tmp_path: Path) -> None:
    write(files("my-method", "text"), tmp_path)
    target = tmp_path / "site"
    pip = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    done = subprocess.run(
        [sys.executable, *pip, str(target), str(tmp_path / "matekd-my-method")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(target)}
    command = [sys.executable, "-m", "matekd_bench", "methods", "show", "my-method", "--json"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    record = json.loads(shown.stdout)
    assert record["provided_by"]["distribution"] == "matekd-my-method"
    assert [parameter["name"] for parameter in record["parameters"]] == ["rate"]


@pytest.mark.parametrize(
    ("name", "level", "message"),
    [
        ("My Method", "text", "'My Method'.* my-method'"),
        ("2x", "text", "'2x'"),
        ("../up", "text", "'\\.\\./up'.* up'"),
        ("x", "tokens", "'tokens'.*'token'"),
    ],
)
def test_names_and_levels_are_checked(name: str, level: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        files(name, level)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    contents = files("mine", "text")
    kept = tmp_path / "matekd-mine" / "README.md"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(UsageError, match=r"README\.md"):
        write(contents, tmp_path)
    assert [path.name for path in kept.parent.iterdir()] == ["README.md"]
    assert kept.read_text() == "mine"


def test_a_name_that_is_taken_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "eda", "--single-file"]) == 0
    assert "'eda'" in capsys.readouterr().err

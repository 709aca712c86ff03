"""Wheel, sdist and this installation carry every method, task and preset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from matekd_bench.plugins.host import Host

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (ROOT / "matekd_bench", ROOT / "plugins" / "matekd_plugins", ROOT / "tasks" / "matekd_tasks")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def sources() -> set[Path]:
    """Every file of the three packages; caches aside."""
    return {
        path
        for package in PACKAGES
        for path in package.rglob("*")
        if path.is_file()
        and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(package).parts)
    }


def shipped() -> set[str]:
    """Those files as the wheel names them."""
    homes = {package.name: package.parent for package in PACKAGES}
    return {
        path.relative_to(home).as_posix()
        for path in sources()
        for name, home in homes.items()
        if path.is_relative_to(home / name)
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist made of this checkout and a wheel made of that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    [path] = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_list_of_files_is_not_empty() -> None:
    assert {
        "matekd_bench/py.typed",
        "matekd_bench/study/spec/presets/minilm.toml",
        "matekd_plugins/py.typed",
        "matekd_plugins/matekd/adversary.py",
        "matekd_plugins/eda/synonyms.txt",
        "matekd_plugins/eda/stopwords.txt",
        "matekd_tasks/py.typed",
        "matekd_tasks/suites.toml",
        "matekd_tasks/mnli.toml",
    } <= shipped()


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    about = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    assert names - about == shipped()
    assert any(name.endswith("/licenses/LICENSE") for name in about)


def test_the_sdist_holds_all_that_the_tests_need(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {path.relative_to(ROOT).as_posix() for path in sources()} <= names
    assert {"LICENSE", "README.md", "pyproject.toml", "tests/conftest.py", "docs/methods/eda.md"} <= names
    assert not [name for name in names if name.startswith(("results/runs", "results/data", ".git/"))]


def test_the_wheel_alone_lists_every_method_and_task(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    program = (
        "import json, matekd_bench, matekd_plugins, matekd_tasks\n"
        "from matekd_bench.plugins.host import Host\n"
        "host = Host.load(only_builtin=True)\n"
        "print(json.dumps({'methods': sorted(host.methods), 'tasks': sorted(host.tasks), 'suites': sorted(host.suites),"
        " 'warnings': host.warnings, 'broken': [one.reason for one in host.plugins if one.reason],"
        " 'from': [one.__file__ for one in (matekd_bench, matekd_plugins, matekd_tasks)]}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    found, here = json.loads(done.stdout), Host.load(only_builtin=True)
    assert all(Path(file).is_relative_to(tmp_path) for file in found["from"])
    assert (found["methods"], found["tasks"]) == (sorted(here.methods), sorted(here.tasks))
    assert found["suites"] == sorted(here.suites)
    assert (found["warnings"], found["broken"]) == ([], [])
    assert {"matekd", "nlpaug:swap", "eda", "kd", "finetune", "random-mask"} <= set(found["methods"])
    assert {"glue"} <= set(found["suites"])


def test_this_installation_has_the_entry_points_of_pyproject() -> None:
    """They are frozen when the package is installed: after a change 'pip install -e .' is needed again."""
    installed: dict[str, dict[str, str]] = {}
    for entry in distribution("matekd-bench").entry_points:
        installed.setdefault(entry.group, {})[entry.name] = entry.value
    assert installed == {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}


def test_the_metadata_says_what_a_user_must_know(wheel: zipfile.ZipFile) -> None:
    [name] = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    lines = set(wheel.read(name).decode().splitlines())
    said = {
        f"Version: {PROJECT['version']}",
        "License-Expression: Apache-2.0",
        "Requires-Python: <3.14,>=3.11",
    }
    assert said <= lines
    extras = {f"Provides-Extra: {name}" for name in PROJECT["optional-dependencies"]}
    assert {line for line in lines if line.startswith("Provides-Extra: ")} == extras

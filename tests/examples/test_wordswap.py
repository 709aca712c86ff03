"""The example package, installed from a copy with no network: listed, checked, run, exported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.plugins.host import Host

ROOT = Path(__file__).resolve().parents[2]
NAME = "matekd-bench-wordswap"
MODULE = "matekd_bench_wordswap"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed a copy of the example."""
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(
        ROOT / "examples" / NAME, folder / NAME, ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    pip = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    command = [sys.executable, *pip, str(folder / "site"), str(source)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return folder / "site"


@pytest.fixture
def installed(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder, with the example among the installed packages."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Host, "latest", Host.latest)  # restored when the test ends, for the tests after it
    yield tmp_path
    for module in [name for name in sys.modules if name.startswith(MODULE)]:
        del sys.modules[module]


def test_it_is_listed_with_all_that_it_provides(installed: Path) -> None:
    [info] = [info for info in Host.load().plugins if info.by.distribution == NAME]
    assert (info.name, info.by.version, info.status) == ("wordswap", "1.0.0", "ok")
    assert info.provides == (
        "exporter txt", "method wordswap", "preset kitchen", "thesaurus kitchen", "event run finished",
    )  # fmt: skip


def test_it_passes_the_contract(installed: Path) -> None:
    checks = (
        "shapes,weights,deterministic,random-state,rows,parameters,pairs,awkward-text,student,cost,record"
    )
    assert main(["methods", "check", "wordswap[thesaurus=kitchen]", "--only", checks]) == 0


def test_it_runs_and_exports(
    installed: Path, study_options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    methods = "wordswap[thesaurus=kitchen,rate=1.0],eda[thesaurus=kitchen]"
    assert main(["run", *study_options, "--methods", methods, "--tasks", "sst2"]) == 0
    printed = capsys.readouterr().err  # where all goes that a plugin prints
    [line] = [line for line in printed.splitlines() if line.startswith("wordswap changed")]
    assert line.endswith("% of the words of sst2")
    records = sorted((installed / "results" / "runs").glob("sst2-[ew]*/record.json"))
    resources = [json.loads(file.read_text())["perturber"]["resources"]["thesaurus"] for file in records]
    assert len(set(resources)) == 1
    assert resources[0].startswith("kitchen v1 (sha256 ")
    assert main(["export", "scores.txt"]) == 0
    assert "wordswap" in (installed / "scores.txt").read_text()


def test_its_preset_is_found(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--preset", "kitchen", "--methods", "wordswap", "--tasks", "sst2", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.count("wordswap  mini-sst2") == 3
    assert "Preset kitchen sets wordswap.thesaurus=kitchen" in out


def test_its_own_tests_pass(site: Path) -> None:
    tests = ROOT / "examples" / NAME / "tests"
    options = ["-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", str(tests), "-k", "not contract"]
    environment = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""}
    command = [sys.executable, "-m", "pytest", *options, str(tests)]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=site, env=environment)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "3 passed" in process.stdout

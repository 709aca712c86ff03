"""Surroundings that do not fit: files in the way, odd environments, narrow terminals, and Ctrl-C at every stage."""

from __future__ import annotations

import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.results.store.results_store import ResultsStore

Command = Callable[..., list[str]]


@pytest.fixture
def command(study_options: tuple[str, ...], tmp_path: Path) -> Command:
    """A small study's command, with records in `results` below the test's folder, and further options."""
    fixed = (
        "run",
        *study_options,
        "--results",
        str(tmp_path / "results"),
        "--methods",
        "kd",
        "--tasks",
        "rte",
    )
    return lambda *options: [*fixed, *options]


def test_a_cache_that_is_a_file(
    command: Command, tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    cache.write_text("")
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(cache))
    refused(*command(), named=(f"'{cache / 'teachers'}'", "MATEKD_BENCH_CACHE"))


def test_a_glue_folder_of_the_environment_that_is_not_there(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLUE_DIR", str(tmp_path / "nowhere"))
    study = ("run", "--preset", "minilm", "--methods", "kd", "--tasks", "rte", "--dry-run")
    refused(*study, named=f"'{tmp_path / 'nowhere'}'")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read(tmp_path: Path, refused: Callable[..., str]) -> None:
    config = tmp_path / "study.toml"
    config.write_text("")
    config.chmod(0)
    refused("run", "--config", config, "--methods", "kd", "--tasks", "rte", named="Permission denied")


def test_what_the_system_refuses_is_one_line(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr("matekd_bench.api.results.read_folders", refuse)
    refused("leaderboard", named=f"'{tmp_path}': No space left on device")
    with pytest.raises(OSError, match="No space left"):
        main(["leaderboard", "--debug"])


@pytest.mark.parametrize("columns", ["abc", "0", "-3", "", "40"])
@pytest.mark.parametrize("words", ["--help", "run --help", "methods", "tasks"])
def test_any_width_of_the_terminal_will_do(
    columns: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERMINAL_WIDTH", columns)
    assert main(words.split()) == 0
    printed = capsys.readouterr()
    assert len(printed.out.split()) > 30
    assert printed.err == ""


@pytest.mark.parametrize("words", ["methods", "tasks", "doctor"])
def test_no_home_is_needed(words: str, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "USERPROFILE")}
    done = subprocess.run(
        [sys.executable, "-m", "matekd_bench", words],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=kept,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def interrupted_at(place: str, calls: int = 1) -> Iterator[None]:
    """Ctrl-C is pressed twice when a function is called for the given time; earlier calls go through."""
    module, _, name = place.rpartition(".")
    owner = pkgutil.resolve_name(module)  # a module or a class
    original, count = getattr(owner, name), 0

    def press(*arguments: object, **options: object) -> object:
        nonlocal count
        count += 1
        if count == calls:
            signal.raise_signal(signal.SIGINT)  # may wait for the end of the update
            signal.raise_signal(signal.SIGINT)
        return original(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, press)
        yield


@pytest.mark.parametrize(
    "place",
    [
        "matekd_bench.study.plan.grid.find_checkpoint",  # models
        "matekd_bench.study.plan.grid.load_task",  # data
        "matekd_bench.study.pipeline.check_methods",  # preflight
        "matekd_bench.distill.artifacts.teacher.FineTunedTeacher.build",
        "matekd_bench.distill.artifacts.teacher.CleanLogits.build",
        "matekd_bench.distill.artifacts.generator.WarmedUpGenerator.build",
        "matekd_bench.study.execute.runner.train",
        "matekd_bench.results.store.results_store.ResultsStore.write",
        "matekd_bench.api.results.read_folders",  # the table
    ],
)
def test_an_interrupt_at_any_stage_of_a_run(
    place: str,
    command: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    with interrupted_at(place):
        assert main(command("--methods", "matekd")) == 130
    [line] = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("interrupted; ")
    assert not list((tmp_path / "results").rglob(".*tmp*"))  # no half-written run
    assert not [folder for folder in (tmp_path / "cache").glob("*/.*") if folder.is_dir()]


def test_finished_runs_are_kept_and_the_same_command_continues(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with interrupted_at("matekd_bench.study.execute.runner.train", calls=2):
        assert main(command("--methods", "finetune")) == 130
    store = ResultsStore(tmp_path / "results")
    assert [record.identity.method for record in store.records()] == ["kd"]
    assert main(command("--methods", "finetune")) == 0
    assert [record.identity.method for record in store.records()] == ["finetune", "kd"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("matekd_bench.tools.prepare.find_checkpoint", "prepare --preset minilm --tasks rte"),
        ("matekd_bench.tools.doctor.versions.versions", "doctor"),
        ("matekd_bench.cli.commands.methods_commands.load_host", "methods"),
    ],
)
def test_an_interrupt_of_other_commands(place: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with interrupted_at(place):
        assert main(words.split()) == 130
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", [["--results", "~/none"], ["--results=~/none"]])
def test_a_tilde_that_the_shell_left_alone_is_the_home_folder(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["leaderboard", *words]) == 2
    assert f"{tmp_path}/none" in capsys.readouterr().err


def test_a_tilde_in_the_environment_and_in_a_config_file_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "study.toml").write_text('glue_dir = "~/glue"\n')
    study = ["run", "--preset", "minilm", "--methods", "kd", "--tasks", "rte", "--dry-run"]
    assert main([*study, "--config", str(tmp_path / "study.toml")]) == 2
    assert f"'{tmp_path}/glue'" in capsys.readouterr().err
    monkeypatch.setenv("GLUE_DIR", "~/elsewhere")
    assert main(study) == 2
    assert f"'{tmp_path}/elsewhere'" in capsys.readouterr().err

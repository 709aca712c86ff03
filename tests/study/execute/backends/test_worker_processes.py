"""Several runs at a time in worker processes: shared teachers, workers that die, and signals."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from forked import start
from matekd_bench.cli import main
from matekd_bench.results.store.results_store import ResultsStore

Options = tuple[str, ...]

PLUGIN = """
import os, signal, time
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Plain(Perturbation[NoParams]):
    def views(self, batch, models):
        if batch.update == 3 and str(self.context.seed) == os.environ.get("KILL"):
            print("a last word", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if batch.update == 2 and str(self.context.seed) == os.environ.get("STOP_DRIVER"):
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(3)  # the driver passes it on meanwhile
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="plain", summary="as kd", factory=Plain, level="text", version="1")
"""


@pytest.fixture
def plain(tmp_path: Path, study_options: Options) -> Options:
    """A study of four runs of one method that may kill its process, two at a time."""
    file = tmp_path / "plain.py"
    file.write_text(PLUGIN)
    options = [option for option in study_options if option != "--quiet"]
    study = (
        "--methods",
        "plain",
        "--reference",
        "none",
        "--tasks",
        "rte",
        "--plugin",
        str(file),
        "--seeds",
        "4",
    )
    return ("run", *options, *study, "--jobs", "2", "--results", str(tmp_path / "results"))


def failures(folder: Path) -> list[bool]:
    return [record.status == "failed" for record in ResultsStore(folder).records()]


def test_two_at_a_time_share_each_teacher_and_leave_nothing_but_records(
    study_options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [option for option in study_options if option != "--quiet"]
    study = ["run", *options, "--methods", "eda", "--tasks", "rte,sst2", "--jobs", "2"]
    study += ["--results", str(tmp_path / "results")]
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    assert main(study) == 0
    printed = capsys.readouterr().err.splitlines()
    starts = [line.split("]")[0] for line in printed if line.startswith("[")]
    assert starts == [f"[{number}/4" for number in range(1, 5)]
    quarters = sorted(
        line.split(":")[0] for line in printed if line.startswith("fine-tun") and ": 25 %" in line
    )
    assert quarters == ["fine-tuning teacher for rte", "fine-tuning teacher for sst2"]  # each once
    assert any(line.startswith("eda on rte, seed 0: evaluation 1/2: ") for line in printed)
    assert not (tmp_path / "results" / "runs" / ".partial").exists()
    assert main(study) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 trained, 4 already recorded, 0 failed")


def test_a_worker_that_dies_costs_its_own_run(
    plain: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KILL", "1")
    assert main(list(plain)) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith("3 trained, 0 already recorded, 1 failed.")
    [warning] = [
        line for line in printed.err.splitlines() if line.startswith("warning: plain on rte, seed 1")
    ]
    assert re.search("SIGKILL.*a last word$", warning)  # of its log
    [failed] = [run for run in ResultsStore(tmp_path / "results").records() if run.status == "failed"]
    assert (failed.identity.seed, "SIGKILL" in str(failed.reason)) == (1, True)
    monkeypatch.delenv("KILL")
    assert main(list(plain)) == 0
    assert "resuming after update 2" in capsys.readouterr().err
    assert failures(tmp_path / "results") == 4 * [False]


def test_a_cache_that_cannot_be_written_ends_the_study_in_one_line(
    study_options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(file / "cache"))
    study = ("run", *study_options, "--methods", "eda", "--tasks", "rte,sst2", "--jobs", "2", "--results")
    assert main([*study, str(tmp_path / "results")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(file / "cache") in line
    assert ResultsStore(tmp_path / "results").run_ids() == set()


def test_a_signal_has_every_worker_save_its_run(plain: Options, tmp_path: Path) -> None:
    driver = start(plain, STOP_DRIVER="0")
    _, err = driver.communicate()
    assert driver.returncode == 128 + signal.SIGTERM, err
    assert "plain on rte, seed 0 saved at update 3" in err
    assert main(list(plain)) == 0
    assert failures(tmp_path / "results") == 4 * [False]

"""Several runs at a time in worker processes: shared teachers, workers that die, and signals."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from forked import start
from matekd_bench.cli import main
from matekd_bench.distill.training import checkpoint_saver
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute.device_slots import DeviceSlot

Options = tuple[str, ...]

PLUGIN = """
import os, signal, time
from matekd_bench import Method, NoParams, Perturbation, hookimpl
from matekd_bench.distill.training import checkpoint_saver

checkpoint_saver.SAVE_SECONDS = 0.0

class Plain(Perturbation[NoParams]):
    def views(self, batch, models):
        if batch.update == 3 and str(self.context.seed) == os.environ.get("KILL"):
            print("a last word", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if batch.update == 2 and str(self.context.seed) == os.environ.get("STOP_DRIVER"):
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(3)  # the driver passes it on meanwhile
        if batch.update == 0 and "SEEN" in os.environ:
            with open(os.environ["SEEN"], "a") as file:
                print(os.environ.get("CUDA_VISIBLE_DEVICES"), file=file)
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="plain", summary="as kd", factory=Plain, level="text", version="1")
"""


@pytest.fixture
def plain(tmp_path: Path, study_options: Options, monkeypatch: pytest.MonkeyPatch) -> Options:
    """A study of four runs of one method that may kill its process, two at a time.

    A checkpoint is due after every update.
    """
    monkeypatch.setattr(
        checkpoint_saver, "SAVE_SECONDS", 0.0
    )  # restored here after the plugin has set it too
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
    assert main([*plain, "--jobs", "1"]) == 0  # resumes in this process
    assert re.search("resuming after update [23]", capsys.readouterr().err)
    assert failures(tmp_path / "results") == 4 * [False]


@pytest.mark.full
def test_runs_are_placed_on_the_gpus_of_the_machine(
    plain: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers train on the CPU, and see which GPU they would have."""
    slots = [
        DeviceSlot(f"cuda:{number}", {"CUDA_VISIBLE_DEVICES": f"GPU-{number}"}, 80 * 2**30)
        for number in (0, 1)
    ]
    monkeypatch.setattr("matekd_bench.study.execute.placement.list_slots", lambda device: slots)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    assert main([*plain, "--jobs", "4"]) == 0
    seen = (tmp_path / "seen").read_text().split()
    assert len(seen) == 4
    assert set(seen) == {"GPU-0", "GPU-1"}


@pytest.mark.full
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
    under_way = {path.parent for path in (tmp_path / "results" / "runs" / ".partial").glob("*/0*")}
    assert under_way  # the other worker may not have come to a checkpoint
    assert not any(failures(tmp_path / "results"))

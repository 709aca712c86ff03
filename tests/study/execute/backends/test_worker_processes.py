"""Several runs at a time: the same records as one after another, and what a worker that dies costs."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from forked import start
from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record, to_json
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


def lasting(record: Record) -> dict[str, Any]:
    """A record without times and without how often it was resumed; its predictions stay, by their digest."""
    plain: dict[str, Any] = json.loads(to_json(record))
    del plain["provenance"]
    for name in ("train_seconds", "eval_seconds", "precompute_seconds", "peak_memory_bytes", "resumed"):
        plain["compute"].pop(name, None)
    plain["teacher"].pop("fine_tune_seconds")
    return plain


def records(folder: Path) -> list[dict[str, Any]]:
    return [lasting(record) for record in ResultsStore(folder).records() if record.status != "failed"]


def test_two_at_a_time_make_the_records_of_one_after_another(
    study_options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [option for option in study_options if option != "--quiet"]
    study = ["run", *options, "--methods", "eda", "--tasks", "rte,sst2", "--seeds", "3", "--results"]
    for jobs in ("1", "2"):  # each trains its own teachers
        monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / f"cache{jobs}"))
        assert main([*study, str(tmp_path / jobs), "--jobs", jobs]) == 0
    one, two = records(tmp_path / "1"), records(tmp_path / "2")
    assert len(one) == 12
    assert one == two
    said = capsys.readouterr().err.rpartition("12 runs (")[2].splitlines()
    assert [line.split("]")[0] for line in said if line.startswith("[")] == [f"[{n}/12" for n in range(1, 13)]
    trained = sorted(
        line[: line.index("%") + 1]
        for line in said
        if line.startswith("fine-tuning teacher for") and ": 25 %" in line
    )
    assert trained == [
        "fine-tuning teacher for rte: 25 %",
        "fine-tuning teacher for sst2: 25 %",
    ]  # each once
    assert any(line.startswith("eda on rte, seed 0: evaluation 1/2: ") for line in said)
    assert not (tmp_path / "2" / "runs" / ".partial").exists()
    capsys.readouterr()
    assert main([*study, str(tmp_path / "2"), "--jobs", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 trained, 12 already recorded, 0 failed")


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
    assert "SIGKILL" in warning
    assert warning.endswith("a last word")  # of its log
    [failed] = [run for run in ResultsStore(tmp_path / "results").records() if run.status == "failed"]
    assert failed.identity.seed == 1
    assert failed.reason is not None
    assert "SIGKILL" in failed.reason
    monkeypatch.delenv("KILL")
    assert main(list(plain)) == 0
    assert "resuming after update 2" in capsys.readouterr().err
    assert len(records(tmp_path / "results")) == 4


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
    assert len(records(tmp_path / "results")) == 4

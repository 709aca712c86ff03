"""Tuning, trackers, kept students and process-wide settings where workers, or several processes, train."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents

PLUGIN = """
import json, os, socket
from matekd_bench import Method, NoParams, Perturbation, Tracker, hookimpl

class Plain(Perturbation[NoParams]):
    def views(self, batch, models):
        import torch
        told = [torch.are_deterministic_algorithms_enabled()]
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=0.1)
        except OSError as error:
            told.append(str(error))
        with open(os.environ["SEEN"], "a") as file:
            print(json.dumps([*told, os.getpid()]), file=file)
        yield batch.clean

class Diary:
    def write(self, **line):
        with open(os.environ["DIARY"], "a") as file:
            print(json.dumps(line), file=file)

    @hookimpl
    def matekd_bench_run_started(self, run):
        self.write(event="started", run=run.run_id, position=run.position)

    @hookimpl
    def matekd_bench_evaluated(self, run, evaluation):
        self.write(event="evaluation", run=run.run_id, number=evaluation.number, spent=evaluation.spent)

    @hookimpl
    def matekd_bench_run_finished(self, run, end):
        self.write(event="finished", run=run.run_id, status=end.record["status"])

@hookimpl
def matekd_bench_methods():
    yield Method(name="plain", summary="as kd", factory=Plain, level="text", version="1")

@hookimpl
def matekd_bench_trackers():
    yield Tracker(name="diary", summary="Keeps what it is told.", start=lambda results: Diary())
"""


@pytest.fixture
def study(
    study_options: tuple[str, ...], tunable_glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Two runs of one method with two trials before them, told to a tracker."""
    file = tmp_path / "plain.py"
    file.write_text(PLUGIN)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("DIARY", str(tmp_path / "diary"))
    study = ["--methods", "plain", "--reference", "none", "--tasks", "sst2", "--seeds", "2", "--tune", "2"]
    study += ["--glue-dir", str(tunable_glue)]
    return ["run", *study_options, *study, "--plugin", str(file), "--track", "diary", "--threads", "1"]


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def runs(folder: Path) -> dict[int, Record]:
    return {run.identity.seed: run for run in ResultsStore(folder).records()}


def choice(run: Record) -> tuple[int, list[float | None]]:
    """Return the number of the chosen trial and the scores of all."""
    return run.tuning.chosen, [trial.score for trial in run.tuning.trials]


def test_workers_tune_tell_keep_and_obey(study: list[str], tmp_path: Path) -> None:
    alone, workers = tmp_path / "alone", tmp_path / "workers"
    options = ["--deterministic", "--offline", "--results"]
    assert main([*study, *options, str(alone)]) == 0
    (tmp_path / "seen").unlink()
    (tmp_path / "diary").unlink()
    assert main([*study, *options, str(workers), "--jobs", "2"]) == 0
    one, two = runs(alone), runs(workers)
    assert set(two) == {0, 1}
    for seed, run in two.items():
        assert choice(run) == choice(one[seed])
        assert (run.predictions, run.compute.deterministic) == (one[seed].predictions, True)
        assert ResultsStore(workers).read_study(run.run_id) == ResultsStore(alone).read_study(run.run_id)
        assert KeptStudents(workers).has(run.run_id)
        told = [line for line in lines(tmp_path / "diary") if line["run"] == run.run_id]
        assert [line["event"] for line in told] == ["started", "evaluation", "evaluation", "finished"]
    assert {line["position"] for line in lines(tmp_path / "diary") if "position" in line} == {1, 2}
    seen = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert len({process for *_, process in seen}) <= 2  # the workers of the trials train the runs
    [(deterministic, refused)] = {(deterministic, refused) for deterministic, refused, _ in seen}
    assert deterministic is True
    assert "--offline" in refused


@pytest.mark.full
def test_several_processes_tune_and_keep(study: list[str], tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert main([*study, "--results", str(results), "--processes", "2"]) == 0
    trained = runs(results)
    assert set(trained) == {0, 1}
    for run in trained.values():
        assert run.compute.processes == 2
        assert None not in choice(run)[1]
        assert KeptStudents(results).has(run.run_id)

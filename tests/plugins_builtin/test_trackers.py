"""Trackers with their real libraries: what a study leaves can be read back with the library's own reader."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from matekd_bench import Evaluated, RunFinished, RunStarted, StudyFinished, StudyStarted
from matekd_bench.cli import main
from matekd_bench.plugins.event_dispatch import PluginSink, chosen_trackers
from matekd_bench.plugins.host import Host

RUN = RunStarted(run_id="rte-eda-0-ab12", method="eda[alpha=0.2]", task="rte", seed=0)
CUT = RunStarted(run_id="rte-eda-1-cd34", method="eda[alpha=0.2]", task="rte", seed=1)
RECORD = {
    "task_score": {"last": 0.6, "best_dev": 0.7},
    "compute": {"student_updates": 20, "auxiliary_updates": 0, "train_flops": 3.5e12},
}
END = RunFinished(run_id=RUN.run_id, status="ok", score=0.6, seconds=1.5, record=RECORD)
FINAL = {
    "final/score": 0.6, "final/best_dev": 0.7, "cost/seconds": 1.5, "cost/student_updates": 20.0,
    "cost/auxiliary_updates": 0.0, "cost/train_flops": 3.5e12,
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server, project or switch of the user's takes part."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")


def study(name: str, results: Path) -> None:
    """Two runs at a time, their evaluations in turn; one ends, and one is stopped after its first evaluation."""
    host = Host.load(only_builtin=True)
    [tracker] = chosen_trackers(host, name)
    started = StudyStarted(
        results=results, preset="mini", methods=("eda[alpha=0.2]",), tasks=("rte",), seeds=(0, 1), reference="kd"
    )  # fmt: skip
    with PluginSink(host, pytest.fail) as sink:
        sink.start(tracker, results)
        for event in (
            started, RUN, CUT, evaluated(RUN, 1, 0.55), evaluated(CUT, 1, 0.95), evaluated(RUN, 2, 0.6), END,
            StudyFinished(status="stopped"),
        ):  # fmt: skip
            sink.emit(event)


def evaluated(run: RunStarted, number: int, score: float) -> Evaluated:
    """Evaluation `number` of two, with the loss 1 / number."""
    return Evaluated(
        run_id=run.run_id, number=number, total=2, score=score, spent=10 * number, limit=20, loss=1 / number
    )  # fmt: skip


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar of a folder of event files, by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_files_hold_evaluations_and_final_scores(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    study("tensorboard", tmp_path)
    found = scalars(tmp_path / "tensorboard" / RUN.run_id)
    assert [step for step, _ in found["dev/score"]] == [10, 20]
    assert [score for _, score in found["dev/score"]] == pytest.approx([0.55, 0.6])
    assert found["train/loss"] == [(10, 1.0), (20, 0.5)]
    assert {name: found[name][-1][1] for name in FINAL} == pytest.approx(FINAL)
    cut = scalars(tmp_path / "tensorboard" / CUT.run_id)
    assert set(cut) == {"dev/score", "train/loss"}
    assert [score for _, score in cut["dev/score"]] == pytest.approx([0.95])


@pytest.fixture
def mlflow_client(tmp_path: Path) -> Any:
    """MLflow's client on the files beside the results."""
    pytest.importorskip("mlflow", reason="the extra 'mlflow' is not installed")
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())


def test_mlflows_files_hold_parameters_evaluations_and_ends(tmp_path: Path, mlflow_client: Any) -> None:
    study("mlflow", tmp_path)
    study("mlflow", tmp_path)  # the experiment is there already
    experiment = mlflow_client.get_experiment_by_name("matekd-bench")
    runs = mlflow_client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == 2 * [RUN.run_id] + 2 * [CUT.run_id]
    done = next(run for run in runs if run.info.run_name == RUN.run_id)
    cut = next(run for run in runs if run.info.run_name == CUT.run_id)
    assert (done.info.status, cut.info.status) == ("FINISHED", "KILLED")
    assert done.data.tags["status"] == "ok"
    assert done.data.params == {
        "run_id": RUN.run_id, "method": "eda[alpha=0.2]", "task": "rte", "seed": "0", "preset": "mini",
        "reference": "kd",
    }  # fmt: skip
    assert {name: done.data.metrics[name] for name in FINAL} == FINAL
    for run, scores in ((done, [(10, 0.55), (20, 0.6)]), (cut, [(10, 0.95)])):
        history = mlflow_client.get_metric_history(run.info.run_id, "dev/score")
        assert [(one.step, one.value) for one in history] == scores


def test_wandb_works_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the extra 'wandb' is not installed")
    study("wandb", tmp_path)
    folders = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    for run in (RUN, CUT):
        [log] = (tmp_path / "wandb").glob(f"offline-run-*-{run.run_id}/run-{run.run_id}.wandb")
        assert b"dev/score" in log.read_bytes()


def test_a_study_from_the_command_line_reports_to_tensorboard(
    tmp_path: Path, study_options: tuple[str, ...]
) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    what = ("--methods", "kd", "--tasks", "sst2", "--track", "tensorboard", "--results", str(tmp_path))
    assert main(["run", *study_options, *what]) == 0
    [record] = (tmp_path / "runs").glob("*/record.json")
    found = scalars(tmp_path / "tensorboard" / record.parent.name)
    assert [step for step, _ in found["dev/score"]] == [2, 4]
    last = json.loads(record.read_text())["task_score"]["last"]
    assert found["final/score"][-1][1] == pytest.approx(last)


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_package_is_said_before_anything_is_read(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("matekd_bench.plugins.event_dispatch._importable", lambda module: False)
    assert main(["run", "--methods", "nonsense", "--tasks", "nonsense", "--track", name]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: tracker '{name}'")
    assert line.endswith(f"pip install 'matekd-bench[{name}]'")


def test_listing_trackers_loads_none_of_their_libraries() -> None:
    assert set(Host.load(only_builtin=True).trackers) == {"tensorboard", "mlflow", "wandb"}
    if "mlflow" not in sys.modules:
        assert "matekd_plugins.trackers.mlflow" not in sys.modules

"""Trackers with their real libraries: what a study leaves can be read back with the library's own reader."""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matekd_bench import Evaluated, RunFinished, RunStarted, StudyFinished, StudyStarted
from matekd_bench.cli import main
from matekd_bench.plugins.event_dispatch import PluginSink, chosen_trackers
from matekd_bench.plugins.host import Host

RUN = RunStarted(run_id="rte-eda-0-ab12", method="eda[alpha=0.2]", task="rte", seed=0)
CUT = RunStarted(run_id="rte-eda-1-cd34", method="eda[alpha=0.2]", task="rte", seed=1)
BAD = RunStarted(run_id="rte-eda-2-ef56", method="eda[alpha=0.2]", task="rte", seed=2)
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


# The points of each run, as its record's curve has them: budget spent, score.
CURVES = {RUN.run_id: [(10, 0.55), (20, 0.6)], CUT.run_id: [(10, 0.95)], BAD.run_id: [(10, 0.25)]}


def study(name: str, results: Path) -> None:
    """Three runs at a time, their evaluations in turn: one ends, one fails, and one is stopped."""
    host = Host.load(only_builtin=True)
    [tracker] = chosen_trackers(host, name)
    started = StudyStarted(
        results=results, preset="mini", methods=("eda[alpha=0.2]",), tasks=("rte",), seeds=(0, 1, 2), reference="kd"
    )  # fmt: skip
    failed = RunFinished(
        run_id=BAD.run_id, status="failed", score=None, seconds=1.0, record={"task_score": None}
    )
    with PluginSink(host, pytest.fail) as sink:
        sink.start(tracker, results)
        for event in (
            started, RUN, CUT, BAD, *(evaluated(run, 1) for run in (RUN, CUT, BAD)), failed, evaluated(RUN, 2), END,
            StudyFinished(status="stopped"),
        ):  # fmt: skip
            sink.emit(event)


def evaluated(run: RunStarted, number: int) -> Evaluated:
    """Evaluation `number` of two, with the loss 1 / number."""
    spent, score = CURVES[run.run_id][number - 1]
    return Evaluated(
        run_id=run.run_id, number=number, total=2, score=score, spent=spent, limit=20, loss=1 / number
    )  # fmt: skip


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar of a folder of event files, by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_files_hold_evaluations_and_final_scores(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    for _ in range(2):  # the second time all runs start over
        study("tensorboard", tmp_path)
        found = {run_id: scalars(tmp_path / "tensorboard" / run_id) for run_id in CURVES}
        for run_id, curve in CURVES.items():
            assert found[run_id]["dev/score"] == [(step, pytest.approx(score)) for step, score in curve]
        assert found[RUN.run_id]["train/loss"] == [(10, 1.0), (20, 0.5)]
        assert {name: found[RUN.run_id][name][-1][1] for name in FINAL} == pytest.approx(FINAL)
        assert set(found[CUT.run_id]) == {"dev/score", "train/loss"}
        assert set(found[BAD.run_id]) == {"dev/score", "train/loss", "cost/seconds"}


def test_tensorboard_ends_the_thread_of_every_writer(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    before = threading.active_count()
    for _ in range(3):
        study("tensorboard", tmp_path)
    assert threading.active_count() <= before


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
    assert sorted(run.info.run_name for run in runs) == sorted(2 * list(CURVES))
    by_id = {run.info.run_name: run for run in runs}
    statuses = {run_id: run.info.status for run_id, run in by_id.items()}
    assert statuses == {RUN.run_id: "FINISHED", CUT.run_id: "KILLED", BAD.run_id: "FAILED"}
    done = by_id[RUN.run_id]
    assert done.data.tags["status"] == "ok"
    assert done.data.params == {
        "run_id": RUN.run_id, "method": "eda[alpha=0.2]", "task": "rte", "seed": "0", "preset": "mini",
        "reference": "kd",
    }  # fmt: skip
    assert {name: done.data.metrics[name] for name in FINAL} == FINAL
    for run in runs:
        history = mlflow_client.get_metric_history(run.info.run_id, "dev/score")
        assert [(one.step, one.value) for one in history] == CURVES[run.info.run_name]


def wandb_records(file: Path) -> Iterator[Any]:
    """The records of the file that an offline run of W&B writes: a LevelDB log of protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, message = file.read_bytes(), 7, b""  # after the header of the file
    while at < len(content):
        if (left := 32768 - at % 32768) < 7:  # no record begins at the end of a block
            at += left
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)  # after the checksum
        message += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield Record.FromString(message)
            message = b""


def test_wandb_works_offline(tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb", reason="the extra 'wandb' is not installed")
    study("wandb", tmp_path)
    wandb.teardown()  # the service process has written all files when it ends
    files = {
        path.stem.removeprefix("run-"): path for path in (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    }
    assert set(files) == set(CURVES)
    codes = {}
    for run_id, file in files.items():
        points = []
        for record in wandb_records(file):
            logged = {
                "/".join(item.nested_key) or item.key: json.loads(item.value_json)
                for item in record.history.item
            }
            if "dev/score" in logged:
                points.append((record.history.step.num, logged["dev/score"]))
            assert not record.HasField("output_raw")  # what is printed belongs to no run
            if record.HasField("exit"):
                codes[run_id] = record.exit.exit_code
        assert points == CURVES[run_id]
    assert codes == {RUN.run_id: 0, CUT.run_id: 1, BAD.run_id: 1}


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

"""Two processes that train each run together, against one that takes the same rows per pass."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore

CONFIG = """\
preset = "minilm"

[teacher]
optimizer = { lr = 1e-3, batch_size = 16, micro_batch = 8 }
budget = { limit = 6 }

[generator]
budget = { limit = 2 }

[training]
evaluations = 2
eval_batch_size = 7
optimizer = { lr = 1e-3, batch_size = 8, micro_batch = 4 }
"""


@pytest.fixture
def study(study_options: tuple[str, ...], tmp_path: Path) -> list[str]:
    """Ten updates of three methods on RTE, of which every epoch's last batch is short."""
    file = tmp_path / "study.toml"
    file.write_text(CONFIG)
    methods = ["--methods", "freelb,matekd", "--tasks", "rte", "--limit-train", "61"]
    more = ["--config", str(file), "--budget", "student_updates=10", *methods]
    return ["run", *study_options, *more]


def by_method(folder: Path) -> dict[str, Record]:
    return {run.identity.method: run for run in ResultsStore(folder).records()}


def test_two_processes_do_what_one_does(study: list[str], tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    assert main([*study, "--results", str(one)]) == 0
    assert main([*study, "--results", str(two), "--processes", "2"]) == 0
    alone, together = by_method(one), by_method(two)
    assert set(alone) == set(together) == {"kd", "freelb", "matekd"}
    for method, run in together.items():
        other = alone[method]
        assert (run.compute.processes, other.compute.processes) == (2, 1)
        assert run.run_id != other.run_id
        assert run.identity.protocol_id == other.identity.protocol_id
        stores = [(ResultsStore(one), other), (ResultsStore(two), run)]
        losses = [[entry["loss"] for entry in store.read_history(record.run_id)] for store, record in stores]
        assert len(losses[0]) == 10
        np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-5, err_msg=method)
        predictions = [store.read_predictions(record) for store, record in stores]
        assert predictions[0].uids == predictions[1].uids  # the dev set, each row once
        for mine, theirs in zip(predictions[1].evaluations, predictions[0].evaluations, strict=True):
            np.testing.assert_allclose(mine["dev"], theirs["dev"], atol=1e-4, err_msg=method)
        for count in (
            "student_updates",
            "auxiliary_updates",
            "clean_examples",
            "perturbed_examples",
            "real_tokens",
        ):
            assert getattr(run.compute, count) == getattr(other.compute, count), (method, count)
        assert run.compute.forwards == other.compute.forwards
        assert run.compute.train_flops == other.compute.train_flops
        assert run.diagnostics.keys() == other.diagnostics.keys()
        for name, value in run.diagnostics.items():
            assert value == pytest.approx(other.diagnostics[name], abs=1e-3), (method, name)


PLUGIN = """
import os
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Unlucky(Perturbation[NoParams]):
    def views(self, batch, models):
        if os.environ["RANK"] == "1" and self.context.seed == 0 and batch.update == 2:
            raise ValueError("no luck")
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="unlucky", summary="as kd", factory=Unlucky, level="text", version="1")
"""


def test_what_one_process_raises_is_the_failure_of_its_run_alone(
    study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "unlucky.py"
    file.write_text(PLUGIN)
    what = [
        "--plugin",
        str(file),
        "--methods",
        "unlucky",
        "--reference",
        "none",
        "--tasks",
        "rte",
        "--seeds",
        "2",
    ]
    what += ["--processes", "2", "--results", str(tmp_path / "r"), "--debug"]
    assert main(["run", *study_options, *what]) == 1
    assert f'{file}", line 8, in views' in capsys.readouterr().err  # the traceback of the other process
    failed, trained = sorted(ResultsStore(tmp_path / "r").records(), key=lambda run: run.identity.seed)
    assert (failed.status, failed.reason) == ("failed", "ValueError: no luck (unlucky.py, line 8)")
    assert trained.status in ("ok", "collapsed")
    assert trained.compute.student_updates == 4


MORTAL = """
import os, signal
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Mortal(Perturbation[NoParams]):
    def views(self, batch, models):
        if os.environ["RANK"] == os.environ.get("KILL") and batch.update == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="mortal", summary="as kd", factory=Mortal, level="text", version="1")
"""


@pytest.fixture
def mortal(study_options: tuple[str, ...], tmp_path: Path) -> list[str]:
    """A run of two processes whose method kills one of them in the third update, if KILL is its rank."""
    file = tmp_path / "mortal.py"
    file.write_text(MORTAL)
    what = ["--plugin", str(file), "--methods", "mortal", "--reference", "none", "--tasks", "rte"]
    return ["run", *study_options, *what, "--processes", "2", "--results", str(tmp_path / "r")]


def test_a_process_that_dies_ends_the_study_and_is_named(
    mortal: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KILL", "1")
    assert main(mortal) == 1
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"process 2 of 2 \(pid \d+\) died \(signal SIGKILL\)", last_line)
    assert ResultsStore(tmp_path / "r").run_ids() == set()  # no failed run: it resumes


@pytest.mark.full
def test_followers_end_when_the_leader_dies(mortal: list[str]) -> None:
    # The pipe of stderr, which the follower has too, is at its end only once both have ended.
    ended = subprocess.run(
        [sys.executable, "-m", "matekd_bench", *mortal], env={**os.environ, "KILL": "0"}, stderr=subprocess.PIPE,
        timeout=120,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--processes", "2", "--jobs", "2"], ["--jobs"]),
        (["--processes", "2", "--budget", "train_flops=1e9"], ["student_updates"]),
        (["--executor", "ray", "--jobs", "2"], ["--jobs", "--executor ray"]),
        (["--executor", "rya"], ["--executor", "'rya'", "'ray'"]),
    ],
)
def test_what_does_not_go_together_is_one_line(
    study: list[str], more: list[str], named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*study, *more]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert [part for part in named if part not in line] == []


def test_a_dry_run_knows_the_runs_of_several_processes(
    study: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = []
    for count in ("1", "2"):
        assert main([*study, "--dry-run", "--json", "--processes", count, "--results", str(tmp_path)]) == 0
        ids.append({run["run_id"] for run in json.loads(capsys.readouterr().out)["runs"]})
    assert ids[0].isdisjoint(ids[1])

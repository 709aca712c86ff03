"""A recorded run is trained again: to the same bits, or what was different is named."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from matekd_bench.cli import main
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import Record, SeedPlan
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.spec.study_spec import StudySpec

REFERENCE = Path(__file__).resolve().parents[3] / "results" / "reference"
Options = tuple[str, ...]
OUTSIDERS = """
from pathlib import Path
from matekd_bench import Method, NoParams, Perturbation, hookimpl

Path(__file__).with_suffix(".ran").touch()

class Plain(Perturbation[NoParams]):
    def views(self, batch, models):
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="plain", summary="as kd", factory=Plain, level="text", version="1")
"""


@pytest.fixture(scope="module")
def recorded(study_options: Options, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a run of kd, and one of eda with deterministic kernels."""
    folder = tmp_path_factory.mktemp("recorded")
    fixed = ("run", *study_options, "--tasks", "rte", "--results", str(folder), "--reference", "none")
    assert main([*fixed, "--methods", "kd", "--seeds", "1", "--first-seed", "3"]) == 0
    assert main([*fixed, "--methods", "eda[alpha=0.3]", "--deterministic"]) == 0
    return folder


def again(folder: Path, *options: str) -> int:
    return main(["reproduce", *options, "--results", str(folder), "--quiet"])


def run_of(folder: Path, method: str) -> Record:
    [found] = [one for one in ResultsStore(folder).records() if one.identity.method == method]
    return found


def copied(source: Path, target: Path, *, shift: float = 0.0) -> Record:
    """The run of kd in another folder, as another torch, or another chance, would have made it."""
    store, record = ResultsStore(source), run_of(source, "kd")
    found = store.read_predictions(record)
    evaluations = tuple({name: logits + shift * number for name, logits in evaluation.items()}
                  for number, evaluation in enumerate(found.evaluations))  # fmt: skip
    provenance = record.provenance.model_copy(update={"seed_plan": SeedPlan(first=1, count=5)})
    other = record.model_copy(update={"env": {**record.env, "torch": "9.9"}, "provenance": provenance})
    study = store.read_study(record.run_id)
    return ResultsStore(target).write(other, Predictions(evaluations, found.uids), study=study)


@pytest.mark.parametrize("run", ["rte-kd-3", "rte-eda-0"])
def test_the_same_numbers_to_the_last_bit(
    run: str, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(recorded.rglob("*"))
    assert again(recorded, run) == 0
    assert (
        capsys.readouterr()
        .out.splitlines()[1]
        .startswith("The same to the last bit: logits of 2 evaluations, ")
    )
    assert sorted(recorded.rglob("*")) == before


def test_in_another_process_under_another_hash_seed_with_teacher_and_all_made_anew(
    recorded: Path, tmp_path: Path
) -> None:
    run_id = run_of(recorded, "eda").run_id
    command = ["reproduce", str(recorded / "runs" / run_id), "--fresh", "--into", str(tmp_path), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "matekd_bench", *command],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": "123"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert run_of(tmp_path, "eda").scores == run_of(recorded, "eda").scores
    assert run_of(tmp_path, "eda").provenance.command == f"matekd-bench reproduce {run_id}"


def test_a_folder_that_has_the_run_already(recorded: Path, refused: Callable[..., str]) -> None:
    options = ("--into", recorded, "--results", recorded)
    refused("reproduce", "rte-kd", *options, named=(str(recorded), "--into DIR"))


def test_other_numbers_are_told_with_what_was_different(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(recorded, tmp_path, shift=0.5)
    assert again(tmp_path, run.run_id) == 1
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"Not the same: .* evaluation 2 .*\(dev\).* 0\.5\.", lines[1])
    assert lines[2:] == ["Conditions that differ:", f'  torch: "9.9" then, "{torch.__version__}" now']


def test_the_repetition_has_the_seeds_that_were_planned_then(recorded: Path, tmp_path: Path) -> None:
    run = copied(recorded, tmp_path / "recorded")
    assert again(tmp_path / "recorded", run.run_id, "--into", str(tmp_path / "again")) == 0
    assert run_of(tmp_path / "again", "kd").provenance.seed_plan == SeedPlan(first=1, count=5)


def test_the_same_numbers_under_other_versions(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(recorded, tmp_path)
    assert again(tmp_path, "rte-kd", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["evaluations"], found["numbers"]) == (True, [], [])
    assert [one["what"] for one in found["conditions"]] == ["torch"]


def test_settings_of_the_reference_studies_are_those_of_this_version() -> None:
    for store in (ResultsStore(runs.parent) for runs in REFERENCE.glob("*/runs")):
        for run_id in store.run_ids():
            spec = StudySpec.model_validate(store.read_study(run_id))
            assert spec.preset == store.read(run_id).identity.preset


def test_a_tuned_run_is_trained_again_with_the_settings_that_were_chosen(
    study_options: Options, tunable_glue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    study = ("--methods", "finetune", "--reference", "none", "--tasks", "sst2", "--tune", "3")
    enough_to_learn = ("--glue-dir", str(tunable_glue), "--budget", "student_updates=60")
    assert main(["run", *study_options, *study, *enough_to_learn, "--results", str(first)]) == 0
    assert again(first, "sst2-finetune-0", "--into", str(second)) == 0
    run, repeated = run_of(first, "finetune"), run_of(second, "finetune")
    assert run.hparams["lr"] == run.tuning.chosen_trial.lr != run.tuning.trials[0].lr
    for part in ("run_id", "hparams", "tuning", "scores", "curve"):
        assert getattr(repeated, part) == getattr(run, part)
    whole, again_made = (ResultsStore(folder).read_predictions(run) for folder in (first, second))
    assert whole.to_bytes() == again_made.to_bytes()
    capsys.readouterr()
    assert (
        main(["leaderboard", "--results", str(first), "--results", str(second), "--reference", "none"]) == 0
    )
    assert "finetune" in capsys.readouterr().out


def test_other_data_stop_it_before_training(
    recorded: Path, small_glue: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "RTE").mkdir()
    for split in ("train", "dev"):
        text = (small_glue / "RTE" / f"{split}.tsv").read_text()
        (tmp_path / "RTE" / f"{split}.tsv").write_text(text.replace("house", "car"))
    options = ("--glue-dir", tmp_path, "--results", recorded, "--quiet")
    refused("reproduce", "rte-kd", *options, named="data.dev: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema": "matekd.study/9"}', "'matekd.study/2'"),
        ('{"schema": "matekd.study/2"}', "study.json"),
    ],
)
def test_damaged_settings_are_one_line(
    text: str, said: str, recorded: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    run = copied(recorded, tmp_path)
    (tmp_path / "runs" / run.run_id / "study.json").write_text(text)
    refused("reproduce", run.run_id, "--results", tmp_path, named=said)


def test_a_plugin_that_a_record_names_is_run_only_where_it_is_given(
    study_options: Options, tmp_path: Path, refused: Callable[..., str]
) -> None:
    plugin, results = tmp_path / "plain.py", tmp_path / "results"
    plugin.write_text(OUTSIDERS)
    study = ("--methods", "plain", "--reference", "none", "--tasks", "rte", "--plugin", str(plugin))
    assert main(["run", *study_options, *study, "--results", str(results)]) == 0
    (tmp_path / "plain.ran").unlink()
    refused("reproduce", "rte-plain", "--results", results, named="'plain'")
    assert not (tmp_path / "plain.ran").exists()
    assert again(results, "rte-plain", "--plugin", str(plugin)) == 0


def test_deterministic_kernels_are_recorded_and_another_run(recorded: Path) -> None:
    usual, deterministic = (run_of(recorded, name) for name in ("kd", "eda"))
    assert (usual.compute.deterministic, deterministic.compute.deterministic) == (False, True)
    text = (recorded / "runs" / usual.run_id / "record.json").read_text()
    assert "deterministic" not in text
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_repetition_that_fails_is_the_same_as_nothing(
    study_options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run was recorded as failed, for another reason."""
    plugin, reason = tmp_path / "failing.py", tmp_path / "reason"
    raising = f"raise RuntimeError(Path({str(reason)!r}).read_text())\n        yield batch.clean"
    plugin.write_text(OUTSIDERS.replace("yield batch.clean", raising))
    chosen = ("--tasks", "rte", "--methods", "plain", "--reference", "none", "--plugin", str(plugin))
    reason.write_text("the first")
    assert main(["run", *study_options, *chosen, "--results", str(tmp_path / "r")]) == 1
    reason.write_text("the second")
    capsys.readouterr()
    assert again(tmp_path / "r", run_of(tmp_path / "r", "plain").run_id, "--plugin", str(plugin)) == 1
    out = capsys.readouterr().out
    assert ("the first" in out, "the second" in out, "to the last bit" in out) == (True, True, False)

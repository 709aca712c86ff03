"""A small tuned study with its students kept: trials, choice, identities, resume; then predictions with a student."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from event_recorder import EventRecorder
from matekd_bench.cli import main
from matekd_bench.events import Sink, StudyStarted
from matekd_bench.methods.search_space import Choice
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study import pipeline
from matekd_bench.study.plan.grid import make_grid
from matekd_bench.study.plan.tuning import make_tuner
from matekd_bench.study.spec.request import make_request
from synthetic import make

TUNE = ("--methods", "random-mask", "--tasks", "sst2", "--tune", "3")


@pytest.fixture(scope="module")
def options(study_options: tuple[str, ...], tunable_glue: Path) -> list[str]:
    return [*study_options, "--glue-dir", str(tunable_glue), *TUNE]


@pytest.fixture(scope="module")
def results(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    assert main(["run", *options, "--results", str(folder)]) == 0
    return folder


def runs(folder: Path) -> dict[str, Record]:
    return {run.identity.variant: run for run in ResultsStore(folder).records()}


@pytest.fixture(scope="module")
def run(results: Path) -> Record:
    return runs(results)["random-mask"]


def test_every_method_gets_the_same_trials_and_the_best_on_the_holdout_is_taken(results: Path) -> None:
    found = runs(results)
    assert set(found) == {"kd", "random-mask"}
    for run in found.values():
        assert [trial.trial for trial in run.tuning.trials] == [1, 2, 3]
        assert [trial.lr for trial in run.tuning.trials] == [1e-3, 5e-4, 2e-3]
        scores = [trial.score or 0.0 for trial in run.tuning.trials]
        assert run.tuning.chosen == 1 + scores.index(max(scores))
        assert run.hparams["lr"] == run.tuning.chosen_trial.lr
        assert run.identity.params == {**run.identity.params, **run.tuning.chosen_trial.params}
    assert [trial.params for trial in found["kd"].tuning.trials] == [{}, {}, {}]  # type: ignore[union-attr]
    assert found["random-mask"].tuning.trials[1].params == {"mask_rate": 0.367}  # type: ignore[union-attr]


def test_the_first_of_equal_trials_is_chosen_and_a_failed_one_never(
    tiny_checkpoint: Path, tunable_glue: Path, tiny_config: Path, tmp_path: Path
) -> None:
    settings = {
        "methods": "random-mask@2x", "reference": "none", "tasks": "sst2", "tune": 4, "seeds": 2, "threads": 1,
        "config": tiny_config, "glue_dir": tunable_glue, "teacher": str(tiny_checkpoint), "student": "layers:2",
    }  # fmt: skip
    host = Host.load(only_builtin=True)
    grid = make_grid(make_request(settings, host).spec, torch.device("cpu"), host)
    tuner = make_tuner(grid, grid.cells, tmp_path, Sink())
    [trials] = tuner.trials.values()
    for (_, cell), score in zip(trials, (None, 0.7, 0.8, 0.8), strict=True):
        tuner.store.write(make(score=score, run_id=cell.run_id))
    chosen = trials[2][1].job
    for before, after in zip(grid.cells, tuner.complete(grid.cells, grid), strict=True):
        assert (after.tuning.chosen, after.tuning.holdout_n) == (3, 100)
        assert (after.job.params, after.job.training) == (chosen.params, chosen.training)
        assert (after.job.params, after.job.training) != (before.job.params, before.job.training)
        for kept in ("variant", "seed", "budget"):
            assert getattr(after.job, kept) == getattr(before.job, kept)
        assert after.run_id == before.run_id


def test_equal_trials_are_one_run(
    tiny_checkpoint: Path, tunable_glue: Path, tiny_config: Path, tmp_path: Path
) -> None:
    settings = {
        "methods": "random-mask", "reference": "none", "tasks": "sst2", "tune": 6, "threads": 1,
        "config": tiny_config, "glue_dir": tunable_glue, "teacher": str(tiny_checkpoint), "student": "layers:2",
    }  # fmt: skip
    host = Host.load(only_builtin=True)
    grid = make_grid(make_request(settings, host).spec, torch.device("cpu"), host)
    grid = replace(grid, spaces={"random-mask": {"mask_rate": Choice((0.1, 0.2))}})
    tuner = make_tuner(grid, grid.cells, tmp_path, Sink())
    [trials] = tuner.trials.values()
    assert len(trials) == 6
    assert [cell.run_id for cell in tuner.grid.cells] == list(
        dict.fromkeys(cell.run_id for _, cell in trials)
    )
    assert len(tuner.todo) == 3


def test_the_time_left_after_the_trials_is_without_them(
    tiny_checkpoint: Path, tunable_glue: Path, tiny_config: Path, tmp_path: Path
) -> None:
    settings = {
        "methods": "kd", "reference": "none", "tasks": "sst2", "tune": 2, "threads": 1, "device": "cpu", "jobs": 1,
        "config": tiny_config, "glue_dir": tunable_glue, "teacher": str(tiny_checkpoint), "student": "layers:2",
        "budget": "student_updates=4", "results": tmp_path,
    }  # fmt: skip
    host, recorder = Host.load(only_builtin=True), EventRecorder()
    summary = pipeline.run(make_request(settings, host), host, recorder)
    [started] = recorder.all(StudyStarted)
    assert summary.plan is not None
    assert 0 < (started.seconds or 0) < (summary.plan.study.seconds or 0)


def test_trials_see_no_dev_and_no_seed_of_the_study(results: Path, run: Record) -> None:
    trials = ResultsStore(results / "tuning").records()
    assert len(trials) == 6
    assert {trial.data.eval_on for trial in trials} == {"holdout"}
    assert all("dev" not in trial.data.splits for trial in trials)
    assert {trial.identity.seed for trial in trials} == {1_000_000}
    assert {trial.provenance.seed_plan for trial in trials} == {None}  # no seed of theirs is added late
    assert run.tuning.holdout_n == trials[0].data.splits["holdout"].n == 100
    assert not (results / "tuning" / "students").exists()


def test_nothing_is_trained_twice_and_what_is_lost_comes_back_the_same(
    results: Path, options: list[str], tmp_path: Path, run: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    assert main(["run", *options, "--results", str(copy)]) == 0
    assert "0 trained, 2 already recorded" in capsys.readouterr().out
    shutil.rmtree(copy / "runs" / run.run_id)
    shutil.rmtree(copy / "tuning" / "runs" / run.tuning.trials[2].run_id)
    assert main(["run", *options, "--results", str(copy), "--dry-run"]) == 0
    assert "3 trials before the runs, 1 to do" in capsys.readouterr().out
    assert main(["run", *options, "--results", str(copy)]) == 0
    again = runs(copy)["random-mask"]
    assert (again.scores, again.tuning.chosen) == (run.scores, run.tuning.chosen)
    assert [trial.score for trial in again.tuning.trials] == [trial.score for trial in run.tuning.trials]


def test_tuned_rows_are_of_another_protocol_and_say_so(
    results: Path, options: list[str], run: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = [*options[: options.index("--tune")], "--keep", "none"]
    assert main(["run", *plain, "--methods", "random-mask", "--results", str(tmp_path)]) == 0
    untuned = runs(tmp_path)["random-mask"]
    assert untuned.tuning is None
    assert untuned.run_id != run.run_id
    assert untuned.identity.protocol_id != run.identity.protocol_id
    assert not (tmp_path / "students").exists()
    assert "defaults" in capsys.readouterr().out
    assert main(["leaderboard", "--results", str(results), "--results", str(tmp_path), "--diagnostics"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "tuned, 3 trials" in shown
    assert "different: tuning" in shown
    assert main(["export", str(tmp_path / "b.csv"), "--results", str(results)]) == 0
    assert "tuned, 3 trials" in (tmp_path / "b.csv").read_text()


def test_contradictions_and_too_few_rows_are_found_before_training(
    study_options: tuple[str, ...], options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = (*study_options, *TUNE)
    for arguments, code, said in (
        ((*options, "--eval-on", "holdout", "--dry-run"), 2, "holdout"),
        ((*options, "--limit-train", "50", "--dry-run"), 0, ""),
        (few, 2, "64 training rows"),
    ):
        assert main(["run", *arguments, "--results", str(tmp_path)]) == code
        assert said in capsys.readouterr().err


def predicted(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    capsys.readouterr()
    assert main(["predict", *arguments]) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_the_kept_student_gives_the_answers_it_was_scored_with(
    results: Path, run: Record, tunable_glue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--results", str(results), "--glue-dir", str(tunable_glue))
    header, *rows = predicted(capsys, run.run_id, *where, "--split", "dev")
    stored = ResultsStore(results).read_predictions(run)
    logits = torch.from_numpy(stored.evaluations[-1]["dev"])
    assert header == ["index", "prediction", "p_negative", "p_positive"]
    assert [row[1] for row in rows] == [("negative", "positive")[at] for at in logits.argmax(-1).tolist()]
    shares = np.array([[float(cell) for cell in row[2:]] for row in rows])
    assert np.allclose(shares, logits.softmax(-1).numpy(), atol=1e-5)
    assert main(["predict", run.run_id, *where, "--split", "dev"]) == 0
    assert f"accuracy {run.scores[0].value:.4f}" in capsys.readouterr().err
    assert [row[0] for row in predicted(capsys, run.run_id[:20], *where)] == ["index", "0", "1"]


def test_a_report_of_classes_takes_the_place_of_the_answers(
    results: Path, run: Record, tunable_glue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--results", str(results), "--glue-dir", str(tunable_glue))
    out = tmp_path / "answers.csv"
    assert main(["predict", run.run_id, *where, "--split", "dev", "--report", "-o", str(out)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["label", "precision", "recall", "F1", "support"]
    right = sum(int(lines[6 + place][1 + place]) for place in (0, 1))
    answered = len(out.read_text().splitlines()) - 1
    assert right / answered == pytest.approx(run.scores[0].value)
    assert main(["predict", run.run_id, *where, "--report"]) == 2
    assert "--report" in capsys.readouterr().err.splitlines()[-1]


def test_transformers_loads_the_kept_student(results: Path, run: Record) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = results / "students" / run.run_id
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    with torch.no_grad():
        logits = model(**tokenizer(["a good film"], truncation=True, return_tensors="pt")).logits
    assert logits.shape == (1, 2)
    assert json.loads((folder / "student.json").read_text())["run_id"] == run.run_id


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.tsv", 'id\tsentence\n1\ta "good" film\n2\tbad\n'),
        ("x.csv", 'sentence,id\n"a ""good"" film",1\nbad,2\n'),
        ("x.jsonl", '{"sentence": "a \\"good\\" film"}\n\n{"sentence": "bad"}\n'),
    ],
)
def test_a_users_texts_are_answered(
    results: Path, run: Record, name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    out = tmp_path / "out.jsonl"
    options = ("--results", str(results), "--file", str(tmp_path / name), "-o", str(out))
    assert main(["predict", run.run_id, *options]) == 0
    assert "wrote 2 predictions" in capsys.readouterr().out
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["index"] for row in rows] == [0, 1]
    assert [row.get("id") for row in rows] == ([None, None] if name == "x.jsonl" else ["1", "2"])
    assert rows[0]["p_negative"] + rows[0]["p_positive"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--task", "ax"), "not ax"),
        (("--task", "sst"), "'sst'"),
        ((), "--glue-dir DIR"),
        (("--split", "dev", "--file", "x.csv"), "--split"),
        (("--report", "--file", "x.csv"), "--report"),
        (("-o", "x.txt"), ".jsonl"),
    ],
)
def test_what_cannot_be_predicted_is_one_line(
    results: Path, run: Record, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", run.run_id, "--results", str(results), *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_without_its_student_a_run_says_what_to_type_and_is_not_trained_again(
    results: Path, run: Record, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    shutil.rmtree(copy / "students")
    assert main(["predict", run.run_id, "--results", str(copy)]) == 2
    said = capsys.readouterr().err
    assert "--methods random-mask --tasks sst2 --first-seed 0 --seeds 1 --keep last --results DIR" in said
    loud = [option for option in options if option != "--quiet"]
    assert main(["run", *loud, "--results", str(copy), "--keep", "last"]) == 0
    noted = capsys.readouterr()
    assert "2 recorded runs" in noted.err
    assert "0 trained" in noted.out


def test_a_student_that_is_not_the_recorded_one_is_refused(
    results: Path, run: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    other = runs(results)["kd"].run_id
    weights = copy / "students" / other / "model.safetensors"
    shutil.copy(weights, copy / "students" / run.run_id / "model.safetensors")
    (tmp_path / "x.csv").write_text("sentence\na\n")
    assert main(["predict", run.run_id, "--results", str(copy), "--file", str(tmp_path / "x.csv")]) == 2
    assert run.run_id in capsys.readouterr().err


def test_partial_data_is_no_submission(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zip_file = tmp_path / "glue.zip"
    assert main(["submit", str(zip_file), "--method", "random-mask", "--results", str(results)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "partial" in line
    assert not zip_file.exists()
    assert main(["submit", str(zip_file), "--method", "random-mas", "--results", str(results)]) == 2
    assert "did you mean 'random-mask, 0'" in capsys.readouterr().err
    assert main(["submit", "glue.tar", "--method", "kd", "--results", str(results)]) == 2

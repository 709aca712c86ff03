"""From what a run measured to its record: diverged and failed runs, costs, what is shared by runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest
import torch

from matekd_bench.errors import UsageError
from matekd_bench.events import Sink, StudyFinished
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Record, SeedPlan, Standardization
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study import run
from matekd_bench.study.execute.recording import environment
from matekd_bench.study.spec.request import make_request

HOST = Host.load(only_builtin=True)
Study = Callable[..., tuple[StudyFinished, dict[str, Record]]]


@pytest.fixture
def study(study_settings: dict[str, Any], tmp_path: Path) -> Study:
    """Runs a small study, further options applied; gives its end and the records by method and task."""
    standard = {**study_settings, "methods": "kd", "tasks": "sst2", "results": tmp_path / "results"}

    def start(**options: Any) -> tuple[StudyFinished, dict[str, Record]]:
        request = make_request({**standard, **options}, HOST, command="matekd-bench run")
        end = run(request, HOST, Sink()).end
        records = ResultsStore(request.execution.results).records()
        return end, {f"{record.identity.method} {record.identity.task}": record for record in records}

    return start


def test_a_budget_that_a_method_spends_before_the_first_update_is_a_failure(study: Study) -> None:
    end, found = study(methods="tinybert-aug", reference="none", budget="train_flops=1000")
    record = found["tinybert-aug sst2"]
    assert (end.failed, record.status, record.scores) == (1, "failed", ())
    assert "1000 train_flops" in (record.reason or "")


def test_a_record_says_what_was_done(study: Study) -> None:
    end, found = study(methods="matekd", precision="float32")
    assert (end.trained, end.skipped, end.failed) == (2, 0, 0)
    record, reference = found["matekd sst2"], found["kd sst2"]
    identity, compute, teacher = record.identity, record.compute, record.teacher
    assert (identity.variant, identity.role) == (
        "matekd[generator_lr=0.0005,generator_updates=20,student_updates=20]",
        "method",
    )
    assert (identity.params["generator_lr"], reference.identity.role) == (5e-4, "baseline")
    assert (record.budget.kind, record.budget.limit, record.budget.spent) == ("student_updates", 4, 4)
    assert (compute.clean_examples, compute.perturbed_examples, compute.auxiliary_updates) == (32, 32, 20)
    assert (compute.device, compute.precision, compute.threads) == ("cpu", "float32", 1)
    assert compute.precompute_flops > reference.compute.precompute_flops == 0
    assert record.perturber.trainable == record.perturber.parameters > 0
    assert 0 <= (record.diagnostics["generator_accuracy"] or 0) <= 1
    assert (record.student.layers, record.student.id.partition("[")[2]) == ((0, 1), "layers:0,1]")
    assert teacher.given is False
    assert min(teacher.fine_tune_flops, teacher.fine_tune_seconds) > 0
    assert {(item.split, item.metric, item.n) for item in teacher.scores} == {("dev", "accuracy", 40)}
    assert (record.data.majority_score, record.data.notices) == (0.5, ())
    assert record.provenance.command == "matekd-bench run"
    assert record.provenance.seed_plan == SeedPlan(first=0, count=1)


def test_a_regression_has_its_own_scores(study: Study, small_glue: Path) -> None:
    _, found = study(tasks="stsb")
    record = found["kd stsb"]
    rows = (small_glue / "STS-B" / "train.tsv").read_text().splitlines()[1:]
    scores = [float(row.split("\t")[-1]) for row in rows]
    assert record.data.standardization == Standardization(mean=fmean(scores), sd=pstdev(scores))
    assert {item.metric for item in record.scores} == {"pearson", "spearman"}
    assert record.data.labels == ()
    last = [item.value for item in record.scores if item.selection == "last"]
    assert record.task_score.last == pytest.approx(sum(last) / 2)


def test_a_diverged_run_has_the_majority_score(study: Study, tiny_config: Path, tmp_path: Path) -> None:
    wild = tmp_path / "wild.toml"
    wild.write_text(tiny_config.read_text().replace("lr = 1e-3, batch_size = 8", "lr = 1e30, batch_size = 8"))
    end, found = study(config=wild)
    record = found["kd sst2"]
    assert (end.failed, record.status) == (0, "diverged")
    assert record.reason
    assert record.task_score.last == record.task_score.best_dev == record.data.majority_score == 0.5
    assert {item.metric for item in record.scores} == {"majority"}
    assert record.selection.best_eval is None
    again, _ = study(config=wild)
    assert (again.trained, again.skipped) == (0, 1)  # it would diverge again


def test_a_failed_run_has_a_reason_and_is_tried_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise UsageError("no words\nto be found.", hint="Look elsewhere.")

    with monkeypatch.context() as patch:
        patch.setattr("matekd_plugins.finetune.FineTune.views", fail, raising=True)
        end, found = study(methods="finetune")
    record = found["finetune sst2"]
    assert (end.trained, end.failed, record.status) == (1, 1, "failed")
    assert record.reason == "no words to be found. Look elsewhere."
    assert (record.scores, record.task_score, record.teacher, record.predictions) == ((), None, None, None)
    assert record.compute.train_seconds > 0
    end, found = study(methods="finetune")
    assert (end.trained, end.skipped, end.failed) == (1, 1, 0)
    assert found["finetune sst2"].run_id == record.run_id
    assert found["finetune sst2"].status != "failed"


def test_an_error_while_a_student_is_kept_costs_the_student_not_the_record(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("no JSON")

    monkeypatch.setattr("matekd_bench.study.execute.runner.save_student", fail)
    end, found = study()
    assert (end.trained, end.failed) == (1, 0)
    assert found["kd sst2"].task_score is not None
    assert not list((tmp_path / "results" / "students").glob("*"))


def test_labels_are_kept_so_that_scores_can_be_recomputed(study: Study, tmp_path: Path) -> None:
    _, found = study()
    store, record = ResultsStore(tmp_path / "results"), found["kd sst2"]
    labels = store.read_data(record.data.splits["dev"].digest)
    predictions = store.read_predictions(record)
    assert predictions.uids["dev"] == labels.uids
    for evaluation, curve in zip(predictions.evaluations, record.curve, strict=True):
        right = (evaluation["dev"].argmax(axis=1) == labels.labels).mean()
        assert curve.score == pytest.approx(float(right))
    history = store.read_history(record.run_id)
    assert [entry["update"] for entry in history] == [1, 2, 3, 4]


def test_the_environment_names_versions() -> None:
    from importlib.metadata import version

    found = environment(torch.device("cpu"))
    assert found["torch"] == version("torch")
    assert found["scikit_learn"] == version("scikit-learn")
    assert {"python", "processor", "transformers", "matekd_bench"} <= set(found)

"""Builds the record of a run from its outcome."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.device import processor
from matekd_bench.distill.evaluation_sets import SetAnswers
from matekd_bench.distill.models.score_units import score_units
from matekd_bench.distill.settings import Training
from matekd_bench.distill.training.outcome import Evaluation, Outcome
from matekd_bench.distill.training.resume import installed_version
from matekd_bench.methods.overrides import overrides_of
from matekd_bench.results.records import run_record as records
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.seeds import seed_of
from matekd_bench.study.execute.set_recording import majority_items, score_items, set_scores, split_infos
from matekd_bench.study.plan.code_changes import code_records
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.identity import cost_beforehand, resources_of
from matekd_bench.tasks.metrics import majority_score_of, task_score

LIBRARIES = (
    "matekd-bench",
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "numpy",
    "scipy",
    "scikit-learn",
)


def finished_record(
    cell: Cell,
    grid: Grid,
    assets: TaskAssets,
    outcome: Outcome,
    command: str,
    also: Sequence[SetAnswers] = (),
) -> records.Record:
    """Return the record of a run that ended; a diverged run gets the score of the majority class.

    `also` are the student's answers to further sets.
    """
    evaluations = outcome.evaluations
    diverged = outcome.status == "diverged" or not evaluations
    best = max(evaluations, key=lambda evaluation: evaluation.score) if evaluations else None
    majority = majority_score_of(cell.data)
    last = majority if diverged else evaluations[-1].score
    best_score = last if best is None or diverged else best.score
    generator = assets.generator if "generator" in cell.job.method.needs else None
    return records.Record(
        **common_fields(cell, grid, command),
        status="diverged" if diverged else outcome.status,
        reason=outcome.reason,
        teacher=_teacher_record(assets),
        student=records.StudentRecord(
            id=cell.recipe.student.name, sha256=outcome.student_sha256, layers=cell.recipe.student.layers,
            parameters=outcome.student_parameters, revision=cell.recipe.student.checkpoint.revision,
        ),
        perturber=_perturber_record(cell, outcome),
        budget=records.BudgetRecord(kind=cell.job.budget[0], limit=cell.job.budget[1], spent=outcome.spent_budget),
        compute=_compute_record(
            cell, grid, outcome,
            generator.warm_up_flops if generator else 0, generator.warm_up_seconds if generator else 0.0,
        ),
        selection=records.SelectionRule(
            rule="last", evals=len(evaluations), best_eval=None if best is None or diverged else best.number
        ),
        scores=_scores(cell, [] if diverged else evaluations, best),
        task_score=records.TaskScore(last=last, best_dev=best_score, optimism=best_score - last, xfit=None),
        curve=tuple(
            records.EvaluationRecord(
                eval=evaluation.number, update=evaluation.update, score=evaluation.score,
                train_loss=evaluation.train_loss,
            )
            for evaluation in evaluations
        ),
        diagnostics={**outcome.diagnostics, **(generator.diagnostics if generator else {})},
        also=tuple(set_scores(answers, cell.data.task) for answers in also),
    )  # fmt: skip


def failed_record(cell: Cell, grid: Grid, reason: str, seconds: float, command: str) -> records.Record:
    """Return the record of a run that failed: it holds the reason and the seconds spent, but no scores."""
    return records.Record(
        **common_fields(cell, grid, command),
        status="failed",
        reason=" ".join(reason.split()) or "no reason given",
        teacher=None,
        student=None,
        perturber=_perturber_record(cell, Outcome()),
        budget=records.BudgetRecord(kind=cell.job.budget[0], limit=cell.job.budget[1], spent=0),
        compute=_compute_record(cell, grid, Outcome(train_seconds=seconds), 0, 0.0),
        selection=records.SelectionRule(rule="last", evals=0, best_eval=None),
        scores=(),
        task_score=None,
        curve=(),
        diagnostics={},
    )


def predictions_of(cell: Cell, outcome: Outcome, also: Sequence[SetAnswers] = ()) -> Predictions | None:
    """Return the logits of every evaluation and the ids of the examples; None without an evaluation.

    `also` are the student's answers to further sets.
    """
    if not outcome.evaluations:
        return None
    return Predictions(
        evaluations=tuple(
            {split: logits.numpy() for split, logits in evaluation.logits.items()}
            for evaluation in outcome.evaluations
        ),
        uids={examples.split: examples.uids for examples in cell.data.dev},
        also={
            answers.data.digests[split]: logits.numpy()
            for answers in also
            for split, logits in answers.logits.items()
        },
    )


def _perturber_record(cell: Cell, outcome: Outcome) -> records.Perturber | None:
    resources = resources_of(cell.job, cell.recipe)
    cost = cost_beforehand(cell.job)
    if not (resources or cost or outcome.perturber_parameters):
        return None
    return records.Perturber(
        parameters=outcome.perturber_parameters, trainable=outcome.perturber_trainable, resources=resources,
        cost_beforehand=cost,
    )  # fmt: skip


def common_fields(cell: Cell, grid: Grid, command: str) -> dict[str, Any]:
    """Return the fields of a record that are known before the run."""
    job, task = cell.job, cell.data.task
    overrides = overrides_of(job.method, job.params)
    return {
        "run_id": cell.run_id,
        "predictions": None,
        "tuning": cell.tuning,
        "identity": records.Identity(
            method=job.method.name, variant=job.variant, method_version=job.method.version,
            params=job.params.model_dump(mode="json"), role=job.method.role,
            ranked=not overrides, task=task.name, seed=job.seed, preset=grid.spec.preset,
            protocol_id=cell.protocol_id,
        ),
        "code": code_records(cell.code),
        "seeds": {
            purpose: seed_of(job.seed, task.name, purpose) for purpose in ("init", "data-order", "dropout")
        },
        "data": _data_record(cell, grid),
        "hparams": _hyperparameters(job.training, overrides),
        "env": environment(grid.device),
        "provenance": records.Provenance(
            command=command, git_commit=git_commit(), created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            seed_plan=grid.seed_plan,
        ),
    }  # fmt: skip


def _hyperparameters(training: Training, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training settings of the run, and list those in which the method overrides the study."""
    table = training.model_dump(
        mode="json", include={"optimizer", "objective", "evaluations", "auxiliary_updates"}
    )
    return {**table.pop("optimizer"), **table, **({"overrides": overrides} if overrides else {})}


def _data_record(cell: Cell, grid: Grid) -> records.Data:
    data, units = cell.data, score_units(cell.data)
    splits = [*([data.train] if data.train else []), *data.dev]
    return records.Data(
        source=data.source, revision=data.revision, state=data.state, state_text=data.state_text,
        splits=split_infos(data, splits),
        max_length=cell.recipe.max_length, labels=data.task.labels, notices=data.notices,
        eval_on=grid.spec.eval_on, majority_score=majority_score_of(data),
        standardization=None if units is None else records.Standardization(mean=units.mean, sd=units.sd),
    )  # fmt: skip


def _teacher_record(assets: TaskAssets) -> records.TeacherRecord:
    teacher, splits, answers = assets.teacher, assets.teacher_scores, assets.recipe.answers
    return records.TeacherRecord(
        id=assets.recipe.teacher.id, revision=assets.recipe.teacher.revision, sha256=teacher.source.sha256,
        scores=tuple(score_items(splits, "last")), task_score=task_score(splits) if splits else None,
        label_map_checked=teacher.label_map_checked, given=teacher.given,
        fine_tune_flops=teacher.train_flops, fine_tune_seconds=teacher.train_seconds,
        answers=answers is not None, cost_beforehand={} if answers is None else dict(answers.cost),
    )  # fmt: skip


def _scores(
    cell: Cell, evaluations: Sequence[Evaluation], best: Evaluation | None
) -> tuple[records.ScoreItem, ...]:
    """Return the metrics at the last and the best evaluation; the majority score if there is no evaluation."""
    if not evaluations or best is None:
        return tuple(majority_items(cell.data, majority_score_of(cell.data)))
    last = score_items(evaluations[-1].splits.values(), "last")
    return (*last, *score_items(best.splits.values(), "best_dev"))


def _compute_record(
    cell: Cell, grid: Grid, outcome: Outcome, precompute_flops: int, precompute_seconds: float
) -> records.Compute:
    meter, spent = outcome.meter, outcome.spent
    return records.Compute(
        student_updates=spent.student_updates, auxiliary_updates=spent.auxiliary_updates,
        clean_examples=spent.clean_examples, perturbed_examples=spent.perturbed_examples,
        real_tokens=meter.real_tokens, padded_tokens=meter.padded_tokens,
        forwards=dict(meter.forwards()), backwards=dict(meter.backwards()), train_flops=meter.flops,
        precompute_flops=precompute_flops, train_seconds=outcome.train_seconds,
        eval_seconds=outcome.eval_seconds, precompute_seconds=precompute_seconds,
        peak_memory_bytes=outcome.peak_memory, device=grid.device.type, precision=cell.recipe.precision,
        threads=grid.threads, resumed=outcome.resumed, micro_batch=outcome.micro_batch,
        deterministic=grid.spec.deterministic,
        processes=cell.recipe.ranks.size,
    )  # fmt: skip


def environment(device: torch.device) -> dict[str, str]:
    """Return the processor and the versions of Python and of the libraries that results depend on."""
    versions = {"python": platform.python_version(), "processor": processor(device)}
    for name in LIBRARIES:
        if (version := installed_version(name)) is not None:
            versions[name.replace("-", "_")] = version
    return versions


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """Return the commit of the checkout that this package runs from; None outside a checkout."""
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / ".git").exists():
        return None
    try:
        result = subprocess.run(
            ["git", "-C", str(checkout), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None

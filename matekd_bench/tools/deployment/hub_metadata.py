"""The front matter of a model card: what the Hub reads, including evaluation results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from matekd_bench.results.records.run_record import Record, ScoreItem
from matekd_bench.tasks.task import Task

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

# The names of metrics on the Hub that differ from those of task files.
HUB_METRICS: Mapping[str, str] = {
    "matthews": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
    "macro-f1": "f1",
    "balanced-accuracy": "balanced_accuracy",
}
CUT = re.compile(r"^fine-tuned |\[layers:[\d,]*\]$")  # parts of a student's name besides its checkpoint


def front_matter(run: Record, task: Task | None) -> str:
    """Return the YAML between the lines of dashes at the top of a model card."""
    from huggingface_hub import ModelCardData

    dataset = task.hub_id if task else None
    data = ModelCardData(
        model_name=run.run_id,
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["matekd-bench", "knowledge-distillation", run.identity.method],
        base_model=_base_model(run),
        datasets=[dataset] if dataset else None,
        metrics=sorted({HUB_METRICS.get(item.metric, item.metric) for item in last_scores(run)}),
        eval_results=list(_results(run, task)),
    )
    return f"---\n{data.to_yaml()}\n---\n"


def last_scores(run: Record) -> list[ScoreItem]:
    """Return the scores of the last evaluation, which are those of the kept student."""
    return [item for item in run.scores if item.selection == "last"]


def _base_model(run: Record) -> str | None:
    """Return the Hub's name of the student's checkpoint; None if the checkpoint is not from the Hub."""
    return CUT.sub("", run.student.id) if run.student and run.student.revision else None


def _results(run: Record, task: Task | None) -> Iterator[EvalResult]:
    """Yield the Hub's `EvalResult` of each score."""
    from huggingface_hub import EvalResult

    for item in last_scores(run):
        place = task.splits.get(item.split) if task else None
        yield EvalResult(
            task_type="text-classification",
            task_name=task.summary if task else None,
            dataset_type=(task.hub_id if task else None) or run.identity.task,
            dataset_name=f"{task.title if task else run.identity.task} ({run.data.state_text})",
            dataset_config=task.hub_config if task else None,
            dataset_split=(place.hub if place else "") or item.split,
            dataset_revision=run.data.revision,
            metric_type=HUB_METRICS.get(item.metric, item.metric),
            metric_name=item.metric,
            metric_value=item.value,
        )

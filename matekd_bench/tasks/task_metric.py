"""A task's metrics as an `evaluate.Metric`, which works offline and with `evaluate.combine`."""

# evaluate has no type information, so its base class is Any to mypy.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import datasets
import evaluate

from matekd_bench.tasks.metrics import score_predictions
from matekd_bench.tasks.task import Task

# The names of the Hub's metric `glue` that differ from those of task files.
GLUE_NAMES: Mapping[str, str] = {"matthews": "matthews_correlation", "spearman": "spearmanr"}


class TaskMetric(evaluate.Metric):
    """The metrics of one task, for `predictions` and `references` that are class ids (regression: scores)."""

    def __init__(self, task: Task, **options: Any) -> None:
        self.task = task
        # In memory by default, because on disk `evaluate` locks a file in the user's cache for every metric.
        super().__init__(config_name=task.name, **{"keep_in_memory": True, **options})

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("float64" if self.task.kind == "regression" else "int64")
        return evaluate.MetricInfo(
            description=f"{self.task.title}: {', '.join(self.task.metrics)}.",
            citation=self.task.citation,
            inputs_description="predictions and references: class ids, or scores for a regression.",
            features=datasets.Features({"predictions": value, "references": value}),
        )

    def _compute(self, *, predictions: list[Any], references: list[Any]) -> dict[str, float]:
        metrics = score_predictions(self.task, references, predictions, "dev").metrics
        return {GLUE_NAMES.get(name, name): value for name, value in metrics.items()}

"""Makes an `evaluate.Metric` of a task's metrics on request; the library evaluate is loaded only then."""

from __future__ import annotations

from typing import Any

from matekd_bench.tasks.task import Task


def evaluate_metric(task: Task, **options: Any) -> Any:
    """Return the metrics of a task as an `evaluate.Metric`, with the names of the Hub's metric `glue`.

    ``evaluate_metric(task).compute(predictions=..., references=...)`` takes class ids (for a regression, scores) and
    returns each metric under its name, such as `matthews_correlation` and `spearmanr`. The values are those of `glue`,
    with two exceptions: they are 0 where `glue` gives NaN, and scores are compared as float64, not float32. `options`
    are those of `evaluate.Metric`.
    """
    from matekd_bench.tasks.task_metric import TaskMetric

    return TaskMetric(task, **options)

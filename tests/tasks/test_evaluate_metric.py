"""GlueMetric works as any metric of evaluate does, offline."""

from __future__ import annotations

import evaluate
import pytest

from matekd_bench.tasks.evaluate_metric import GlueMetric
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}


def test_compute_returns_every_metric_of_the_task() -> None:
    result = GlueMetric(TASKS["mrpc"]).compute(predictions=[0, 1, 1], references=[0, 1, 0])
    assert result == {"accuracy": pytest.approx(2 / 3), "f1": pytest.approx(2 / 3)}


def test_batches_add_up() -> None:
    metric = GlueMetric(TASKS["sst2"])
    metric.add_batch(predictions=[0, 1], references=[0, 1])
    metric.add_batch(predictions=[0, 1], references=[1, 0])
    assert metric.compute() == {"accuracy": 0.5}


def test_regression_takes_scores() -> None:
    result = GlueMetric(TASKS["stsb"]).compute(predictions=[0.5, 2.5, 1.0], references=[0.0, 5.0, 2.0])
    assert result["spearman"] == pytest.approx(1.0)
    assert 0.9 < result["pearson"] < 1.0


def test_combines_with_other_metrics() -> None:
    both = evaluate.combine([GlueMetric(TASKS["cola"]), GlueMetric(TASKS["sst2"])])
    assert both.compute(predictions=[0, 1, 1], references=[0, 1, 0]) == {
        "matthews": pytest.approx(0.5),
        "accuracy": pytest.approx(2 / 3),
    }

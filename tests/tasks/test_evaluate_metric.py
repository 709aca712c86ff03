"""Tasks as metrics of evaluate: offline, under the names and with the values of the Hub's metric glue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evaluate
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from matekd_bench import evaluate_metric
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}
# What `glue` computes, by the keys of its results.
GLUE: dict[str, Callable[..., Any]] = {
    "accuracy": accuracy_score,
    "f1": f1_score,
    "matthews_correlation": matthews_corrcoef,
    "pearson": lambda gold, guess: pearsonr(gold, guess).statistic,
    "spearmanr": lambda gold, guess: spearmanr(gold, guess).statistic,
}
KEYS = {
    **{name: {"accuracy"} for name in ("sst2", "mnli", "qnli", "rte", "wnli")},
    **{name: {"accuracy", "f1"} for name in ("mrpc", "qqp")},
    "cola": {"matthews_correlation"},
    "stsb": {"pearson", "spearmanr"},
}


@pytest.mark.parametrize("name", KEYS)
def test_names_and_values_are_those_of_glue(name: str) -> None:
    rng, metric, classes = np.random.default_rng(0), evaluate_metric(TASKS[name]), len(TASKS[name].labels)
    gold = rng.integers(classes, size=90) if classes else rng.uniform(0, 5, size=90).round(1)
    for guess in (np.where(rng.random(90) < 0.6, gold, gold[::-1]), gold, gold[::-1]):
        found = metric.compute(predictions=guess, references=gold)
        assert found == {key: pytest.approx(float(GLUE[key](gold, guess))) for key in KEYS[name]}


def test_constant_scores_have_zero_where_glue_has_nan() -> None:
    found = evaluate_metric(TASKS["stsb"]).compute(predictions=[2.5] * 3, references=[0.0, 1.0, 2.0])
    assert found == {"pearson": 0.0, "spearmanr": 0.0}


def test_batches_add_up() -> None:
    metric = evaluate_metric(TASKS["sst2"])
    metric.add_batch(predictions=[0, 1], references=[0, 1])
    metric.add_batch(predictions=[0, 1], references=[1, 0])
    assert metric.compute() == {"accuracy": 0.5}


def test_combines_with_other_metrics() -> None:
    both = evaluate.combine([evaluate_metric(TASKS["cola"]), evaluate_metric(TASKS["sst2"])])
    assert both.compute(predictions=[0, 1, 1], references=[0, 1, 0]) == {
        "matthews_correlation": pytest.approx(0.5),
        "accuracy": pytest.approx(2 / 3),
    }

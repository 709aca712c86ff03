"""How sure the score on a model card is: the interval over dev examples, and the other seeds of the row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matekd_bench.results.stats.example_scores import Gold, example_scores, noise_of_one_run
from matekd_bench.tools.deployment.card_facts import OnnxAgreement, score_evidence
from matekd_bench.tools.deployment.hub_metadata import front_matter
from matekd_bench.tools.deployment.model_card import _agreement


def test_the_variance_of_an_accuracy_is_that_of_a_share() -> None:
    labels = np.zeros(20, dtype=int)
    predicted = np.array([0] * 14 + [1] * 6)
    scores = example_scores(Gold(("accuracy",), (labels,)), {5: (predicted,)})
    assert scores is not None
    assert noise_of_one_run(scores).value == pytest.approx(0.7 * 0.3 / 19)


def test_the_variance_of_two_splits_is_that_of_their_mean() -> None:
    labels, predicted = np.zeros(20, dtype=int), np.array([0] * 14 + [1] * 6)
    scores = example_scores(Gold(("accuracy",), (labels, labels)), {0: (predicted, predicted)})
    assert scores is not None
    assert noise_of_one_run(scores).error == pytest.approx(math.sqrt(0.7 * 0.3 / 19 / 2))


def test_the_seeds_are_those_of_the_runs_row(make_record: Callable[..., Any]) -> None:
    rows = [make_record("eda", seed=seed, task="rte") for seed in range(3)]
    others = [make_record("kd", seed=0, task="rte"), make_record("eda", seed=0, task="mrpc")]
    evidence = score_evidence(rows[1], [*others, *rows], {}, {})
    scores = [run.task_score.last for run in rows]
    assert (evidence.seeds.n, evidence.seeds.mean) == (3, pytest.approx(np.mean(scores)))
    assert evidence.score == scores[1]
    assert evidence.interval is None  # without a results folder there are no predictions


def test_only_a_checkpoint_of_the_hub_is_a_base_model(make_record: Callable[..., Any]) -> None:
    run = make_record("eda", seed=0, task="rte")
    assert "base_model" not in front_matter(run, None)
    student = run.student.model_copy(update={"id": "fine-tuned lab/bert[layers:0,2]", "revision": "abc"})
    assert "base_model: lab/bert\n" in front_matter(run.model_copy(update={"student": student}), None)


def test_a_run_in_bf16_has_both_differences() -> None:
    onnx = OnnxAgreement(rows=9, recorded=0.25, float32=1e-6, changed=2, exact=False)
    assert all(part in _agreement(onnx) for part in ("0.25", "1e-06", "bf16", "2 examples"))
    assert "bf16" not in _agreement(replace(onnx, exact=True))

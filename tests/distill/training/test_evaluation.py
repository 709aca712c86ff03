"""Predictions in the split's order, and when evaluations are taken."""

from __future__ import annotations

import pytest
import torch

from matekd_bench.distill.training.evaluation import evaluation_points, predict


@pytest.mark.parametrize("size", [1, 7, 64])
def test_predictions_come_in_the_rows_order_and_equal_those_one_by_one(rig, size):
    lab = rig(dtype=torch.float32, rows=40)
    rows = lab.corpus.encoded
    logits = predict(lab.student, rows, 0, batch_size=size)
    alone = torch.cat([predict(lab.student, [row], 0) for row in rows])
    assert logits.shape == (40, 2)
    assert logits.std(dim=0).min() > 0.05  # rows differ, so a wrong order would show
    assert torch.allclose(logits, alone, rtol=0, atol=1e-5)


def test_a_model_in_train_mode_is_evaluated_without_dropout_and_without_a_graph(rig):
    lab = rig(dtype=torch.float32, dropout=True)
    lab.student.train()
    first = predict(lab.student, lab.corpus.encoded, 0)
    assert not lab.student.training
    assert not first.requires_grad
    assert first.equal(predict(lab.student.train(), lab.corpus.encoded, 0))


def test_bf16_predictions_are_near_and_in_single_precision(rig):
    lab = rig(dtype=torch.float32)
    full = predict(lab.student, lab.corpus.encoded, 0)
    half = predict(lab.student, lab.corpus.encoded, 0, precision="bf16")
    assert half.dtype == torch.float32
    assert 0 < float((full - half).abs().max()) < 0.2


@pytest.mark.parametrize(
    ("limit", "evaluations", "points"),
    [
        (1000, 10, list(range(100, 1001, 100))),
        (7, 3, [2, 5, 7]),
        (3, 10, [1, 2, 3]),
        (1, 10, [1]),
        (5, 1, [5]),
    ],
)
def test_evaluations_are_equally_spaced_and_end_at_the_end(limit, evaluations, points):
    assert evaluation_points(limit, evaluations) == points

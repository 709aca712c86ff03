"""Regressions train on standardized scores and answer in the units of the task."""

from __future__ import annotations

import copy
import statistics
from dataclasses import replace

import pytest
import torch

from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.distill.models.output_layer import output_layer
from matekd_bench.distill.models.score_units import (
    ScoreHead,
    ScoreUnits,
    add_offset,
    change_units,
    score_units,
    task_units,
)
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.errors import CheckpointError, DataError
from rig import toy_data

YEARS = ScoreUnits(2000.0, 5.0)


@pytest.fixture
def scorer(tiny_checkpoint):
    """A tiny regression model, and the same without a bias in its last layer."""

    def make(bias=True):
        model = load_classifier(ModelSource(describe(tiny_checkpoint, id="tiny")), 1, (), 0)
        with torch.no_grad():
            output_layer(model, 1).weight.mul_(2000)  # so that answers differ between rows
        if not bias:
            output_layer(model, 1).bias = None
        return model

    return make


def with_scores(*scores):
    data = toy_data("regression", train=len(scores))
    return replace(data, train=replace(data.train, labels=scores))


def test_the_units_are_mean_and_population_deviation_in_float64():
    data = toy_data("regression")
    units = score_units(data)
    assert units.mean == pytest.approx(statistics.fmean(data.train.labels), rel=1e-14)
    assert units.sd == pytest.approx(statistics.pstdev(data.train.labels), rel=1e-14)
    assert score_units(toy_data("single")) is None


def test_standardizing_can_be_undone():
    scores = torch.tensor([1.0, 2.5, 900.0], dtype=torch.float64)
    units = ScoreUnits(3.0, 7.0)
    assert units.standardize(scores).tolist() == [-2 / 7, -0.5 / 7, 897 / 7]
    assert torch.allclose(units.restore(units.standardize(scores)), scores)
    assert torch.allclose(units.inverse.restore(scores), units.standardize(scores))


@pytest.mark.parametrize("scores", [(2.5, 2.5, 2.5), (0.0, 0.0), (1e7, 1e7 + 1)])
def test_scores_that_do_not_differ_are_refused(scores):
    with pytest.raises(DataError, match="'toy-regression'"):
        score_units(with_scores(*scores))


def test_scores_may_lie_around_zero():
    assert score_units(with_scores(-1.0, 1.0)) == ScoreUnits(0.0, 1.0)


@pytest.mark.parametrize("bias", [True, False])
def test_a_network_answers_in_task_units_within_the_block_only(scorer, rig, bias):
    model, rows = scorer(bias), rig("regression").corpus.encoded
    weights = copy.deepcopy(model.state_dict())
    standardized = predict(model, rows, 0)
    assert standardized.std() > 0.1
    with task_units(model, YEARS) as offset:
        assert offset == (0.0 if bias else 2000.0)
        assert torch.allclose(predict(model, rows, 0), YEARS.restore(standardized), rtol=0, atol=5e-3)
    assert predict(model, rows, 0).equal(standardized)
    assert all(value.equal(weights[name]) for name, value in model.state_dict().items())


def test_classifiers_are_left_alone(rig):
    lab = rig(dtype=torch.float32)
    before = predict(lab.student, lab.corpus.encoded, 0)
    with task_units(lab.student, None) as offset:
        assert offset == 0.0
        assert predict(lab.student, lab.corpus.encoded, 0).equal(before)


def test_a_change_and_its_inverse_cancel(scorer, rig):
    model, rows = scorer(), rig("regression").corpus.encoded
    before = predict(model, rows, 0)
    change_units(model, YEARS)
    change_units(model, YEARS.inverse)
    assert torch.allclose(predict(model, rows, 0), before, rtol=0, atol=1e-3)


def test_an_offset_is_added_until_its_hook_is_removed(scorer, rig):
    model, rows = scorer(), rig("regression").corpus.encoded
    before = predict(model, rows, 0)
    assert add_offset(model, 0.0) is None
    hook = add_offset(model, 3.0)
    assert predict(model, rows, 0).equal(before + 3.0)
    hook.remove()
    assert predict(model, rows, 0).equal(before)


def test_bf16_keeps_scores_apart_that_lie_far_from_zero(scorer, rig):
    """bfloat16 has 8 bits: around 2000 its numbers are 8 apart."""
    model, rows = scorer(), rig("regression").corpus.encoded
    standardized = predict(model, rows, 0, precision="bf16")
    change_units(model, YEARS)
    years = predict(model, rows, 0, precision="bf16")
    assert torch.allclose(YEARS.standardize(years), standardized, rtol=0, atol=1e-3)


def test_the_last_layer_is_found_or_named_as_missing(scorer, tiny_checkpoint):
    assert isinstance(output_layer(scorer(), 1), ScoreHead)
    two = load_classifier(ModelSource(describe(tiny_checkpoint, id="tiny")), 2, ("a", "b"), 0)
    with pytest.raises(CheckpointError, match="BertForSequenceClassification"):
        output_layer(two, 1)

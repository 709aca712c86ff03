"""What every registered method must keep to, whoever wrote it: run with each method that the host finds."""

from __future__ import annotations

import pytest

from matekd_bench.plugins.host import Host
from rig import gap

HOST = Host.load()
METHODS = sorted(name for name, provided in HOST.methods.items() if provided.record.refused is None)
ROWS = [3, 17, 4, 30, 9, 1, 25, 12, 6, 8, 21, 14, 11, 2, 28, 19]
PIECES = 5  # rows: sixteen examples make pieces of 5, 5, 5 and 1


def made(rig, name):
    """The method with its defaults, at work on the rig."""
    record = HOST.method(name).record
    return record.factory(record.params(), rig.context)


def phases(method):
    """The phases in which this method learns."""
    return ("student", "own") if method.cycle else ("student",)


def one_update(rig, name, phase, **trainer):
    method = made(rig, name)
    loss = rig.update(method, rig.batch(method, ROWS, update=2, phase=phase), **trainer)
    return loss, dict(rig.grads)


def test_the_methods_of_the_suite_are_all_here():
    assert {"kd", "finetune", "random-mask", "eda", "matekd", "nlpaug:swap"} <= set(METHODS)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", ["single", "pairs"])
def test_pieces_give_the_gradient_of_the_whole_batch(rig, name, kind):
    for phase in phases(made(rig(kind), name)):
        whole, its = one_update(rig(kind), name, phase)
        pieces, theirs = one_update(rig(kind), name, phase, micro_batch=PIECES)
        assert gap(its, theirs) < 1e-9
        assert pieces == (None if whole is None else pytest.approx(whole, rel=1e-12))


@pytest.mark.parametrize("name", METHODS)
def test_regression_learns_from_every_method(rig, name):
    loss, grads = one_update(rig("regression"), name, "student")
    assert loss > 0
    assert all(bool(grad.isfinite().all()) for grad in grads.values())
    assert any(float(grad.norm()) > 0 for grad in grads.values())


@pytest.mark.parametrize("name", METHODS)
def test_an_update_is_bit_identical_when_repeated_with_dropout_on(rig, name):
    first, its = one_update(rig(dropout=True), name, "student")
    second, theirs = one_update(rig(dropout=True), name, "student")
    assert first == second
    assert all(its[key].equal(theirs[key]) for key in its)


@pytest.mark.parametrize("name", METHODS)
def test_the_global_random_state_is_not_where_noise_comes_from(rig, name):
    import random

    import numpy as np
    import torch

    losses = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            losses.append(one_update(rig(dropout=True), name, "student")[0])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", METHODS)
def test_the_weights_spent_on_gold_labels_and_teacher_are_the_studys(rig, name):
    lab = rig()
    method = made(lab, name)
    batch = lab.batch(method, ROWS)
    lab.moment.batch = batch
    views = list(method.views(batch, lab.models))
    gold, soft = sum(view.gold for view in views), sum(view.soft for view in views)
    assert (gold, soft) == ((3.0, 0.0) if name == "finetune" else pytest.approx((1.0, 1.0)))


@pytest.mark.parametrize("name", METHODS)
def test_clean_rows_are_what_every_method_starts_from(rig, name):
    lab = rig()
    method = made(lab, name)
    batch = lab.batch(method, ROWS)
    lab.moment.batch = batch
    first = next(iter(method.views(batch, lab.models)))
    assert first.ids is batch.ids
    assert first.labels is batch.labels


@pytest.mark.parametrize("name", METHODS)
def test_special_tokens_and_padding_stay_where_they_are(rig, name):
    lab = rig("pairs")
    method = made(lab, name)
    batch = lab.batch(method, ROWS)
    lab.moment.batch = batch
    tokens = lab.encoder.tokens
    for view in method.views(batch, lab.models):
        assert (view.mask.sum(dim=1) >= 3).all()
        assert (view.ids[:, 0] == batch.ids[0, 0]).all()
        ends = (view.ids == batch.ids[0, batch.lengths[0] - 1]).sum(dim=1)
        assert (ends == 2).all()
        assert (view.ids[view.mask == 0] == tokens.pad).all()


def test_own_phases_leave_the_student_alone(rig):
    trained = []
    for name in METHODS:
        lab = rig()
        method = made(lab, name)
        if method.cycle is None:
            continue
        before = {key: value.clone() for key, value in lab.student.state_dict().items()}
        assert lab.update(method, lab.batch(method, ROWS, phase="own")) is None
        assert all(value.equal(before[key]) for key, value in lab.student.state_dict().items())
        assert not any(key.startswith("student.") for key in lab.grads)
        assert all(weight.grad is None and weight.requires_grad for weight in lab.student.parameters())
        trained.append(name)
    assert "matekd" in trained


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_says_of_itself_can_be_recorded(rig, name):
    lab = rig()
    method = made(lab, name)
    lab.update(method, lab.batch(method, ROWS))
    assert all(isinstance(value, float) for value in method.diagnostics().values())
    resources = HOST.methods[name].record.resources(method.params)
    assert all(isinstance(value, str) and value for value in resources.values())
    assert all(isinstance(notice, str) and notice for notice in method.notices)

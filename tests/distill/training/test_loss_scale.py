"""Training in fp16: the scale of the loss changes no gradient, and falls where one overflows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from matekd_bench.distill.settings import Optimizer
from matekd_bench.distill.training.loss_scale import UNSCALED, LossScale
from matekd_bench.distill.training.optimizer import DivergedError, make_optimizer, step
from rig import ROWS, Given, gap, kd, update

CPU = torch.device("cpu")


def in_half(rig):
    return rig(dtype=torch.float32, precision="fp16")


@pytest.fixture
def module():
    return nn.Linear(3, 1, bias=False)


def grow(module, scale, factor=1.0):
    """Give the module the gradient of the sum of its outputs on ones, times `factor`."""
    scale.backward(module(torch.ones(1, 3)).sum() * factor)


def test_gradients_are_those_of_the_loss_itself(rig):
    def shifted(batch, models):
        shift = torch.zeros(*batch.ids.shape, 32, requires_grad=True)
        yield batch.clean.shifted(shift, weight=1.0)
        shifts.append(shift.grad)

    shifts = []
    exact_loss, exact = update(rig(dtype=torch.float32), shifted)
    loss, grads = update(in_half(rig), shifted)
    assert loss == pytest.approx(exact_loss, rel=0.02)
    assert gap(exact, grads) < 0.02
    assert torch.allclose(shifts[0], shifts[1], atol=0.02 * float(shifts[0].abs().max()))


def test_a_gradient_that_overflows_is_skipped_and_the_scale_falls(module):
    scale, optimizer = LossScale(CPU, "fp16"), make_optimizer(module, Optimizer(lr=0.1))
    before = module.weight.detach().clone()
    grow(module, scale, factor=1e36)  # finite, unlike 65536 times as much
    step(module, optimizer, None, update=1, whose="it", scale=scale)
    scale.adjust()
    assert module.weight.equal(before)
    assert module.weight.grad is None
    assert scale.state_dict()["scale"] == 2**15
    grow(module, scale)
    step(module, optimizer, None, update=2, whose="it", scale=scale)
    assert not module.weight.equal(before)


def test_a_loss_that_no_scale_makes_finite_diverges(module):
    scale, optimizer = LossScale(CPU, "fp16"), make_optimizer(module, Optimizer(lr=0.1))
    grow(module, scale, factor=math.nan)
    with pytest.raises(DivergedError, match="gradient norm"):
        step(module, optimizer, None, update=1, whose="it", loss=math.nan, scale=scale)


def test_a_gradient_that_the_smallest_scale_leaves_infinite_diverges(module):
    scale, optimizer = LossScale(CPU, "fp16"), make_optimizer(module, Optimizer(lr=0.1))

    def attempt(update):
        grow(module, scale, factor=math.inf)
        step(module, optimizer, None, update=update, whose="it", scale=scale)
        scale.adjust()

    for update_number in range(16):  # halves the scale, from 65536 down to one
        attempt(update_number)
    with pytest.raises(DivergedError, match="at update 16"):
        attempt(16)


def test_a_shift_stays_finite_where_its_gradient_overflows():
    grad = torch.tensor([2.0**16, math.inf, -math.inf, math.nan])
    LossScale(CPU, "fp16").unscale_shift(grad)
    assert grad.tolist() == [1.0, 0.0, 0.0, 0.0]
    grad = torch.tensor([2.0, math.inf])
    UNSCALED.unscale_shift(grad)
    assert grad.tolist() == [2.0, math.inf]


def test_the_scale_is_part_of_a_checkpoint(rig):
    lab = in_half(rig)
    trainer = lab.trainer(Given(lab.context, kd))
    lab.context.loss_scale.load_state_dict({**lab.context.loss_scale.state_dict(), "scale": 512.0})
    state = trainer.state_dict()
    other = in_half(rig)
    again = other.trainer(Given(other.context, kd))
    again.load_state_dict(state)
    assert again.state_dict()["loss_scale"]["scale"] == 512.0
    assert again.update(other.batch(Given(other.context, kd), ROWS)) > 0
    assert rig().trainer(Given(lab.context, kd)).state_dict()["loss_scale"] == {}  # in float32


def test_every_update_but_an_overflowing_one_changes_the_student(rig):
    lab = in_half(rig)
    method = Given(lab.context, kd)
    trainer, batch = lab.trainer(method), lab.batch(method, ROWS)

    def moves():
        before = [weight.detach().clone() for weight in lab.student.parameters()]
        trainer.update(batch)
        return any(not old.equal(new) for old, new in zip(before, lab.student.parameters(), strict=True))

    assert [moves(), moves()] == [True, True]
    lab.context.loss_scale.load_state_dict({**lab.context.loss_scale.state_dict(), "scale": 2.0**120})
    assert moves() is False
    assert lab.context.loss_scale.state_dict()["scale"] == 2.0**119
    assert trainer.spent.student_updates == 3

"""What the embedding methods share: noise, norms, slopes and distances."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import kstest

from matekd_bench import NoParams, Perturbation
from matekd_plugins.embeddings import (
    answer_distance,
    direction,
    gaussian,
    norms,
    shift_gradient,
    symmetric_divergence,
    uniform,
)
from rig import ROWS, at_shift

WIDTH = 32  # of the tiny checkpoint's embeddings


def batch_of(lab, rows=ROWS, **where):
    batch = lab.batch(Perturbation(NoParams(), lab.context), rows, **where)
    lab.scope.batch = batch
    return batch


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [(uniform, ("uniform", (-1, 2))), (gaussian, ("norm", ()))],
    ids=["uniform", "gaussian"],
)
def test_noise_has_its_distribution_at_real_tokens_and_is_zero_at_padding(rig, draw, distribution):
    lab = rig()
    batch = batch_of(lab)
    noise = draw(lab.context, batch, "test")
    assert noise.shape == (*batch.ids.shape, WIDTH)
    assert noise.dtype == torch.float64
    assert set(noise[batch.mask == 0].flatten().tolist()) == {0.0}
    name, arguments = distribution
    assert kstest(noise[batch.mask == 1].flatten().numpy(), name, arguments).pvalue > 0.001


def test_noise_is_each_examples_own(rig):
    lab = rig()
    whole, piece = batch_of(lab), batch_of(lab).rows(5, 9)
    for draw in (uniform, gaussian):
        assert draw(lab.context, piece, "test").equal(draw(lab.context, whole, "test")[5:9])


def test_gaussian_noise_is_finite_at_both_ends_of_the_uniform_draw(rig, monkeypatch):
    lab = rig()
    batch = batch_of(lab)
    for end in (0.0, 1 - 2**-24):
        ends = torch.full((*batch.ids.shape, WIDTH), end)
        monkeypatch.setattr(lab.context, "draw", lambda *_, ends=ends, **__: ends)
        assert 4 < float(gaussian(lab.context, batch, "test").abs().max()) < 8


def test_norms_are_those_of_whole_examples():
    shift = random(3, 5, 4)
    flat = shift.reshape(3, 20)
    assert torch.allclose(norms(shift, "l2"), torch.linalg.vector_norm(flat, dim=1).view(3, 1, 1), rtol=1e-14)
    assert norms(shift, "linf").equal(flat.abs().max(dim=1).values.view(3, 1, 1))


@pytest.mark.parametrize("order", ["l2", "linf"])
def test_a_direction_has_norm_one_however_short_the_gradient(order):
    grad = random(3, 5, 4, dtype=torch.float32) * torch.tensor([1.0, 1e-25, 0.0]).view(3, 1, 1)
    found = direction(grad, order)
    assert norms(found, order).flatten().tolist() == pytest.approx([1.0, 1.0, 0.0])
    reference = direction(grad.double() * 1e6, order)[:2]
    assert torch.allclose(found[:2].double(), reference, rtol=1e-5)
    assert norms(direction(grad, order, floor=1e-8), order)[1].item() == pytest.approx(0.0, abs=1e-15)


def test_the_slope_is_the_gradient_of_each_examples_own_distance(rig):
    lab = rig("pairs")
    batch = batch_of(lab)
    target = random(len(batch), 2)
    shift = 0.1 * uniform(lab.context, batch, "test")

    def distance(logits):
        return (logits - target).square().sum(dim=1)

    found = shift_gradient(lab.models, batch.clean, shift, distance)
    leaf = shift.clone().requires_grad_()
    losses = distance(at_shift(lab, batch, leaf))
    for row, loss in enumerate(losses):
        (grad,) = torch.autograd.grad(loss, leaf, retain_graph=True)
        assert torch.allclose(found[row], grad[row], rtol=1e-10, atol=1e-14)
    assert bool((found[batch.mask == 0] == 0).all())
    assert not shift.requires_grad
    assert all(weight.requires_grad and weight.grad is None for weight in lab.student.parameters())
    assert lab.meter.backwards() == {"student": 1}


def test_the_symmetric_divergence_is_the_sum_of_both_kl():
    one, other = random(6, 3), random(6, 3, seed=1)
    p, q = one.softmax(-1), other.softmax(-1)
    both = F.kl_div(q.log(), p, reduction="none").sum(-1) + F.kl_div(p.log(), q, reduction="none").sum(-1)
    assert torch.allclose(symmetric_divergence(one, other), both, rtol=1e-12)
    assert symmetric_divergence(one, other).equal(symmetric_divergence(other, one))
    assert symmetric_divergence(one, one).tolist() == [0.0] * 6


def test_answers_that_hardly_differ_do_not_cancel():
    one = random(64, 3, dtype=torch.float32)
    other = one + 1e-4 * random(64, 3, seed=1, dtype=torch.float32)
    exact = symmetric_divergence(one.double(), other.double())
    assert float(exact.max()) < 1e-7  # the rounding of a KL near 1e-7 would be as large
    found = symmetric_divergence(one, other)
    assert bool((found >= 0).all())
    assert float((found.double() - exact).abs().sum() / exact.sum()) < 0.01


def test_scores_lie_apart_by_their_squared_difference(rig):
    first, second = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.5], [0.0]])
    assert answer_distance(rig("regression").context)(first, second).tolist() == [0.25, 4.0]
    assert answer_distance(rig().context) is symmetric_divergence

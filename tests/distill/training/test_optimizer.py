"""The optimizer and its step."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from matekd_bench.distill.settings import Optimizer
from matekd_bench.distill.training.optimizer import DivergedError, make_optimizer, step
from matekd_bench.errors import RunError


@pytest.fixture
def module():
    made = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2), nn.LayerNorm(2))
    for weight in made.parameters():
        weight.grad = torch.ones_like(weight)
    return made


def test_only_matrices_decay(module):
    decayed, plain = make_optimizer(module, Optimizer(lr=0.1, weight_decay=0.3)).param_groups
    assert [weight.ndim for weight in decayed["params"]] == [2, 2]
    assert [weight.ndim for weight in plain["params"]] == [1, 1, 1]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert {decayed["lr"], plain["lr"]} == {0.1}


@pytest.mark.parametrize(("algorithm", "decay"), [("adamw", 0.03), ("adam", 0.0)])
def test_a_first_step_is_that_of_the_algorithm(module, algorithm, decay):
    """With one gradient Adam moves by lr * g / (|g| + eps), after the decay (Loshchilov and Hutter 2019).

    In plain Adam (Kingma and Ba 2015) L2 on top of the gradient 1 changes nothing but its size, which is divided away.
    """
    before = module[1].weight.detach().clone()
    optimizer = make_optimizer(module, Optimizer(lr=0.1, weight_decay=0.3, eps=1e-8, algorithm=algorithm))
    step(module, optimizer, None, update=0, whose="the student")
    assert torch.allclose(module[1].weight, before * (1 - decay) - 0.1, atol=1e-6)
    assert all(weight.grad is None for weight in module.parameters())


@pytest.mark.parametrize(("clip", "scale"), [(None, 1.0), (100.0, 1.0), (1.0, 1 / 27**0.5)])
def test_the_norm_of_the_whole_gradient_is_clipped(module, clip, scale):
    """15 + 6 + 2 + 2 + 2 = 27 ones have norm sqrt(27)."""
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    before = module[1].bias.detach().clone()
    step(module, optimizer, clip, update=0, whose="the student")
    assert torch.allclose(module[1].bias, before - scale, atol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_never_reaches_the_weights(module, bad):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module[0].weight.grad[2, 1] = bad
    with pytest.raises(DivergedError, match=f"'g'.*{bad}") as caught:
        step(module, make_optimizer(module, Optimizer(lr=0.1)), 1.0, update=12, whose="the module 'g'")
    assert (caught.value.update, isinstance(caught.value, RunError)) == (12, True)
    assert all(value.equal(before[name]) for name, value in module.state_dict().items())

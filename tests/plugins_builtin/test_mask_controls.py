"""`random-token` and `frozen-generator`: MATE-KD's masks with another filling."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from matekd_plugins.frozen_generator.rewriting import FrozenGenerator
from matekd_plugins.masking import MaskParams, choose_masked
from matekd_plugins.matekd import MateKDParams
from matekd_plugins.matekd.adversary import MateKD
from matekd_plugins.random_mask import RandomMask
from matekd_plugins.random_token import RandomToken
from rig import gap, yielded

ROWS = [3, 17, 4, 30, 9, 1, 25, 12]


def written(lab, method, update=0):
    """The batch and the ids that the method makes of it."""
    batch = lab.batch(method, ROWS, update=update)
    return batch, yielded(lab, method, batch)[-1]


@pytest.mark.parametrize(
    ("make", "params"),
    [*((make, MaskParams) for make in (RandomMask, RandomToken, FrozenGenerator)), (MateKD, MateKDParams)],
)
def test_the_masked_positions_change_and_no_other(rig, make, params):
    lab = rig("pairs")
    batch, view = written(lab, make(params(mask_rate=0.5), lab.context))
    at = choose_masked(lab.context, batch, 0.5)
    assert view.ids[~at].equal(batch.ids[~at])
    assert (view.ids[at] != batch.ids[at]).float().mean() > 0.5
    assert (view.teacher, view.gold, view.soft, view.dropout) == ("same", 0.0, 0.5, 1)
    changed, found = (view.ids != batch.ids) & ~batch.special, lab.context.diagnostics()
    assert found["tokens_changed"] == pytest.approx(float(changed.sum() / (~batch.special).sum()))
    assert found["texts_unchanged"] == float((~changed.any(dim=1)).float().mean())


def test_random_tokens_are_uniform_over_the_ordinary_vocabulary(rig):
    lab = rig("pairs")
    method = RandomToken(MaskParams(mask_rate=0.9), lab.context)
    tokens = lab.context.student_tokens
    ordinary = sorted(set(range(tokens.size)) - tokens.special)
    drawn: Counter[int] = Counter()
    for update in range(120):
        batch, view = written(lab, method, update)
        drawn.update(view.ids[choose_masked(lab.context, batch, 0.9)].tolist())
    assert set(drawn) == set(ordinary)
    assert chisquare([drawn[token] for token in ordinary]).pvalue > 0.001


def test_the_largest_draw_is_still_a_token(rig, monkeypatch):
    lab = rig()
    method = RandomToken(MaskParams(mask_rate=0.5), lab.context)
    batch = lab.batch(method, ROWS)
    at = choose_masked(lab.context, batch, 0.5)
    monkeypatch.setattr(lab.context, "draw", lambda batch, purpose, at=None: top(batch, at))
    ids = method.perturb(batch, at)
    assert int(ids.max()) == max(
        set(range(lab.context.student_tokens.size)) - lab.context.student_tokens.special
    )


def top(batch, at):
    """Masks everywhere, and the largest float32 below one as every draw."""
    return torch.zeros(batch.ids.shape) if at is None else torch.full((int(at.sum()),), 1 - 2**-24)


def test_the_frozen_generator_writes_what_matekd_writes_before_its_first_update(rig):
    grads = []
    for make, params in ((MateKD, MateKDParams()), (FrozenGenerator, MaskParams())):
        lab = rig("pairs", dropout=True)
        method = make(params, lab.context)
        loss = lab.update(method, lab.batch(method, ROWS, update=5))
        grads.append(({key: value for key, value in lab.grads.items() if key.startswith("student.")}, loss))
    assert gap(grads[0][0], grads[1][0]) == 0.0
    assert grads[0][1] == grads[1][1]


def test_the_frozen_generator_is_never_trained_and_its_passes_are_booked(rig):
    lab = rig()
    method = FrozenGenerator(MaskParams(), lab.context)
    assert method.cycle is None
    (trained,) = lab.context.trained
    before = {name: value.clone() for name, value in trained.module.state_dict().items()}
    for update in range(3):
        lab.update(method, lab.batch(method, ROWS, update=update))
    assert all(value.equal(before[name]) for name, value in trained.module.state_dict().items())
    assert not any(weight.requires_grad for weight in trained.module.parameters())
    assert lab.meter.forwards()["generator"] == 3
    assert "generator" not in {name for name, number in lab.meter.backwards().items() if number}
    assert method.diagnostics() == {"generator_moved": 0.0}

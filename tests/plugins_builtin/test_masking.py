"""The mask distribution that MATE-KD shares with its controls."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError

from matekd_bench import NoParams, Perturbation
from matekd_plugins.masking import MaskParams, choose_masked, mask_id


def batches(lab, updates):
    nothing = Perturbation(NoParams(), lab.context)
    return [lab.batch(nothing, range(32), update=update) for update in range(updates)]


@pytest.mark.parametrize("rate", [0.3, 0.1])
def test_each_ordinary_token_is_masked_with_the_probability_given(rig, rate):
    lab = rig("pairs")
    masked = tokens = 0
    for batch in batches(lab, 40):
        at = choose_masked(lab.context, batch, rate)
        assert not (at & batch.special).any()
        assert not (at & (batch.mask == 0)).any()
        masked, tokens = masked + int(at.sum()), tokens + int((~batch.special).sum())
    assert tokens > 10_000
    assert abs(masked / tokens - rate) < 4 * (rate * (1 - rate) / tokens) ** 0.5


def test_every_token_has_the_same_chance_and_tokens_are_independent(rig):
    lab = rig("pairs")
    draws = torch.stack([choose_masked(lab.context, batch, 0.3) for batch in batches(lab, 300)]).float()
    ordinary = ~batches(lab, 1)[0].special
    means = draws.mean(dim=0)[ordinary]
    assert float((means - 0.3).abs().max()) < 5 * (0.21 / 300) ** 0.5
    first, second = draws[:, 0, 1], draws[:, 0, 2]
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.25


def test_masks_are_redrawn_at_every_update_and_kept_within_it(rig):
    lab = rig()
    one, other = batches(lab, 2)
    assert choose_masked(lab.context, one, 0.3).equal(choose_masked(lab.context, one, 0.3))
    assert not choose_masked(lab.context, one, 0.3).equal(choose_masked(lab.context, other, 0.3))
    pieces = [choose_masked(lab.context, one.rows(start, start + 8), 0.3) for start in range(0, 32, 8)]
    assert torch.cat(pieces).equal(choose_masked(lab.context, one, 0.3))


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 2])
def test_rates_outside_the_open_interval_are_refused(rate):
    with pytest.raises(ValidationError):
        MaskParams(mask_rate=rate)


def test_the_mask_is_the_students(rig):
    lab = rig()
    assert mask_id(lab.context) == 4
    with pytest.raises(ValueError, match="no mask token"):
        mask_id(SimpleNamespace(student_tokens=SimpleNamespace(mask=None)))

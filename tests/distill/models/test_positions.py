"""Where a mask is true, read once."""

from __future__ import annotations

import gc

import torch

from host_reads import HostReads
from matekd_bench.distill.models import positions as module
from matekd_bench.distill.models.positions import positions

MASK = torch.tensor([[True, False, True], [False, False, False], [False, True, False]])


def test_they_are_those_of_the_mask_row_by_row():
    found = positions(MASK.clone())
    assert (found.counts, len(found)) == ([2, 0, 1], 3)
    assert torch.stack(found.index).equal(torch.stack(MASK.nonzero(as_tuple=True)))
    assert len(positions(torch.zeros(2, 3, dtype=torch.bool))) == 0


def test_a_mask_is_read_once_until_it_changes():
    at = MASK.clone()
    with HostReads() as reads:
        first = positions(at)
        assert positions(at) is first
        assert len(reads.names) == 1
        at[1, 1] = True
        assert positions(at).counts == [2, 1, 1]
    with torch.inference_mode():
        at = MASK.clone()
        assert len(positions(at)) == 3
        at[1, 1] = True
        assert len(positions(at)) == 4


def test_nothing_is_kept_of_a_mask_that_is_gone():
    gc.collect()
    before = len(module._known)
    at = MASK.clone()
    positions(at)
    assert len(module._known) == before + 1
    del at
    assert len(module._known) == before

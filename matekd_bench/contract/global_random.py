"""The global generators of Python, numpy and torch: put into a known state, restored, and compared."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch

from matekd_bench.contract.bench import CPU
from matekd_bench.distill.device import contained_randomness
from matekd_bench.foreign_code import reseeded


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's global generators, and restore them after the block."""
    with reseeded(seed, seed), contained_randomness(CPU):
        torch.manual_seed(seed)
        yield


def python_states() -> dict[str, str]:
    """Return the states of Python's and numpy's global generators as texts, by module."""
    state = np.random.get_state(legacy=False)
    numpy_state = state["state"] if isinstance(state, dict) else state
    return {"random": repr(random.getstate()), "numpy.random": repr(numpy_state)}

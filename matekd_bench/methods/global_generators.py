"""Python's and numpy's global random generators, lent to libraries that draw from nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from matekd_bench.foreign_code import lent_generators


@contextmanager
def borrowed_random(rng: random.Random) -> Iterator[None]:
    """Seed the global generators of `random` and `numpy.random` from `rng`, and restore them after the block.

    For libraries that draw only from these generators::

        with borrowed_random(rng):
            edited = library.augment(text)

    `rng` advances by the same two draws whatever the block draws, so two blocks in a row differ. Other threads that
    borrow the generators wait until the block ends; code that uses them without borrowing does not. torch's global
    generator is not touched, since the student's dropout may draw from it at the same time. Raises TypeError if `rng`
    is not a `random.Random`; make one from a seed with ``random.Random(row.seed("name"))``.
    """
    if not isinstance(rng, random.Random):
        raise TypeError(f"borrowed_random() takes a random.Random, not a {type(rng).__name__}")
    with lent_generators(rng.getrandbits(128), rng.getrandbits(32)):
        yield

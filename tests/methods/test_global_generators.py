"""Global generators that a method borrows: seeded from its own, one borrower at a time, and given back."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from matekd_bench import borrowed_random


def states() -> tuple[object, str]:
    return random.getstate(), repr(np.random.get_state(legacy=False))


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    """Every test here leaves the global generators as they were."""
    before = states()
    yield
    assert states() == before


def drawn(rng: random.Random) -> tuple[float, float]:
    with borrowed_random(rng):
        return random.random(), float(np.random.random())


def test_the_draws_follow_the_method_s_generator() -> None:
    first = drawn(random.Random(3))
    assert drawn(random.Random(3)) == first
    assert not set(drawn(random.Random(4))) & set(first)
    assert first[0] != first[1]  # Python and numpy use the same algorithm: one seed for both would show


def test_blocks_in_a_row_differ_and_do_not_depend_on_how_much_is_drawn() -> None:
    rng, other = random.Random(3), random.Random(3)
    first, second = drawn(rng), drawn(rng)
    assert first != second
    with borrowed_random(other):
        pass
    assert drawn(other) == second


def test_an_error_gives_the_generators_back() -> None:
    with pytest.raises(KeyError), borrowed_random(random.Random(3)):
        {}[random.random()]


def test_a_borrower_may_call_another_one() -> None:
    with borrowed_random(random.Random(3)):
        drawn(random.Random(4))
        after = random.random(), float(np.random.random())
    assert after == drawn(random.Random(3))


def test_threads_wait_for_each_other() -> None:
    results: list[tuple[float, float]] = []
    inside = threading.Event()

    def borrow() -> None:
        inside.set()
        results.append(drawn(random.Random(4)))

    thread = threading.Thread(target=borrow)
    with borrowed_random(random.Random(3)):
        thread.start()
        inside.wait()
        thread.join(0.05)  # time enough to draw, were it not for the lock
        assert results == []
        first = random.random(), float(np.random.random())
    thread.join()
    assert (first, results) == (drawn(random.Random(3)), [drawn(random.Random(4))])


def test_only_a_generator_of_python_is_taken() -> None:
    with pytest.raises(TypeError, match="int"), borrowed_random(7):  # type: ignore[arg-type]
        pass

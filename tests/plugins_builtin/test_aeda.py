"""AEDA: how many marks, which, and where, in both variants."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matekd_plugins.aeda import AEDA, MARKS, AEDAParams

WORDS = [f"w{letter}" for letter in "abcdefghijkl"]


def make(**settings):
    """`aeda` outside any run."""
    return AEDA(AEDAParams(**settings), None)


def draws(method, words, number=6000):
    """Many results for one text, as lists of words."""
    rng = random.Random(0)
    return [method.perturb(" ".join(words), rng).split() for _ in range(number)]


def close(seen: int, number: int, share: float) -> bool:
    """Whether a count agrees with a binomial share within four standard deviations."""
    return abs(seen - number * share) < 4 * (number * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(
    ("variant", "length", "most"),
    [
        ("paper", 1, 1), ("paper", 2, 1), ("paper", 5, 1), ("paper", 6, 2), ("paper", 12, 4),
        ("official", 1, 1), ("official", 3, 1), ("official", 4, 2), ("official", 10, 4), ("official", 12, 4),
    ],
)  # fmt: skip
def test_the_number_of_marks_is_uniform_from_one_to_a_third(variant, length, most):
    results = draws(make(variant=variant), WORDS[:length])
    seen = Counter(len(words) - length for words in results)
    assert set(seen) == set(range(1, most + 1))
    assert all(close(number, 6000, 1 / most) for number in seen.values()) or most == 1


@pytest.mark.parametrize(("variant", "gaps"), [("paper", 4), ("official", 3)])
def test_every_gap_is_as_likely_and_only_the_paper_s_reaches_the_end(variant, gaps):
    """With three words one mark is inserted: its place in the result is the gap."""
    seen = Counter(
        next(at for at, word in enumerate(words) if word in MARKS)
        for words in draws(make(variant=variant), WORDS[:3])
    )
    assert set(seen) == set(range(gaps))
    assert all(close(number, 6000, 1 / gaps) for number in seen.values())


@pytest.mark.parametrize("variant", ["paper", "official"])
def test_words_and_their_order_stay_and_no_gap_gets_two_marks(variant):
    for words in draws(make(variant=variant), WORDS, 500):
        assert [word for word in words if word not in MARKS] == WORDS
        assert not any(one in MARKS and other in MARKS for one, other in pairwise(words))


def test_the_six_marks_are_as_likely():
    seen = Counter(mark for words in draws(make(), ["one"]) for mark in words if mark != "one")
    assert set(seen) == {".", ";", "?", ":", "!", ","}
    assert all(close(number, 6000, 1 / 6) for number in seen.values())


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(max_size=120), seed=st.integers(0, 2**63 - 1), variant=st.sampled_from(["paper", "official"])
)
def test_any_text_keeps_its_words(text, seed, variant):
    method = make(variant=variant)
    new = method.perturb(text, random.Random(seed))
    assert new == method.perturb(text, random.Random(seed))
    if not text.split():
        assert new == text
    else:
        kept = iter(new.split())
        assert all(word in kept for word in text.split())

"""Search spaces: where trials look, and what they find there."""

from __future__ import annotations

import pytest

from matekd_bench import Choice, Range
from matekd_bench.methods.search_space import halton_point, trial_values


def test_a_range_is_spread_evenly_or_in_its_logarithms() -> None:
    assert [Range(0.0, 1.0).at(place) for place in (0.25, 0.123456)] == [0.25, 0.123]
    assert [Range(*ends, log=True).at(0.5) for ends in ((0.25, 4.0), (1e-6, 1e-4))] == [1.0, 1e-5]
    assert Range(1, 9).at(0.5) == 5
    assert isinstance(Range(1, 9).at(0.3), int)


def test_a_choice_gives_each_value_its_share() -> None:
    found = [Choice(("a", "b", "c")).at(at / 9) for at in range(9)]
    assert found == [*"aaabbbccc"]


@pytest.mark.parametrize("make", [
    lambda: Range(1.0, 1.0), lambda: Range(0.0, 1.0, log=True), lambda: Range(0.0, float("inf")),
    lambda: Choice((1,)),
])  # fmt: skip
def test_a_space_without_room_is_an_error(make) -> None:
    with pytest.raises(ValueError, match=r"range|choice"):
        make()


def radical_inverse(number: int, base: int) -> float:
    """The digits of `number` in `base` mirrored at the radix point, summed from the largest."""
    value, weight = 0.0, 1.0 / base
    while number:
        number, digit = divmod(number, base)
        value += digit * weight
        weight /= base
    return value


def test_places_are_those_of_halton_to_the_last_bit() -> None:
    assert [halton_point(number, 2)[0] for number in (2, 3, 4, 5)] == [0.25, 0.75, 0.125, 0.625]
    for number in (*range(1, 200), 40_321):
        expected = [radical_inverse(number, base) for base in (2, 3, 5, 7, 11, 13, 17, 19)]
        assert list(halton_point(number, 8)) == expected
    with pytest.raises(ValueError, match="at most 8"):
        halton_point(2, 9)


def test_places_fill_every_dimension_evenly() -> None:
    for values in zip(*(halton_point(number, 4) for number in range(2, 82)), strict=True):
        counts = [sum(at / 4 <= value < (at + 1) / 4 for value in values) for at in range(4)]
        assert max(counts) - min(counts) <= 4


def test_a_sample_has_every_name() -> None:
    assert trial_values({"lr": Range(0.25, 4.0, log=True), "kind": Choice(("a", "b"))}, 2) == {
        "lr": 0.5,
        "kind": "b",
    }

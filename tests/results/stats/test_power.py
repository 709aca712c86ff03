"""What a design can find: against simulated studies, and what it says where dev is the limit."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from matekd_bench.results.stats.example_scores import Noise
from matekd_bench.results.stats.intervals import Part, Variance, p_value, variance_of_mean
from matekd_bench.results.stats.power import Power, detectable_difference, power, power_line, seeds_needed

SMALL = Noise(5, seeds=3e-4, examples=1e-9, interaction=0.0)
TINY_DEV = Noise(5, seeds=3e-4, examples=5e-5, interaction=0.0)


def test_with_many_degrees_of_freedom_it_is_the_normal_formula() -> None:
    expected = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * 0.01
    assert detectable_difference(Variance((Part(1e-4, 1e6),))) == pytest.approx(expected, rel=1e-5)


def test_four_of_five_studies_find_it() -> None:
    rng = np.random.default_rng(0)
    seeds, sd = 5, 0.012
    target = detectable_difference(Noise(seeds, sd**2, 0.0, 0.0).with_seeds(seeds))
    found = 0
    for _ in range(1000):
        differences = rng.normal(target, sd, seeds)
        p = p_value(float(differences.mean()), variance_of_mean(list(differences)))
        found += p is not None and p < 0.05 and differences.mean() > 0
    assert 0.76 < found / 1000 < 0.84


def test_seeds_needed_is_the_first_number_that_is_enough() -> None:
    needed = seeds_needed(SMALL, 0.01)
    assert (
        detectable_difference(SMALL.with_seeds(needed))
        <= 0.01
        < detectable_difference(SMALL.with_seeds(needed - 1))
    )
    # the normal formula, (1.96 + .84)^2 * variance / target^2 = 23.5, a little more for the t
    assert needed in range(24, 27)
    assert seeds_needed(SMALL, 0.5) == 3
    assert seeds_needed(TINY_DEV, 0.01) is None


def test_power_and_its_line() -> None:
    found = power(SMALL, 3)
    assert found.detectable == pytest.approx(detectable_difference(SMALL.with_seeds(3)))
    assert found.floor == pytest.approx(2.8024 * 1e-9**0.5, rel=1e-3)
    assert list(found.seeds) == [0.005, 0.01]
    line = power_line("rte", found)
    numbers = [3, f"{100 * found.detectable:.1f}", 1, found.seeds[0.01], 0.5, found.seeds[0.005]]
    assert re.findall(r"[\d.]*\d", line) == list(map(str, numbers))


def test_a_dev_set_that_is_too_small_is_named() -> None:
    found = power(TINY_DEV, 5)
    assert found.floor > 0.01
    assert power_line("rte", found).count("too small") == 2


def test_lines_say_only_what_is_not_reached_yet() -> None:
    reached = power_line("mnli", Power(5, 0.004, 0.001, {0.005: 4, 0.01: 3}))
    assert re.findall(r"[\d.]*\d", reached) == ["5", "0.4"]
    line = power_line("qqp", Power(5, 0.008, 0.004, {0.005: None, 0.01: 3}))
    assert re.findall(r"[\d.]*\d", line) == ["5", "0.8", "0.5", "1000"]


def test_the_line_has_the_half_widths_that_were_reached() -> None:
    found = Power(5, 0.004, 0.001, {})
    assert "0.8 to 2.0 points" in power_line("rte", found, [0.0123, 0.0204, 0.008])
    assert " 0.8 points" in power_line("rte", found, [0.0081, 0.0082])


def test_no_noise_no_power() -> None:
    assert power(Noise(3, 0.0, 0.0, 0.0), 3) is None

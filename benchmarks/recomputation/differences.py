"""The difference of two rows on one task and over tasks: variance, p value and interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import scipy.optimize
import scipy.stats

from recomputation.folder import Run
from recomputation.metrics import Array

TINY = 1e-300
LOWEST, HIGHEST = -60.0, 8.0  # of the logarithm of chi-squared: what lies beyond has no weight


@dataclass(frozen=True)
class OnTask:
    """A mean difference over common seeds, with its variance in parts: seeds, and what else there is."""

    delta: float
    n: int
    of_seeds: float  # MS_seeds / (n N)
    rest: float  # (MS_examples - MS_interaction) / (n N)
    least: float  # MS_interaction / (n N)

    @cached_property
    def variance(self) -> float:
        return max(self.of_seeds + self.rest, self.least)

    @cached_property
    def _spreads(self) -> tuple[Array, Array]:
        """Standard errors that the difference may have, and their weights: a quadrature over log chi-squared.

        Gauss and Legendre's rule on short pieces, on either side of the kink where the least variance takes over.
        """
        degrees, kink = self.n - 1, self.of_seeds * (self.n - 1) / max(self.least - self.rest, TINY)
        ends = sorted({LOWEST, HIGHEST, min(max(math.log(max(kink, TINY)), LOWEST), HIGHEST)})
        edges = np.unique(np.concatenate([np.linspace(low, high, 80) for low, high in pairwise(ends)]))
        nodes, weights = np.polynomial.legendre.leggauss(20)
        half = np.diff(edges)[:, None] / 2
        x = (edges[:-1, None] + half + half * nodes).ravel()
        density = np.exp(scipy.stats.chi2.logpdf(np.exp(x), degrees) + x)
        seeds = self.of_seeds * degrees * np.exp(-x)
        return np.sqrt(np.maximum(seeds + self.rest, self.least)), (half * weights).ravel() * density

    def p_of(self, distance: float) -> float:
        """Two-sided p of a difference of this size, averaged over what the variance of seeds may be."""
        if not distance:
            return 1.0
        if not self.of_seeds:
            return float(2 * scipy.stats.norm.sf(abs(distance) / math.sqrt(self.variance)))
        spreads, weights = self._spreads
        return float(2 * weights @ scipy.stats.norm.sf(abs(distance) / spreads))

    @cached_property
    def p(self) -> float | None:
        if self.variance:
            return self.p_of(self.delta)
        return None if self.delta else 1.0

    def half_width(self, alpha: float) -> float:
        """The distance whose p value is alpha."""
        if not self.variance:
            return 0.0
        top = scipy.stats.t.isf(alpha / 2, self.n - 1) * np.sqrt(self.variance + self.least) * 2
        return float(scipy.optimize.brentq(lambda size: self.p_of(size) - alpha, 0, top, xtol=1e-14))


def difference(rows: Sequence[Run], others: Sequence[Run]) -> OnTask:
    """Rows less others, seed by seed: both have the same seeds in the same order."""
    n = len(rows)
    weight = 1 / len(rows[0].contributions)
    seeds, rest, least = np.zeros(n), 0.0, 0.0
    for split in rows[0].contributions:
        table = np.array(
            [
                row.contributions[split] - other.contributions[split]
                for row, other in zip(rows, others, strict=True)
            ]
        )
        seeds += weight * table.mean(1)
        examples, interaction = _mean_squares(table)
        rest += weight**2 * (examples - interaction) / table.size
        least += weight**2 * interaction / table.size
    scores = np.array([[run.last for run in side] for side in (rows, others)], dtype=float)
    delta = float((scores[0] - scores[1]).mean())
    return OnTask(delta, n, float(seeds.var(ddof=1)) / n, rest, least)


def _mean_squares(table: Array) -> tuple[float, float]:
    """Mean squares of examples and of the interaction in a table of seeds by examples."""
    n, N = table.shape
    of_seeds, of_examples = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    left = table - of_seeds - of_examples + table.mean()
    return n * float(of_examples.var(ddof=1)), float((left**2).sum()) / ((n - 1) * (N - 1))


@dataclass(frozen=True)
class OverTasks:
    """The mean of the tasks' differences, with Satterthwaite's degrees of freedom."""

    parts: Sequence[OnTask]

    @cached_property
    def delta(self) -> float:
        return float(np.mean([part.delta for part in self.parts]))

    @cached_property
    def variance(self) -> float:
        return sum(part.variance for part in self.parts) / len(self.parts) ** 2

    @cached_property
    def freedom(self) -> float:
        variances = np.array([part.variance for part in self.parts])
        return float(variances.sum() ** 2 / sum(part.variance**2 / (part.n - 1) for part in self.parts))

    @cached_property
    def p(self) -> float | None:
        if not self.variance:
            return None if self.delta else 1.0
        return float(2 * scipy.stats.t.sf(abs(self.delta) / np.sqrt(self.variance), self.freedom))

    def half_width(self, alpha: float) -> float:
        if not self.variance:
            return 0.0
        return float(scipy.stats.t.isf(alpha / 2, self.freedom) * np.sqrt(self.variance))

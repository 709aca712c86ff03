"""How often the suite's statistics are wrong, by simulation: the level of its tests, and the marks of its tables.

    python benchmarks/simulate_statistics.py --studies 2000

Studies are simulated in which all rows are equal: rows share the examples, and runs with one seed share a part of
their luck (`correlation`). Each line is a setting with the share of studies in which the suite sees a difference that
is not there; 5 of 100 is what a test promises.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from scipy.special import stdtr

from matekd_bench.results.stats.differences import RowScores, difference
from matekd_bench.results.stats.example_scores import Gold, Noise, example_scores
from matekd_bench.results.stats.intervals import p_value
from matekd_bench.results.stats.summary import summarize
from matekd_bench.tasks.task import MetricName

METRICS: tuple[MetricName, ...] = ("accuracy", "matthews", "pearson")
SEEDS = (3, 5, 10)
LIMITS = (0.05, 0.0056, 0.00022)  # .05, the first step of Holm over nine rows, and .01 over their 45 pairs
CORRELATIONS = (-0.3, 0.0, 0.5, 0.9)
# Standard deviations of the luck of a seed and of a row's own strengths and weaknesses on examples, in the units of
# the noise of one answer
LUCK = {"seeds and examples": (0.15, 0.5), "examples only": (0.0, 0.5), "seeds only": (0.15, 0.0)}


class Simulation:
    """Studies of equal rows on one simulated task of `n` examples."""

    def __init__(
        self, metric: MetricName, n: int, seeds: int, correlation: float, luck: tuple[float, float]
    ) -> None:
        self.metric: MetricName = metric
        self.n, self.seeds = n, seeds
        self.correlation, (self.seed_sd, self.example_sd) = correlation, luck

    def study(self, rng: np.random.Generator, rows: int) -> list[RowScores]:
        """Simulate the scores of equal rows."""
        gold = rng.normal(size=self.n) if self.metric == "pearson" else rng.integers(2, size=self.n)
        scored = Gold((self.metric,), (gold,))
        difficulty, luck = rng.normal(1.0, 1.0, self.n), self._luck_of_seeds(rng, rows)
        return [self._row(rng, scored, difficulty, luck[row]) for row in range(rows)]

    def _luck_of_seeds(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        """Draw the luck of each row's runs [rows, seeds], with the correlation between rows of the same seed."""
        covariance = np.full((rows, rows), self.correlation)
        np.fill_diagonal(covariance, 1.0)
        return self.seed_sd * rng.multivariate_normal(np.zeros(rows), covariance, size=self.seeds).T

    def _row(
        self, rng: np.random.Generator, scored: Gold, difficulty: np.ndarray, luck: np.ndarray
    ) -> RowScores:
        [gold] = scored.labels
        strengths = difficulty + self.example_sd * rng.normal(size=self.n)
        runs = {}
        for seed in range(self.seeds):
            answer = strengths + luck[seed] + rng.normal(size=self.n)
            if self.metric == "pearson":
                runs[seed] = (gold + np.exp(-luck[seed]) * (answer - 1.0 - luck[seed]),)
            else:
                runs[seed] = (np.where(answer > 0, gold, 1 - gold),)
        scores = {seed: scored.score(run) for seed, run in runs.items()}
        return RowScores(scores, example_scores(scored, runs))


def levels(studies: int, n: int) -> Iterator[str]:
    """Yield a line for each setting: how many of 100 differences of two equal rows have p < .05, and the half-width."""
    for metric in METRICS:
        for name, luck in LUCK.items():
            for seeds in SEEDS:
                yield f"{metric:9} {name:20} {seeds:2} seeds: " + "  ".join(
                    _level(Simulation(metric, n, seeds, correlation, luck), studies)
                    for correlation in CORRELATIONS
                )


def _level(simulation: Simulation, studies: int) -> str:
    rng, found, widths = np.random.default_rng(0), 0, []
    for _ in range(studies):
        compared = difference(*simulation.study(rng, 2))
        if compared is None or compared.p is None or (interval := compared.interval()) is None:
            raise ValueError("a simulated study has a difference with an interval")
        found += compared.p < 0.05
        widths.append((interval.high - interval.low) / 2)
    return f"{simulation.correlation:+.1f}: {100 * found / studies:.1f} (±{100 * float(np.mean(widths)):.1f})"


def tables(studies: int, n: int, rows: int = 10) -> Iterator[str]:
    """Yield a line for each setting: in how many of 100 tables of equal rows no verdict and no rank tells two apart."""
    for seeds in SEEDS:
        for correlation in (0.0, 0.5, 0.9):
            simulation = Simulation("accuracy", n, seeds, correlation, LUCK["seeds and examples"])
            rng, verdicts, marks = np.random.default_rng(1), 0, 0
            for _ in range(studies):
                table = {str(number): {"task": row} for number, row in enumerate(simulation.study(rng, rows))}
                found = summarize(table, tasks=["task"], reference="0", families=[list(table)[1:]])
                verdicts += all(row.verdict not in ("better", "worse") for row in found.rows.values())
                marks += all(row.rank is not None and row.rank.with_best for row in found.rows.values())
            yield (
                f"{rows} rows, {seeds:2} seeds, correlation {correlation:+.1f}: no verdict in "
                f"{100 * verdicts / studies:.1f}, all level with the best in {100 * marks / studies:.1f}"
            )


def tails(studies: int = 50_000, n: int = 200) -> Iterator[str]:
    """Yield a line for each number of seeds: how often p falls below thresholds that Holm's correction needs.

    Mean squares are drawn directly; the standard deviations over seeds and examples are .3 of the interaction's. The
    suite's p values stand beside those of Student's distribution with Satterthwaite's degrees of freedom.
    """
    for seeds in (3, 5, 8):
        rng, expected = np.random.default_rng(2), (0.09 * n + 1, 0.09 * seeds + 1, 1.0)
        dfs = (seeds - 1, n - 1, (seeds - 1) * (n - 1))
        squares = [mean * rng.chisquare(df, studies) / df for mean, df in zip(expected, dfs, strict=True)]
        deltas = rng.normal(0, ((expected[0] + expected[1] - 1) / (n * seeds)) ** 0.5, studies)
        shares = {"suite": np.empty(studies), "Satterthwaite": np.empty(studies)}
        for study, (of_seeds, of_examples, rest) in enumerate(zip(*squares, strict=True)):
            noise = Noise(seeds, of_seeds / n, of_examples / (n * seeds), rest / (n * seeds)).with_seeds(
                seeds
            )
            df = (noise.value * n * seeds) ** 2 / (of_seeds**2 / dfs[0] + of_examples**2 / dfs[1])
            shares["suite"][study] = p_value(deltas[study], noise)
            shares["Satterthwaite"][study] = 2 * stdtr(max(df, dfs[0]), -abs(deltas[study]) / noise.error)
        for name, values in shares.items():
            below = ", ".join(f"p < {limit:g}: {100 * np.mean(values < limit):.2g} %" for limit in LIMITS)
            yield f"{seeds} seeds, {name}: {below}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all simulations."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--examples", type=int, default=500)
    typed = parser.parse_args(arguments)
    for line in chain(tails(), tables(typed.studies, typed.examples), levels(typed.studies, typed.examples)):
        print(line, flush=True)


if __name__ == "__main__":
    main()

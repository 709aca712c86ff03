"""Two checkpoints on the same examples: exact McNemar for accuracy, a permutation test otherwise.

Such a test says nothing of the methods that made them: another seed makes another checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from matekd_bench.files.hashing import lines_digest
from matekd_bench.results.stats.example_effects import Gold, Predictions
from matekd_bench.results.stats.weighted_metrics import Values, weighted_scores
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import Floats

PERMUTATIONS = 2_000  # Spearman on STS-B takes two seconds; p is known to about .005 near .05
SCOPE = "these two checkpoints only"


@dataclass(frozen=True)
class CheckpointComparison:
    """Two checkpoints: scores, their difference and a two-sided p.

    `only_own` and `only_other` count the examples that one alone has right; None for a regression.
    """

    test: Literal["exact McNemar", "permutation"]
    own: float
    other: float
    p: float
    n: int
    only_own: int | None
    only_other: int | None
    scope: str = SCOPE

    @property
    def delta(self) -> float:
        """The difference, own less other."""
        return self.own - self.other


def compare_checkpoints(gold: Gold, own: Predictions, other: Predictions) -> CheckpointComparison:
    """Compare the predictions of two checkpoints for the dev splits of one task.

    Several splits of an accuracy task (MNLI) are pooled for McNemar's test.
    """
    counts = _discordant(gold, own, other)
    p = mcnemar(*counts) if gold.linear else permutation_test(gold, own, other)
    known = all(labels.dtype.kind in "iub" for labels in gold.labels)
    return CheckpointComparison(
        test="exact McNemar" if gold.linear else "permutation",
        own=gold.score(own),
        other=gold.score(other),
        p=p,
        n=gold.n,
        only_own=counts[0] if known else None,
        only_other=counts[1] if known else None,
    )


def _discordant(gold: Gold, own: Predictions, other: Predictions) -> tuple[int, int]:
    only_own = only_other = 0
    for labels, a, b in zip(gold.labels, own, other, strict=True):
        only_own += int(np.sum((a == labels) & (b != labels)))
        only_other += int(np.sum((a != labels) & (b == labels)))
    return only_own, only_other


def mcnemar(only_own: int, only_other: int) -> float:
    """The exact two-sided p of McNemar's (1947) test from the two discordant counts; 1 where there are none."""
    from scipy.special import bdtr

    total = only_own + only_other
    return min(1.0, 2 * float(bdtr(min(only_own, only_other), total, 0.5))) if total else 1.0


def permutation_test(gold: Gold, own: Predictions, other: Predictions, times: int = PERMUTATIONS) -> float:
    """The two-sided p of the difference of scores when the two may change places on each example.

    (1 + permutations with a difference at least as large) / (1 + `times`): never 0. Drawn from a digest of
    labels and predictions.
    """
    splits = list(zip(gold.labels, own, other, strict=True))
    content = (str(part.tolist()) for split in splits for part in split)
    rng = np.random.default_rng(seed_of("permutation", lines_digest(content)))
    drawn = np.mean([_permuted(gold, *split, times, rng) for split in splits], axis=0)
    observed = abs(gold.score(own) - gold.score(other))
    hits = int(np.sum(np.abs(drawn) >= observed - 1e-12))  # equal up to rounding is as large
    return (1 + hits) / (1 + times)


def _permuted(
    gold: Gold, labels: Values, own: Values, other: Values, times: int, rng: np.random.Generator
) -> Floats:
    """The differences [times] on one split.

    Examples with equal labels and predictions go together: how many of them change places is binomial.
    """
    patterns, counts = np.unique(np.stack([labels, own, other]), axis=1, return_counts=True)
    label, a, b = patterns
    swapped = rng.binomial(counts, 0.5, size=(times, len(counts)))
    kept = counts - swapped
    truth, said = np.concatenate([label, label]), np.concatenate([a, b])
    first = weighted_scores(gold.metrics, truth, [said], np.hstack([kept, swapped]))
    second = weighted_scores(gold.metrics, truth, [said], np.hstack([swapped, kept]))
    return (first - second)[:, 0]

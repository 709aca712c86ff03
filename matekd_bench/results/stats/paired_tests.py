"""Tests of two checkpoints on the same examples: exact McNemar for accuracy, a permutation test otherwise.

Such a test does not compare the methods that trained them: another seed gives another checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from matekd_bench.files.hashing import lines_digest
from matekd_bench.results.stats.example_scores import Answers, Gold
from matekd_bench.results.stats.leave_one_out import Values
from matekd_bench.results.stats.weighted_metrics import weighted_scores
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import Floats

PERMUTATIONS = 2_000  # standard error of p near .05: .005; Spearman on STS-B takes two seconds
SCOPE = "these two checkpoints only"


@dataclass(frozen=True)
class CheckpointComparison:
    """The result of comparing two checkpoints: both scores, as fractions, and a two-sided p value.

    `only_own` and `only_other` count the examples that only one of them predicts correctly; None for a regression.
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
        """The difference `own - other`."""
        return self.own - self.other


def compare_checkpoints(gold: Gold, own: Answers, other: Answers) -> CheckpointComparison:
    """Compare the predictions of two checkpoints on the dev splits of one task.

    McNemar's test pools the splits of an accuracy task that has several (MNLI).
    """
    counts = _discordant_counts(gold, own, other)
    p = mcnemar(*counts) if gold.linear else permutation_test(gold, own, other)
    classification = all(labels.dtype.kind in "iub" for labels in gold.labels)  # integer labels
    return CheckpointComparison(
        test="exact McNemar" if gold.linear else "permutation",
        own=gold.score(own),
        other=gold.score(other),
        p=p,
        n=gold.n,
        only_own=counts[0] if classification else None,
        only_other=counts[1] if classification else None,
    )


def _discordant_counts(gold: Gold, own: Answers, other: Answers) -> tuple[int, int]:
    """Count the examples that only `own` and only `other` predict correctly."""
    only_own = only_other = 0
    for labels, a, b in zip(gold.labels, own, other, strict=True):
        only_own += int(np.sum((a == labels) & (b != labels)))
        only_other += int(np.sum((a != labels) & (b == labels)))
    return only_own, only_other


def mcnemar(only_own: int, only_other: int) -> float:
    """Compute the exact two-sided p of McNemar's test (McNemar 1947) from the two discordant counts.

    Under the null hypothesis `only_own` is binomial with probability 1/2. Returns 1 if both counts are 0.
    """
    from scipy.special import bdtr

    total = only_own + only_other
    return min(1.0, 2 * float(bdtr(min(only_own, only_other), total, 0.5))) if total else 1.0


def permutation_test(gold: Gold, own: Answers, other: Answers, times: int = PERMUTATIONS) -> float:
    """Compute the two-sided p of the difference of scores by swapping the two predictions of random examples.

    p = (1 + permutations with a difference at least as large) / (1 + `times`), so it is never 0. The seed is a
    digest of labels and predictions: the same input gives the same p.
    """
    splits = list(zip(gold.labels, own, other, strict=True))
    content = (str(array.tolist()) for split in splits for array in split)
    rng = np.random.default_rng(seed_of("permutation", lines_digest(content)))
    permuted = np.mean([_permuted_differences(gold, *split, times, rng) for split in splits], axis=0)
    observed = abs(gold.score(own) - gold.score(other))
    hits = int(
        np.sum(np.abs(permuted) >= observed - 1e-12)
    )  # a tie up to rounding counts as at least as large
    return (1 + hits) / (1 + times)


def _permuted_differences(
    gold: Gold, labels: Values, own: Values, other: Values, times: int, rng: np.random.Generator
) -> Floats:
    """Draw the differences of scores [times] on one split.

    Examples with the same label and the same two predictions are drawn together: the number of them that are
    swapped is binomial. That is the same distribution as swapping each example, and much faster.
    """
    patterns, counts = np.unique(np.stack([labels, own, other]), axis=1, return_counts=True)
    label, a, b = patterns
    swapped = rng.binomial(counts, 0.5, size=(times, len(counts)))
    unswapped = counts - swapped
    truth, predicted = np.concatenate([label, label]), np.concatenate([a, b])
    first = weighted_scores(gold.metrics, truth, [predicted], np.hstack([unswapped, swapped]))
    second = weighted_scores(gold.metrics, truth, [predicted], np.hstack([swapped, unswapped]))
    return (first - second)[:, 0]

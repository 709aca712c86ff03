"""Evidence that a teacher is better than the majority class, from its recorded metrics alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

CORRELATIONS = ("pearson", "spearman")


def p_above_majority(metrics: Mapping[str, float], n: int, majority_score: float) -> float | None:
    """Compute the one-sided p of a teacher that is no better than the majority class; None if no metric allows a test.

    `metrics` are the teacher's on all `n` dev rows, `majority_score` is the task's score of the majority class.
    Accuracy: the exact binomial test against the share of the majority class. Matthews: `sqrt(n) r` is standard normal
    without association, as n r^2 is chi-squared (Cramer 1946). Pearson and Spearman: the t test of a correlation.
    """
    from scipy.special import bdtrc, ndtr, stdtr

    share = majority_share(tuple(metrics), majority_score)
    if share is not None:
        right = round(metrics["accuracy"] * n)
        return float(bdtrc(right - 1, n, share)) if right > 0 else 1.0
    if "matthews" in metrics:
        return float(ndtr(-math.sqrt(n) * metrics["matthews"]))
    known = [metrics[name] for name in CORRELATIONS if name in metrics]
    if not known or n < 3:
        return None
    r = min(known)
    return 0.0 if r >= 1 else float(stdtr(n - 2, -r * math.sqrt((n - 2) / (1 - r**2))))


def majority_share(metrics: Sequence[str], score: float) -> float | None:
    """Return the accuracy of the majority class from its task score; None if these metrics do not give it.

    With F1 as well, the score is `(m + 2 m / (1 + m)) / 2` if class 1 is the most frequent, and `m / 2` if class 0 is.
    Of two solutions the larger share is returned, which is the stricter choice. Matthews is 0 for a single class.
    """
    if set(metrics) in ({"accuracy"}, {"accuracy", "matthews"}):
        return score * len(metrics)
    if set(metrics) != {"accuracy", "f1"}:
        return None
    b = 3 - 2 * score
    class_1 = (-b + math.sqrt(b * b + 8 * score)) / 2
    return max(share for share in (class_1, 2 * score) if share <= 1)

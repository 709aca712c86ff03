"""The statistics of the label gate: which order of a teacher's classes fits best, and how strong the evidence is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[np.int64]

SHUFFLES = 5  # random orders of the examples; the results are averaged, so that little depends on one of them
BLOCKS = 50  # how often per shuffle the best order is found again; each takes a millisecond for 150 classes
STAKES = np.linspace(0.1, 0.9, 9)  # shares of the capital that are bet; the results are averaged


def confusion(predicted: Classes, gold: Classes, classes: int) -> Classes:
    """Count the examples [C, C] by predicted (row) and gold class (column)."""
    return np.bincount(predicted * classes + gold, minlength=classes**2).reshape(classes, classes)


def best_order(counts: Classes) -> Classes:
    """Return the class [C] as which each predicted class should be read, so that most examples are correct.

    This is the assignment problem on the confusion counts [C, C]. A class is moved only if that gains an example.
    """
    from scipy.optimize import linear_sum_assignment

    size = len(counts)
    # One example outweighs all ties, which are settled in favor of the class itself.
    order: Classes = linear_sum_assignment(counts * (size + 1) + np.eye(size, dtype=int), maximize=True)[1]
    return order


def order_p_value(predicted: Classes, gold: Classes, classes: int, seed: int) -> float:
    """Return a p value against the hypothesis that the classes are in their right order, for any number of classes.

    Null hypothesis: the answers of different examples are independent, and for any two classes a and b, examples of
    class a are answered with a at least as often as examples of class b, `P(a | gold a) >= P(a | gold b)`. It holds for
    a teacher that is seldom right, that answers at random, or that always gives the same answer.

    The test is a bet. It goes through the examples [n] in random order (`seed`). It reads each predicted class a as
    class b, in the order that best fits the examples *before* it. If b differs from a and the gold class is one of the
    two, a share s of the capital is bet on b. With L examples of each class left, the null hypothesis gives b a
    probability of at most `q = L(b) / (L(a) + L(b))`, for any frequencies of the classes. The capital starts at 1. It
    is multiplied by `1 + s (1 - q) / q = 1 + s L(a) / L(b)` if b is right, and by `1 - s` if a is. So its expected
    value does not grow, nor does that of its average over :data:`STAKES` and :data:`SHUFFLES`. By Markov's inequality
    the capital reaches 1/p with a probability of at most p. No correction for the number of orders is needed, since no
    order is tested on the examples by which it was chosen.

    Source: Shafer 2021, Testing by betting, J. R. Stat. Soc. A 184(2), 407-431.
    """
    rng = np.random.default_rng(seed)
    log_capitals = []
    for _ in range(SHUFFLES):
        rows = rng.permutation(len(gold))
        log_capitals.append(log_capital(predicted[rows], gold[rows], classes))
    mean = np.logaddexp.reduce(np.concatenate(log_capitals)) - np.log(SHUFFLES * len(STAKES))
    return float(np.exp(-max(mean, 0.0)))


def log_capital(predicted: Classes, gold: Classes, classes: int) -> NDArray[np.float64]:
    """Return the logarithm of the capital for each of :data:`STAKES` after a bet on every example in turn."""
    left = np.bincount(gold, minlength=classes)
    logs = np.zeros(len(STAKES))
    size = -(-len(gold) // BLOCKS)
    for start in range(0, len(gold), size):
        order = best_order(confusion(predicted[:start], gold[:start], classes))
        for own, right in zip(predicted[start : start + size], gold[start : start + size], strict=True):
            other = order[own]
            if other != own and right in (own, other) and left[own] and left[other]:
                won = right == other
                logs += np.log1p(STAKES * left[own] / left[other] if won else -STAKES)
            left[right] -= 1
    return logs

"""The label gate: which order of a given teacher's classes fits best, and when that stops a study."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import log1p
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from matekd_bench.distill.artifacts.given_teacher import check_labels
from matekd_bench.distill.artifacts.label_gate import (
    SHUFFLES,
    STAKES,
    best_order,
    confusion,
    log_capital,
    order_p_value,
)
from matekd_bench.errors import CheckpointError
from matekd_bench.tasks.task import Examples
from rig import toy_task

TEACHER = SimpleNamespace(source=SimpleNamespace(id="given"))


def gate(predicted, gold, classes, *, named=False, cut=None):
    """What the gate says of a teacher with these answers; `cut` splits the rows into two dev splits."""
    task = replace(toy_task(), labels=tuple(f"c{index}" for index in range(classes)))
    logits = torch.eye(classes)[torch.as_tensor(predicted)]
    pieces = [slice(0, cut), slice(cut, None)] if cut else [slice(None)]
    return check_labels(
        task, TEACHER, [logits[piece] for piece in pieces], [examples(gold[piece]) for piece in pieces], named=named
    )  # fmt: skip


def examples(gold):
    rows = len(gold)
    return Examples("dev", ("u",) * rows, (("x",),) * rows, tuple(int(label) for label in gold), rows)


def answers(rng, classes, rows, right):
    """Gold classes, and answers of which a share is right and the others are drawn from all other classes."""
    gold = np.arange(rows) % classes
    wrong = (gold + 1 + rng.integers(0, classes - 1, rows)) % classes
    return np.where(rng.random(rows) < right, gold, wrong), gold


def test_the_capital_is_what_the_bets_make_of_it():
    """Against a computation of its own: all orders are tried, and the odds are those of the rows that are left."""
    rng = np.random.default_rng(1)
    rows, classes = 40, 3
    predicted, gold = answers(rng, classes, rows, 0.7)
    predicted = np.array([2, 0, 1])[predicted]
    expected = [0.0] * len(STAKES)
    bets = 0
    for now in range(rows):
        before = list(zip(predicted[:now], gold[:now], strict=True))
        fits = {
            order: (sum(order[p] == g for p, g in before), sum(i == j for i, j in enumerate(order)))
            for order in itertools.permutations(range(classes))
        }
        order = tuple(best_order(confusion(predicted[:now], gold[:now], classes)))
        assert fits[order] == max(fits.values())  # of equal ones any will do
        own, other = int(predicted[now]), int(order[predicted[now]])
        left = [int((gold[now:] == label).sum()) for label in range(classes)]
        if other == own or gold[now] not in (own, other):
            continue
        chance = left[other] / (left[own] + left[other])
        for index, stake in enumerate(STAKES):
            won = gold[now] == other
            expected[index] += log1p(stake * (1 - chance) / chance if won else -stake)
        bets += 1
    assert bets > 20
    assert log_capital(predicted, gold, classes) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("predicted", "gold"),
    [
        ((0, 0, 0, 0, 0, 0), (0, 1, 1, 1, 1, 1)),
        ((0, 1, 1, 0, 1, 0), (0, 1, 1, 0, 1, 1)),
        ((0, 1, 2, 0, 1, 2), (0, 0, 1, 1, 2, 2)),
    ],
)
def test_a_bet_on_answers_that_know_nothing_is_fair(predicted, gold):
    """Every stake keeps its capital of 1 on average over all ways to deal the gold classes to the answers."""
    capitals = [
        np.exp(log_capital(np.array(predicted), np.array(dealt), 3)) for dealt in itertools.permutations(gold)
    ]
    assert np.mean(capitals, axis=0) == pytest.approx(np.ones(len(STAKES)), abs=1e-12)


def test_the_p_value_is_one_over_the_mean_capital():
    predicted, gold = answers(np.random.default_rng(2), 4, 60, 0.8)
    predicted = (predicted + 1) % 4
    rng = np.random.default_rng(11)
    dealt = [rng.permutation(60) for _ in range(SHUFFLES)]
    capital = np.mean([np.exp(log_capital(predicted[rows], gold[rows], 4)) for rows in dealt])
    assert order_p_value(predicted, gold, 4, 11) == pytest.approx(1 / capital)
    assert order_p_value(gold, gold, 4, 11) == pytest.approx(1.0)


def test_honest_weak_teachers_pass():
    """500 weak teachers: at chance, or right on a fifth of the rows, or with one answer for nearly every row."""
    refused = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        classes = (2, 3, 6, 9)[seed % 4]
        predicted, gold = answers(rng, classes, 50, max(1 / classes, 0.2))
        if seed % 3 == 0:  # one class is rare, and is nearly its only answer
            gold = np.where(rng.random(50) < 0.8, classes - 1, gold)
            predicted = np.where(rng.random(50) < 0.9, 0, predicted)
        try:
            gate(predicted, gold, classes)
        except CheckpointError:
            refused += 1
    assert refused <= 1


@pytest.mark.parametrize(("classes", "rows"), [(2, 80), (6, 150), (77, 231), (150, 300)])
def test_swapped_good_teachers_are_refused(classes, rows):
    for seed in range(5):
        predicted, gold = answers(np.random.default_rng(seed), classes, rows, 0.9)
        assert gate(predicted, gold, classes) is None
        order = [1, 0, *range(2, classes)] if classes <= 6 else np.roll(np.arange(classes), 1)
        with pytest.raises(CheckpointError, match=r"'given'.*points"):
            gate(np.array(order)[predicted], gold, classes)


def test_the_message_names_the_moved_classes_of_all_splits():
    gold = np.arange(60) % 3
    with pytest.raises(CheckpointError, match=r"66\.7 points.* read as: c1 as c2, c2 as c1\."):
        gate(np.array([0, 2, 1])[gold], gold, 3, cut=20)
    many = np.arange(231) % 77
    with pytest.raises(CheckpointError, match=r"c5 as c6 and 71 more\."):
        gate((many - 1) % 77, many, 77)


def test_a_teacher_with_the_names_of_the_task_is_only_warned_of():
    gold = np.arange(60) % 2
    warning = gate(1 - gold, gold, 2, named=True)
    assert warning is not None
    assert "c0 as c1, c1 as c0" in warning


@pytest.mark.parametrize(
    ("right", "wrong", "ends"),
    [(25, 35, "silent"), (920, 1080, "warned"), (10, 40, "refused"), (2, 8, "silent")],
)
def test_the_gate_stops_only_where_the_evidence_is_strong(right, wrong, ends):
    gold = np.arange(right + wrong) % 2
    predicted = np.where(np.arange(right + wrong) < right, gold, 1 - gold)
    if ends == "refused":
        with pytest.raises(
            CheckpointError, match=f"better by {100 * (wrong - right) / (right + wrong):.1f} points"
        ):
            gate(predicted, gold, 2)
    else:
        assert (gate(predicted, gold, 2) is None) == (ends == "silent")

"""Finds the dev examples on which two methods disagree most, over all seeds that both have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import softmax

from matekd_bench.results.leaderboard.evidence import Evidence, RunAnswers
from matekd_bench.results.leaderboard.task_columns import metrics_of
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.leave_one_out import Values
from matekd_bench.tasks.task import Task

DIGITS = 9  # of the distances that order examples: beyond them sums of floats differ from machine to machine
Answers: TypeAlias = tuple[float, ...]  # class ids or scores of one example, one for each seed


@dataclass(frozen=True)
class Disagreement:
    """One dev example that two methods answer differently.

    `label`, `a` and `b` are class ids, or scores in a regression; `a` and `b` hold one answer for each of the `seeds`.
    """

    split: str
    uid: str
    label: float
    seeds: tuple[int, ...]
    a: Answers
    b: Answers


def disagreements(
    runs_a: Sequence[Record],
    runs_b: Sequence[Record],
    evidence: Evidence,
    tasks: Mapping[str, Task],
    most: int,
) -> list[Disagreement]:
    """Return the (at most `most`) examples on which two methods disagree most, the largest disagreement first.

    `runs_a` and `runs_b` are the runs of each method on one task. Only seeds that both have, with predictions, count;
    diverged runs have none. In a classification, examples are ordered by the share of seeds whose answers differ, then
    by the distance (half of the L1 norm) between the probabilities of the classes, averaged over seeds. In a regression
    they are ordered by the difference of the mean scores. Examples that all seeds answer alike are not returned.
    """
    if not runs_a or not runs_b:
        return []
    metrics = metrics_of([*runs_a, *runs_b], tasks)
    a, b = (
        {run.identity.seed: answers for run in runs if (answers := evidence.answers(run, metrics))}
        for runs in (runs_a, runs_b)
    )
    seeds = tuple(seed for seed in sorted(a.keys() & b.keys()) if a[seed].logits and b[seed].logits)
    pairs = [(a[seed], b[seed]) for seed in seeds]
    if not pairs:
        return []
    found = [
        (size, distance, example)
        for split in range(len(pairs[0][0].dev.splits))
        for size, distance, example in _of_split(pairs, split, seeds)
    ]
    found.sort(key=lambda item: (-item[0], -item[1], item[2].split, item[2].uid))
    return [example for _, _, example in found[:most]]


def _of_split(
    pairs: Sequence[tuple[RunAnswers, RunAnswers]], split: int, seeds: tuple[int, ...]
) -> Iterator[tuple[float, float, Disagreement]]:
    """Yield the examples of one split whose answers differ, with the two numbers that they are ordered by."""
    dev = pairs[0][0].dev
    a, b = (np.array([pair[side].last[split] for pair in pairs], dtype=np.float64) for side in (0, 1))
    is_classification = _logits(pairs[0][0], split).shape[1] > 1
    if is_classification:
        size = (a != b).mean(axis=0)
        p, q = (
            np.mean([softmax(_logits(pair[side], split), axis=1) for pair in pairs], axis=0)
            for side in (0, 1)
        )
        distance = np.abs(p - q).sum(axis=1) / 2
    else:
        size = distance = np.abs(a.mean(axis=0) - b.mean(axis=0))
    for index in np.flatnonzero(size > 0):
        answers = (tuple(side[:, index].tolist()) for side in (a, b))
        example = Disagreement(
            dev.splits[split], dev.uids[split][index], float(dev.labels[split][index]), seeds, *answers
        )
        yield float(size[index]), round(float(distance[index]), DIGITS), example


def _logits(answers: RunAnswers, split: int) -> Values:
    assert answers.logits is not None, "pairs without logits are left out"
    return answers.logits[split]

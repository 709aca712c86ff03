"""What the design of a task could find, and how many seeds a smaller difference takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import scipy.stats

from recomputation.board import Board
from recomputation.differences import OnTask

POWER, FEWEST, MOST = 0.8, 3, 1000
TARGETS = {"1 point": 0.01, "0.5 points": 0.005}


def power_lines(board: Board) -> Iterator[tuple[str, float, int, Mapping[str, str]]]:
    """Task, detectable difference in points, seeds, and the answer for each smaller target."""
    tested = board.families[0] or board.families[1]
    for task in board.informative:
        parts = [board.pairs[name].parts.get(task) for name in tested]
        varied = sorted((part for part in parts if part is not None and part.variance), key=detectable)
        if varied:
            middle = varied[len(varied) // 2]
            smaller = {name: size for name, size in TARGETS.items() if size < detectable(middle)}
            answers = {name: _answer(middle, size) for name, size in smaller.items()}
            yield task, 100 * detectable(middle), middle.n, answers


def detectable(part: OnTask) -> float:
    """The true difference that four of five such studies find at 5 %."""
    return part.half_width(0.05) + float(scipy.stats.norm.ppf(POWER)) * math.sqrt(part.variance)


def _answer(part: OnTask, size: float) -> str:
    of_examples = math.sqrt(max(part.rest, 0.0))
    if float(scipy.stats.norm.ppf(0.975) + scipy.stats.norm.ppf(POWER)) * of_examples > size:
        return "the dev set is too small"
    low, high = FEWEST, MOST + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable(_with_seeds(part, middle)) <= size else (middle + 1, high)
    return f"use {low} seeds" if low <= MOST else f"use more than {MOST} seeds"


def _with_seeds(part: OnTask, n: int) -> OnTask:
    share = part.n / n
    return replace(part, n=n, of_seeds=part.of_seeds * share, least=part.least * share)

"""The GLUE score is the one of four published rows: metrics averaged first, MNLI as one task, WNLI included.

Test scores of Turc et al. (2019), in the README of google-research/bert.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.tasks.task import Suite

TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
PUBLISHED = {
    "tiny": (
        64.2,
        [(0.0,), (83.2,), (81.1, 71.1), (74.3, 73.6), (62.2, 83.4), (70.2, 70.3), (81.5,), (57.2,), (62.3,)],
    ),
    "mini": (
        65.8,
        [(0.0,), (85.9,), (81.1, 71.8), (75.4, 73.3), (66.4, 86.2), (74.8, 74.3), (84.1,), (57.9,), (62.3,)],
    ),
    "small": (
        71.2,
        [(27.8,), (89.7,), (83.4, 76.2), (78.8, 77.0), (68.1, 87.0), (77.6, 77.0), (86.4,), (61.8,), (62.3,)],
    ),
    "medium": (
        73.5,
        [(38.0,), (89.6,), (86.6, 81.6), (80.4, 78.4), (69.6, 87.9), (80.0, 79.1), (87.7,), (62.2,), (62.3,)],
    ),
}


def scores(make_record: Any, means: Sequence[float]) -> Mapping[str, float]:
    """The GLUE scores of one row with these task scores, in points."""
    records = [
        make_record(task=task, score=mean / 100, majority_score=None)
        for task, mean in zip(TASKS, means, strict=True)
    ]
    (table,) = build(records, tasks={}, suites=(Suite("glue", TASKS),)).tables
    return {name: 100 * value for name, value in table.rows[0].scores.items()}


# The parts are printed with one digit: their mean is known to .05, and the published mean is rounded too.
ROUNDING = 0.1


@pytest.mark.parametrize("model", PUBLISHED)
def test_the_published_rows(make_record: Any, model: str) -> None:
    published, parts = PUBLISHED[model]
    found = scores(make_record, [fmean(part) for part in parts])
    assert found["glue9"] == pytest.approx(published, abs=ROUNDING)
    assert found["glue8"] == pytest.approx(fmean(fmean(part) for part in parts[:-1]))


@pytest.mark.parametrize("model", PUBLISHED)
def test_other_definitions_do_not_give_them(make_record: Any, model: str) -> None:
    published, parts = PUBLISHED[model]
    flat = fmean(value for part in parts for value in part)
    first = fmean(part[0] for part in parts)
    mnli_twice = fmean([*(fmean(part) for part in parts), parts[5][0]])
    for other in (flat, first, mnli_twice, scores(make_record, [fmean(part) for part in parts])["glue8"]):
        assert abs(other - published) > ROUNDING

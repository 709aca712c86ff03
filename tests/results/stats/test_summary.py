"""The whole table at once: families, verdicts, places, and what may not be said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from matekd_bench.results.stats.differences import RowScores
from matekd_bench.results.stats.summary import Entries, summarize

TASKS = ("rte", "qnli")
GAINS = {"kd": 0.0, "same": 0.0, "good": 1.5, "bad": -1.5, "finetune": -0.5}
FAMILY = ("same", "good", "bad")


@pytest.fixture(scope="module")
def table(simulate: Any) -> dict[str, dict[str, RowScores]]:
    rng = np.random.default_rng(0)
    bases = {"rte": rng.normal(1, 2, 300), "qnli": rng.normal(2, 2, 3000)}
    noise = {"own": 0.2, "seed": 0.05, "both": 0.3}
    return {
        row: {task: simulate(rng, base, 4, gain=gain, **noise) for task, base in bases.items()}
        for row, gain in GAINS.items()
    }


def summary(table: Entries, **changes: Any) -> Any:
    return summarize(table, **{"tasks": TASKS, "reference": "kd", "families": [FAMILY], **changes})


def test_the_family_is_the_study_and_not_what_is_shown(table: Entries) -> None:
    """A method of the study without runs makes the others' p larger; a row outside it does not."""
    whole, more = summary(table), summary(table, families=[(*FAMILY, "not run yet")])
    ps = [whole.rows[row].p_holm for row in FAMILY]
    assert all(more.rows[row].p_holm >= p for row, p in zip(FAMILY, ps, strict=True))
    assert any(more.rows[row].p_holm > p for row, p in zip(FAMILY, ps, strict=True))
    fewer = {row: entries for row, entries in table.items() if row != "finetune"}
    assert [summary(fewer).rows[row].p_holm for row in FAMILY] == ps


def test_a_row_with_a_gap_claims_nothing_overall(table: Entries) -> None:
    entry = table["good"]["rte"]
    two = RowScores({s: entry.scores[s] for s in (0, 1)}, entry.examples)
    for hole in (two, RowScores(entry.scores, entry.examples, complete=False), RowScores(entry.scores, None)):
        found = summary({**table, "good": {**table["good"], "rte": hole}})
        row = found.rows["good"]
        assert (row.difference is not None) is hole.complete
        assert (row.p_holm, row.verdict, row.rank) == (None, None, None)
        assert (row.prob_improve is not None) is (hole.complete and len(hole.scores) > 2)
        assert (found.cells["good", "rte"].verdict, found.cells["good", "qnli"].verdict) == (None, "better")
    missing = summary({**table, "good": {"qnli": table["good"]["qnli"]}}).rows["good"]
    assert (missing.difference, missing.rank, missing.tasks_won) == (None, None, None)
    failed = summary({**table, "good": {**table["good"], "rte": RowScores({}, None, complete=False)}})
    assert (failed.cells["good", "rte"].spread, failed.rows["good"].rank) == (None, None)


def test_rows_that_are_not_compared_have_a_spread_and_a_place(table: Entries) -> None:
    found = summary(table, compared=("kd", *FAMILY))
    assert (found.rows["finetune"].difference, found.cells["finetune", "rte"].difference) == (None, None)


def test_differences_at_equal_cost_are_those_of_the_tested_rows(table: Entries) -> None:
    costs = {"kd": 1.0, "same": 1.0, "good": 1.0, "bad": 9.0, "finetune": 1.0}
    rows = summary(table, costs=costs, rivals=("kd",)).rows
    assert {row: rows[row].matched.rival for row in rows if rows[row].matched} == {"same": "kd", "good": "kd"}


@pytest.mark.parametrize("reference", [None, "absent"])
def test_no_reference_no_differences_but_places(table: Entries, reference: str | None) -> None:
    found = summary(table, reference=reference)
    assert all(row.difference is None and row.verdict is None for row in found.rows.values())
    assert found.rows["good"].rank.low == 1


def test_only_ranked_rows_have_places(table: Entries) -> None:
    found = summary(table, ranked=("kd", "good"))
    assert (found.rows["kd"].rank.low, found.rows["bad"].rank) == (2, None)


@pytest.mark.parametrize("seeds", [3, pytest.param(5, marks=pytest.mark.full)])
def test_a_study_of_nothing_claims_nothing(simulate: Any, seeds: int) -> None:
    """Five equal methods on two tasks: in 95 of 100 studies no verdict, no rank and no best set tells them apart."""
    rng = np.random.default_rng(seeds)
    rows, tasks, studies = ("kd", "a", "b", "c", "d"), ("rte", "mrpc"), 60
    wrong = {"rows": 0, "cells": 0, "ranks": 0, "best": 0}
    for _ in range(studies):
        bases = {task: rng.normal(1, 2, n) for task, n in zip(tasks, (277, 408), strict=True)}
        table = {
            row: {
                task: simulate(rng, base, seeds, own=0.5, seed=0.1, both=0.8) for task, base in bases.items()
            }
            for row in rows
        }
        found = summarize(table, tasks=tasks, reference="kd", families=[rows[1:]])
        places = [row.rank for row in found.rows.values() if row.rank is not None]
        assert len(places) == len(rows)
        told = {"better", "worse"}
        wrong["rows"] += any(row.verdict in told for row in found.rows.values())
        wrong["cells"] += any(cell.verdict in told for cell in found.cells.values())
        wrong["ranks"] += any((place.low, place.high) != (1, len(rows)) for place in places)
        wrong["best"] += any(not place.with_best for place in places)
    # 5 % of 60 are 3; 9 or more come about in fewer than 1 of 100 such tests
    assert max(wrong.values()) <= 8, wrong

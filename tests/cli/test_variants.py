"""Sweeps, wrappers and budgets from the command line to the table, with real runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.plugins.host import Host
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.store.results_store import ResultsStore

METHODS = "eda[thesaurus=embedded,alpha=0.2|0.1|0.20],kd@2x,worst-of-n[eda[thesaurus=embedded],n=2|3]"
VARIANTS = [
    "kd",
    "eda[alpha=0.2,thesaurus=embedded]",
    "eda[thesaurus=embedded]",
    "kd@2x",
    "worst-of-n[eda[thesaurus=embedded],n=2]",
    "worst-of-n[eda[thesaurus=embedded],n=3]",
]
Run = Callable[..., int]


@pytest.fixture
def run(study_options: tuple[str, ...], tmp_path: Path) -> Run:
    """`run` on one small task, its results in the test's folder."""
    given = ("--tasks", "sst2", "--results", str(tmp_path), *study_options)
    return lambda methods, *options: main(["run", "--methods", methods, *given, *options])


def test_the_plan_has_a_row_for_each_variant(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(METHODS, "--dry-run") == 0
    rows = [
        line.split()
        for line in capsys.readouterr().out.splitlines()
        if " sst2 " in line and line.endswith("to do")
    ]
    assert [row[0] for row in rows] == VARIANTS
    assert [row[3] for row in rows] == ["4", "4", "4", "8", "4", "4"]


def test_variants_are_rows_of_one_table(run: Run, tmp_path: Path) -> None:
    assert run(METHODS) == 0
    records = {record.identity.variant: record for record in ResultsStore(tmp_path).records()}
    assert sorted(records) == sorted(VARIANTS)
    host = Host.load(only_builtin=True)
    tasks = {name: found.record for name, found in host.tasks.items()}
    [table] = build(list(records.values()), tasks=tasks, suites=[]).tables
    rows = {row.label: row for row in table.rows}
    assert sorted(rows) == sorted(VARIANTS)
    assert (table.reference, rows["kd"].identity.role, rows["kd@2x"].identity.role) == (
        "kd",
        "reference",
        "baseline",
    )
    twice = records["kd@2x"]
    assert (twice.budget.limit, twice.budget.spent, twice.compute.student_updates) == (8, 8, 8)
    assert [evaluation.update for evaluation in twice.curve] == [
        2 * evaluation.update for evaluation in records["kd"].curve
    ]
    cost = rows["kd@2x"].cost
    assert cost.flops_x_reference == pytest.approx(2, rel=0.1)
    for n in (2, 3):  # four updates, each with the clean text, the worst of n, and n passes to find it
        compute = records[f"worst-of-n[eda[thesaurus=embedded],n={n}]"].compute
        assert compute.forwards == {"student": 4 * (2 + n), "teacher": 4 * n}
        assert compute.backwards == {"student": 4 * 2}
    worst = records[VARIANTS[-1]]
    assert worst.identity.method_version == "1+eda-1"
    assert worst.identity.params["inner"]["params"]["alpha"] == 0.1
    assert (worst.diagnostics["divergence_worst"] or 0) > (worst.diagnostics["divergence_drawn"] or 1)


def test_show_says_what_a_wrapper_wraps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "show", "worst-of-n"]) == 0
    shown = capsys.readouterr().out
    said = ("wraps    a method of level text", "--methods 'worst-of-n[METHOD,n=4]'")
    assert [part for part in said if part not in shown] == []
    assert main(["methods", "show", "worst-of-n", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wraps"] == "text"

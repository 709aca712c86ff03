"""The sentence of result says what the verdicts say, and what stays open."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.row_filters import select_rows_and_columns
from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, LeaderboardTables
from matekd_bench.results.report import sentences
from matekd_bench.results.report.mark_sentences import mark_notes
from matekd_bench.results.report.result_sentence import result


def with_verdicts(table: LeaderboardTable, verdicts: dict[tuple[str, str], str]) -> LeaderboardTable:
    """The table with other verdicts: by row, and task or "all"."""

    def changed(row: LeaderboardRow) -> LeaderboardRow:
        cells = {
            name: replace(
                cell, statistics=replace(cell.statistics, verdict=verdicts.get((row.label, name), "inconclusive"))
            )
            for name, cell in row.cells.items()
        }  # fmt: skip
        overall = replace(row.overall, verdict=verdicts.get((row.label, "all"), "inconclusive"))
        return replace(row, cells=cells, overall=overall)

    rows = tuple(changed(row) if row.identity.role != "reference" else row for row in table.rows)
    return replace(table, rows=rows)


def test_verdicts_on_tasks_and_over_tasks_are_named(board: LeaderboardTables) -> None:
    said = result(board.tables[0])
    assert said.startswith(
        "Better than kd: better-one on cola and rte. Worse than kd: worse-one on cola and rte."
    )
    assert "Over 2 tasks, better: better-one; worse: worse-one." in said
    assert said.endswith("Nothing can be concluded from sst2.")
    assert re.search(
        r"All other differences to kd on cola and rte are inconclusive; a single test could have detected \D+\d",
        said,
    )
    assert re.search(r"Not tested: .*failed-one", said)


def test_each_verdict_has_its_tasks(board: LeaderboardTables) -> None:
    [table] = board.tables
    verdicts = {
        ("better-one", "rte"): "better",
        ("worse-one", "rte"): "worse",
        ("kd@2x", "cola"): "equivalent",
    }
    said = result(with_verdicts(table, verdicts))
    for part in (
        "Better than kd: better-one on rte.",
        "Worse than kd: worse-one on rte.",
        "Equivalent to kd within half a point: kd@2x on cola.",
        "Over 2 tasks no difference is significant.",
    ):
        assert part in said
    said = result(with_verdicts(table, {}))
    assert said.startswith("All differences to kd on cola and rte are inconclusive; ")
    assert f"{100 * table.power['rte'].detectable:.1f} on rte" in said


def test_a_view_is_about_what_it_shows(board: LeaderboardTables) -> None:
    [table] = select_rows_and_columns(board, "kd,worse-one", "rte", ()).tables
    said = result(table)
    assert said == "Worse than kd: worse-one on rte. Over all 2 tasks, worse: worse-one."


def test_a_task_on_which_nothing_is_tested_is_named(board: LeaderboardTables) -> None:
    """As after runs that collapsed."""
    [table] = board.tables

    def untested(row: LeaderboardRow) -> LeaderboardRow:
        cells = dict(row.cells)
        if "cola" in cells:
            cells["cola"] = replace(cells["cola"], statistics=replace(cells["cola"].statistics, verdict=None))
        return replace(row, cells=cells, overall=replace(row.overall, verdict=None))

    said = result(replace(table, rows=tuple(map(untested, table.rows))))
    assert "No difference is tested on cola, nor over 2 tasks." in said
    assert "No difference is tested" not in result(table)


def test_the_family_of_baselines_is_named(board: LeaderboardTables) -> None:
    [table] = board.tables
    methods, baselines = sentences.tested_family(table).split(", and separately ")
    assert methods == f"{len(table.family)} methods x 2 tasks"
    assert (
        baselines
        == f"{len(table.tested_baselines)} baseline{'s' * (len(table.tested_baselines) > 1)} x 2 tasks"
    )
    assert sentences.tested_family(replace(table, family=())) == baselines
    assert not set(table.family) & set(table.tested_baselines)


def test_many_rows_are_counted(board: LeaderboardTables) -> None:
    [table] = board.tables
    one = next(row for row in table.rows if row.label == "better-one")
    rows = tuple(replace(one, label=f"m{number}") for number in range(8))
    assert "m4 on cola and rte; and 3 more." in result(replace(table, rows=rows))


def test_the_reference_alone_is_compared_with_nothing(board: LeaderboardTables) -> None:
    [table] = select_rows_and_columns(board, "free-one", "rte", ()).tables
    assert result(table) == "No other row is compared with kd."


@pytest.mark.parametrize(
    ("seeds", "reference", "said"),
    [
        (1, "kd", "No difference to kd is tested: 1 seed, and a test needs 3."),
        (2, "kd", "No difference to kd is tested: 2 seeds, and a test needs 3."),
        (3, "kd", "No difference to kd is tested."),  # without predictions
        (3, None, "No row is the reference, so no difference is tested."),
    ],
)
def test_without_tests_it_says_why(make_record: Any, seeds: int, reference: str | None, said: str) -> None:
    records = [make_record(method, seed=seed) for method in ("kd", "eda") for seed in range(seeds)]
    [table] = build(records, tasks={}, suites=(), reference=reference).tables
    assert result(table) == said


def test_a_view_explains_only_what_it_shows(board: LeaderboardTables) -> None:
    """All methods have three seeds on cola, and nothing is compared on sst2."""
    [table] = board.tables
    cola, sst2 = (select_rows_and_columns(board, None, task, ()).tables[0] for task in ("cola", "sst2"))
    assert [sentences.seeds(part) for part in (table, cola)] == ["3 seeds unless marked", "3 seeds"]
    assert (sentences.has_differences(sst2), sentences.verdicts_in(sst2)) == (False, set())
    row = next(row for row in table.rows if row.label == "better-one")
    marks = replace(row.cells["rte"].marks, same_as="kd", no_adversary=1)
    without = replace(row.cells["cola"].statistics, verdict=None)
    cells = {
        "rte": replace(row.cells["rte"], marks=marks),
        "cola": replace(row.cells["cola"], statistics=without),
    }
    row = replace(row, cells=cells, overall=replace(row.overall, verdict=None))
    said = {
        task: (len(list(mark_notes(shown))), "Not tested: better-one" in result(shown))
        for task, shown in (("rte", replace(table, rows=(row,))), ("cola", replace(cola, rows=(row,))))
    }
    assert said == {"rte": (2, False), "cola": (0, False)}
    worse = [row for row in cola.rows if row.label in ("kd", "worse-one")]
    assert "Not tested: better-one" in result(replace(cola, rows=(row, *worse)))

"""Every output says the same: rows in one order, columns, statuses of runs, marks."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.row_filters import sort_rows
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report import columns, columns_page, plots
from matekd_bench.results.report.cells import PROBLEMS, Column, in_files, task_heading
from matekd_bench.results.report.export import to_csv, to_json
from matekd_bench.results.report.export_tables import leaderboard_rows
from matekd_bench.results.report.html import to_html
from matekd_bench.results.report.latex import to_latex
from matekd_bench.results.report.mark_sentences import list_seeds
from matekd_bench.results.report.markdown import to_markdown
from matekd_bench.results.report.plots import canvas
from matekd_bench.results.report.sentences import COUNTED_FLOPS, mixed_environments
from matekd_bench.results.report.sheets import View, sheets_of_view
from matekd_bench.results.report.text import ascii_only
from matekd_bench.results.store.planned_runs import PlannedRuns
from rendered import GAINS, printed


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is made as without matplotlib, which takes a tenth of the time."""
    monkeypatch.setattr(plots, "find_spec", lambda name: None)


SCREENS = {"terminal, 200 columns": (200, True), "terminal, 80 columns": (80, True), "pipe": (200, False)}
DOCUMENTS: Mapping[str, Callable[[LeaderboardTables], str]] = {
    **{name: lambda board, screen=screen: printed(board, *screen) for name, screen in SCREENS.items()},
    "markdown": to_markdown,
    "latex": to_latex,
    "page": lambda board: to_html(
        board, [run for table in board.tables for row in table.rows for run in row.runs]
    ),
}
FILES: Mapping[str, Callable[[LeaderboardTables], list[dict[str, Any]]]] = {
    "csv": lambda board: list(csv.DictReader(io.StringIO(to_csv(leaderboard_rows(board, ()))))),
    "json": lambda board: json.loads(to_json(leaderboard_rows(board, ()))),
}


def labels(board: LeaderboardTables) -> list[str]:
    [table] = board.tables
    return [row.label for row in table.rows]


def rows_in(text: str, names: list[str]) -> list[str]:
    """The names that begin a row of a table, in the order in which each comes first."""
    start = r"^(?:\| |<th scope=\"row\"[^>]*>(?:<a [^>]*>)?)?"
    pattern = start + f"({'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?![\\w@-])"
    return list(dict.fromkeys(re.findall(pattern, text, re.MULTILINE)))


def test_the_ratio_of_costs_is_that_of_the_flops_shown(make_record: Any) -> None:
    runs = [make_record("kd", seed=seed) for seed in range(2)]
    runs += [
        make_record("matekd", seed=seed, train_flops=9_000_000_000, precompute_flops=6_000_000_000)
        for seed in (0, 1)
    ]
    board = build(runs, tasks={}, suites=())
    [table] = board.tables
    for view in ("overall", "cost"):
        sheet = dict(sheets_of_view(table, view))["costs"]
        shown = [dict(zip(sheet.keys, row, strict=True)) for row in sheet.rows]
        reference, method = (float(row["pflops"].sort) for row in shown)
        assert (
            shown[1]["flops_x_reference"].sort == pytest.approx(method / reference) == pytest.approx(15 / 5)
        )
    for name, document in DOCUMENTS.items():
        assert COUNTED_FLOPS.partition("'")[0] in " ".join(document(board).split()), name


def test_every_output_counts_the_missing_runs(board: LeaderboardTables) -> None:
    [table] = board.tables
    part = replace(board, tables=(replace(table, planned=PlannedRuns(64, {"better-one": 1, "absent": 42})),))
    for name, document in DOCUMENTS.items():
        text = " ".join(document(part).split())
        assert "21 of 64 planned" in text, name
        assert "42 of absent" in text, name
        assert "planned" not in document(board), name
    assert "21 of 64 planned" in canvas.title_of(plots.PLOTS["forest"], part.tables[0], 8.0)
    for name, file in FILES.items():
        missing = {row["method"]: row["n_missing"] for row in file(part)}
        assert (int(missing["better-one"]), int(missing["kd"])) == (1, 0), name
        assert {row["n_missing"] for row in file(board)} <= {None, ""}, name


def test_missing_runs_of_a_variant_with_two_rows_count_once(make_record: Any) -> None:
    runs = [
        make_record("kd"),
        *(make_record("eda", seed=int(number), method_version=number) for number in "12"),
    ]
    [table] = build(runs, tasks={}, suites=()).tables
    part = LeaderboardTables((replace(table, planned=PlannedRuns(8, {"eda": 2, "kd": 3})),))
    for name, file in FILES.items():
        missing = {row["method"]: row["n_missing"] for row in file(part)}
        assert [int(missing[row]) for row in ("kd", "eda v1", "eda v2")] == [3, 2, 0], name


@pytest.mark.parametrize("sort", [None, "name", "cost"])
def test_every_output_has_the_same_rows_in_the_same_order(board: LeaderboardTables, sort: str | None) -> None:
    ordered = sort_rows(board, sort) if sort else board
    expected = labels(ordered)
    assert len(expected) == len(GAINS) + len(PROBLEMS) + 1
    for name, document in DOCUMENTS.items():
        text = printed(ordered, *SCREENS[name], notes=False) if name in SCREENS else document(ordered)
        assert rows_in(text, expected) == expected, name
    for name, file in FILES.items():
        assert [row["method"] for row in file(ordered)] == ["teacher", *expected], name
    [table] = ordered.tables
    for view in get_args(View):
        for name, sheet in sheets_of_view(table, view):
            shown = [row[0].sort for row in sheet.rows[sheet.references :]]
            assert shown == [label for label in expected if label in shown], name
            assert shown == expected or name.startswith("task-")


def test_every_output_names_problems_uninformative_and_partial_data(board: LeaderboardTables) -> None:
    [table] = board.tables
    headings = [" ".join(task_heading(task)) for task in table.columns]
    assert sorted(headings) == ["cola (partial)", "rte", "sst2 (uninformative)"]
    assert [sheet.title for _, sheet in sheets_of_view(table, "task")] == headings
    for name, document in DOCUMENTS.items():
        text = " ".join(document(board).split())
        for status in PROBLEMS:
            assert f"1 {status}" in text, name
        for said in ("(uninformative)", "(partial)", "partial (train 9 of 99)"):
            assert said in text, name
    for name, file in FILES.items():
        rows = {row["method"]: row for row in file(board)}
        for status in PROBLEMS:
            marked = {method for method, row in rows.items() if str(row[f"rte_n_{status}"]) == "1"}
            assert marked == {f"{status}-one"}, name
            assert str(rows[f"{status}-one"][f"n_{status}"]) == "1", name
        kd = rows["kd"]
        assert (kd["sst2_verdict"], kd["cola_data_state"]) == ("uninformative", "partial (train 9 of 99)")
        assert "majority" in kd["sst2_uninformative"]


def test_every_output_has_the_marks_of_cells_and_names_late_seeds(make_record: Any) -> None:
    plans = [{"first": 0, "count": 2}] * 2 + [{"first": 0, "count": 5}] * 3
    records = [
        make_record(
            method, seed=seed, seed_plan=plan, created=f"2026-01-02T03:04:{seed:02d}Z",
            diagnostics={"adversary_margin": 0.3 - seed / 10, "adversary_margin_se": 0.05} if method == "gen" else {},
        )
        for method in ("kd", "gen")
        for seed, plan in enumerate(plans)
    ]  # fmt: skip
    shown = build(records, tasks={}, suites=())
    for name, document in DOCUMENTS.items():
        text = " ".join(document(shown).split())
        for said in ("3 of 5", "no adversary", "rte: seeds 2 to 4 of all rows"):
            assert said in text, (name, said)
    for name, rows_of in FILES.items():
        cells = {row["method"]: row for row in rows_of(shown)}
        assert {str(row["rte_added_seeds"]) for label, row in cells.items() if label != "teacher"} == {
            "2; 3; 4"
        }
        assert (str(cells["gen"]["rte_n_no_adversary"]), cells["kd"]["rte_n_no_adversary"] or None) == (
            "3",
            None,
        )
        assert float(cells["gen"]["rte_adversary_margin"]) == pytest.approx(0.1), name


def test_diagnostics_list_the_margin_of_every_run(make_record: Any) -> None:
    margins = {seed: (0.2 - seed / 16, 0.05) for seed in range(3)}
    records = [make_record("kd", seed=seed) for seed in margins] + [
        make_record("gen", seed=seed, diagnostics={"adversary_margin": margin, "adversary_margin_se": se})
        for seed, (margin, se) in reversed(margins.items())
    ]
    [table] = build(records, tasks={}, suites=()).tables
    sheets = dict(sheets_of_view(table, "diagnostics"))
    assert [[cell.lines[0] for cell in row] for row in sheets["margins"].rows] == [
        ["gen", "rte", "0", "0.2", "0.05", "yes"],
        ["gen", "rte", "1", "0.1375", "0.05", "yes"],
        ["gen", "rte", "2", "0.075", "0.05", "no"],
    ]
    for other in (build(records[:2], tasks={}, suites=()).tables[0], replace(table, columns=())):
        assert "margins" not in dict(sheets_of_view(other, "diagnostics"))


@pytest.mark.parametrize(
    ("seeds", "said"),
    [((4,), "seed 4"), ((3, 4), "seeds 3, 4"), ((3, 4, 5), "seeds 3 to 5"), ((3, 5, 6), "seeds 3, 5, 6")],
)
def test_seeds_in_a_row_are_a_range(seeds: tuple[int, ...], said: str) -> None:
    assert list_seeds(seeds) == said


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "markdown"])
def test_no_runs_are_said(name: str) -> None:
    assert "No runs are recorded." in DOCUMENTS[name](LeaderboardTables(()))


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "latex"])  # see test_cell_by_cell.py
def test_every_document_has_all_headings_and_cells_of_its_tables(board: LeaderboardTables, name: str) -> None:
    [table] = board.tables
    text = plain(name, DOCUMENTS[name](board))
    sheets = [sheet for _, sheet in sheets_of_view(table, with_intervals=name == "page")]
    cells = [*(cell.lines for sheet in sheets for row in sheet.rows for cell in row)]
    lines = {
        line for cell in (*cells, *(heading for sheet in sheets for heading in sheet.header)) for line in cell
    }
    assert {mark for mark in "↑↓" if any(line.endswith(f"{mark})") for line in lines)} == {"↑", "↓"}
    assert [line for line in lines if (ascii_only(line) if name == "pipe" else line) not in text] == []


def plain(name: str, text: str) -> str:
    """The text of a document without its syntax."""
    if name in ("page", "markdown"):
        return html.unescape(re.sub(r"<[^>]*>", "\n", text))
    return text


@pytest.mark.parametrize("sheet", columns.SHEETS)
def test_a_new_column_appears_wherever_it_should(
    board: LeaderboardTables, sheet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new: columns.RowColumn = Column("novelty", "A number.", lambda row, table: 0.123, ("novel",), "ratio")
    monkeypatch.setattr(columns, "LEADERBOARD_COLUMNS", (*columns.LEADERBOARD_COLUMNS, new))
    monkeypatch.setattr(columns, "SHEETS", {**columns.SHEETS, sheet: (*columns.SHEETS[sheet], "novelty")})
    for name, file in FILES.items():
        assert {str(row["novelty"]) for row in file(board)[1:]} == {"0.123"}, name
    known: Mapping[str, set[str]] = {"scores for a paper": {"latex"}, "costs in detail": set()}
    draws = known.get(sheet, set(DOCUMENTS) - {"latex"})
    for name, document in DOCUMENTS.items():
        assert ("novel" in document(board)) is (name in draws), name


def test_files_have_each_key_once_and_in_the_order_of_the_schema(board: LeaderboardTables) -> None:
    keys = leaderboard_rows(board, ()).columns
    assert len(set(keys)) == len(keys)
    fixed = [column.key for column in in_files(columns.LEADERBOARD_COLUMNS)]
    assert list(keys[: len(fixed)]) == fixed
    for key in fixed:
        assert f"| `{key}` |" in columns_page.page()


def test_versions_and_processors_that_differ_are_named_by_every_output(make_record: Any) -> None:
    env = {"torch": "2.13.0", "transformers": "5.23.0", "processor": "x86_64 AVX2"}
    other = env | {"torch": "2.4.1", "processor": "NVIDIA H200"}
    records = [
        *(make_record("kd", seed=seed, env=env) for seed in (0, 1)),
        make_record("eda", seed=0, env=env),
        make_record("eda", seed=1, env=other),
        make_record("vat", seed=0, score=None, env=other | {"torch": "1.0"}),  # failed: it has no number
    ]
    shown = build(records, tasks={}, suites=())
    for name, document in DOCUMENTS.items():
        text = " ".join(document(shown).split())
        assert ("2.13.0" in text, "2.4.1" in text, "NVIDIA H200" in text) == (True, True, True), name
        assert "versions of transformers" not in text, name
    assert [sentence for sentence in mixed_environments(shown.tables[0]) if "1.0 (" in sentence] == []
    for name, rows_of in FILES.items():
        cells = {row["method"]: (row["torch"], row["processor"]) for row in rows_of(shown)}
        assert cells["kd"] == ("2.13.0", "x86_64 AVX2"), name
        assert cells["eda"] == ("2.13.0; 2.4.1", "NVIDIA H200; x86_64 AVX2"), name
    alike = build([record for record in records if record.env == env], tasks={}, suites=())
    assert list(mixed_environments(alike.tables[0])) == []

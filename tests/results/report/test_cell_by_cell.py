"""All formats of one study hold the same tables, cell by cell: texts, marks, numbers, order, in every view."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from matekd_bench.api.frames import frame_of
from matekd_bench.results.leaderboard.row_filters import select_rows_and_columns, sort_rows
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report import cells, plots
from matekd_bench.results.report.cells import dev_rows, metric_heading, task_heading
from matekd_bench.results.report.export import to_csv, to_json
from matekd_bench.results.report.export_tables import rows_of_view
from matekd_bench.results.report.html import tables_html, to_html
from matekd_bench.results.report.latex import to_latex
from matekd_bench.results.report.markdown import to_markdown
from matekd_bench.results.report.result_sentence import result
from matekd_bench.results.report.sheets import View, score_sheet, sheets_of_view
from matekd_bench.results.report.text import ascii_only
from rendered import (
    Cells,
    cells_of,
    collapsed,
    html_tables,
    latex_table,
    markdown_tables,
    pipe_tables,
    printed,
)

VIEWS: tuple[View, ...] = ("overall", "task", "cost", "diagnostics")
WIDE = 1000  # every table is whole, and every cell on one line


@pytest.fixture(scope="module", params=["whole", "filtered", "sorted"])
def shown(board: LeaderboardTables, request: pytest.FixtureRequest) -> LeaderboardTables:
    """The study with collapsed, diverged, failed, partial and uninformative cells, and parts of it."""
    if request.param == "filtered":
        return select_rows_and_columns(board, "kd,worse-one,failed-one,collapsed-one", "rte,cola", ())
    return sort_rows(board, "cost") if request.param == "sorted" else board


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda name: None)


def expected(board: LeaderboardTables, view: View, *, with_intervals: bool = False) -> list[Cells]:
    [table] = board.tables
    return [cells_of(sheet) for _, sheet in sheets_of_view(table, view, with_intervals=with_intervals)]


@pytest.mark.parametrize("view", VIEWS)
def test_documents_have_the_cells_of_the_view(shown: LeaderboardTables, view: View) -> None:
    tables = expected(shown, view)
    on_screen = [*tables[1:], tables[0]] if view == "overall" else tables  # scores come last there
    plain = [[[ascii_only(cell) for cell in row] for row in table] for table in on_screen]
    assert pipe_tables(printed(shown, WIDE, False, view)) == [
        [[cell.strip() for cell in row] for row in table] for table in plain
    ]
    on_terminal = collapsed(printed(shown, WIDE, True, view))
    for table in tables:
        assert "\n".join(" ".join(" ".join(row).split()) for row in table) in on_terminal
    assert markdown_tables(to_markdown(shown, view)) == tables
    detailed = expected(shown, view, with_intervals=True)
    assert html_tables(tables_html(shown, view)) == detailed
    assert html_tables(to_html(shown, [], view=view))[: len(detailed)] == detailed


def test_latex_has_the_cells_of_its_table(shown: LeaderboardTables) -> None:
    [table] = shown.tables
    expected_cells = cells_of(score_sheet(table, "scores for a paper"))
    for index, task in enumerate(table.columns, start=1):
        name, *marks = task_heading(task)
        expected_cells[0][index] = " ".join([name, metric_heading(task), dev_rows(task), *marks])
    assert latex_table(to_latex(shown)) == expected_cells


FILES: Mapping[str, Callable[[Any], list[dict[str, Any]]]] = {
    "csv": lambda table: [
        {key: _typed(value) for key, value in row.items()}
        for row in csv.DictReader(io.StringIO(to_csv(table)))
    ],
    "json": lambda table: json.loads(to_json(table)),
    "frame": lambda table: frame_of(table).astype(object).where(frame_of(table).notna(), None).to_dict("records"),
}  # fmt: skip


def _typed(value: str) -> float | str | None:
    try:
        return float(value)
    except ValueError:
        return value or None


def score_text(row: Mapping[str, Any], task: str, seeds: int) -> str:
    """The cell of a table of scores, from the row of a file."""
    mean, sd, delta, n = (row[f"{task}_{key}"] for key in ("mean", "sd", "delta", "n"))
    if n is None:
        return ""
    parts = [cells.text(mean, "fraction") + ("" if sd is None else f" ± {cells.text(sd, 'fraction')}")]
    if delta is not None:
        mark = cells.MARKS.get(row[f"{task}_verdict"], "")
        parts.append(f"({cells.text(delta, 'difference')}{mark})")
    parts += [f"n={n:.0f}"] * (mean is not None and n < seeds)
    statuses = {status: row[f"{task}_n_{status}"] for status in cells.PROBLEMS}
    return " ".join([*parts, *(f"{count:.0f} {status}" for status, count in statuses.items() if count)])


@pytest.mark.parametrize("name", FILES)
def test_files_have_the_numbers_and_marks_of_the_tables(shown: LeaderboardTables, name: str) -> None:
    [table] = shown.tables
    teacher, *rows = FILES[name](rows_of_view(shown, (), "overall"))
    scores, comparison, costs = (
        {row[0].sort: dict(zip(sheet.keys, row, strict=True)) for row in sheet.rows}
        for _, sheet in sheets_of_view(table)
    )
    assert [row["method"] for row in rows] == [label for label in scores if label in comparison]
    for row in rows:
        drawn, compared = scores[row["method"]], comparison[row["method"]]
        for task in table.columns:
            assert " ".join(drawn[f"{task.name}_mean"].lines) == score_text(row, task.name, table.seeds)
        ends = row["delta_ci_lo"], row["delta_ci_hi"]
        assert compared["delta_ci_lo"].lines == (cells.interval(*ends, "difference"),)
        mark = cells.MARKS.get(row["verdict"], "")
        assert compared["delta"].lines == (cells.text(row["delta"], "difference") + mark,)
        for key, unit in (("pflops", "PFLOPs"), ("flops_x_reference", "ratio"), ("train_seconds", "s")):
            assert costs[row["method"]][key].lines == (cells.text(row[key], unit),)
        assert bool(row["view"]) == (table.part is not None)
    for task in table.columns:
        shown_score = scores["teacher"][f"{task.name}_mean"].lines[0]
        assert cells.text(teacher[f"{task.name}_mean"], "fraction") == shown_score
        assert bool(task.uninformative) == bool(teacher[f"{task.name}_uninformative"])
        assert task.partial == teacher[f"{task.name}_data_state"].startswith("partial")


@pytest.mark.parametrize("name", FILES)
def test_files_of_a_view_have_the_numbers_of_its_tables(shown: LeaderboardTables, name: str) -> None:
    [table] = shown.tables
    by_task = dict(sheets_of_view(table, "task"))
    for row in FILES[name](rows_of_view(shown, (), "task")):
        sheet = by_task[f"task-{row['task']}"]
        [drawn] = [
            dict(zip(sheet.keys, line, strict=True)) for line in sheet.rows if line[0].sort == row["method"]
        ]
        for key in ("ci", "delta_ci"):
            ends = row[f"{key}_lo"], row[f"{key}_hi"]
            unit = "difference" if key == "delta_ci" else "fraction"
            assert drawn.get(f"{key}_lo", cells.TableCell(("-",))).lines == (cells.interval(*ends, unit),)
        for key, unit in (("best_dev", "fraction"), ("xfit", "fraction")):
            assert drawn.get(key, cells.TableCell(("-",))).lines == (cells.text(row[key], unit),)
        assert drawn.get("p_holm", cells.TableCell(("-",))).lines == cells.p_cell(row["p_holm"]).lines
    [(_, costs)] = sheets_of_view(table, "cost")
    files = FILES[name](rows_of_view(shown, (), "cost"))
    assert [row["method"] for row in files] == [row[0].sort for row in costs.rows]
    for row, line in zip(files, costs.rows, strict=True):
        drawn = dict(zip(costs.keys, line, strict=True))
        assert drawn["train_seconds"].lines == (cells.text(row["train_seconds"], "s"),)
        ends = row["delta_matched_ci_lo"], row["delta_matched_ci_hi"]
        matched = drawn.get("delta_matched_ci_lo", cells.TableCell(("-",)))
        assert matched.lines == (cells.interval(*ends, "difference"),)
    [diagnostics] = [sheet for kind, sheet in sheets_of_view(table, "diagnostics") if kind == "diagnostics"]
    files = FILES[name](rows_of_view(shown, (), "diagnostics"))
    for place, key in enumerate(diagnostics.keys[1:], start=1):
        drawn_column = [row[place].lines[0] for row in diagnostics.rows]
        assert [cells.text(row[key], "diagnostic") for row in files] == drawn_column


def test_every_document_has_the_sentence_of_result(shown: LeaderboardTables) -> None:
    [table] = shown.tables
    sentence = result(table)
    for text in (
        printed(shown, WIDE, True),
        to_markdown(shown),
        to_html(shown, []),
        tables_html(shown),
        to_latex(shown),
    ):
        assert sentence in text


def test_a_filtered_view_says_what_is_computed_over_the_whole_study(board: LeaderboardTables) -> None:
    for methods, tasks, labels in (
        (None, None, []),
        ("kd,worse-one", None, ["(whole study)"]),
        (None, "rte", ["(all tasks)", "(whole study)"]),
    ):
        [table] = select_rows_and_columns(board, methods, tasks, ()).tables
        headings = {" ".join(lines) for _, sheet in sheets_of_view(table) for lines in sheet.header}
        found = {
            label for label in ("(all tasks)", "(whole study)") if any(label in text for text in headings)
        }
        assert sorted(found) == labels
        assert any(heading.startswith("rank") and "(whole study)" in heading for heading in headings) == (
            bool(labels)
        )

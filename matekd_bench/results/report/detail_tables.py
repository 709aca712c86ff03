"""Makes the detailed tables of a leaderboard: comparison over tasks, one task, costs, diagnostics, failures."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from matekd_bench.results.leaderboard.table import Column, LeaderboardRow, LeaderboardTable, ScoreCell
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.main_tables import Sheet, budget, cost_sheet, label, points, score_sheet
from matekd_bench.results.stats.differences import FEW_SEEDS

View: TypeAlias = Literal["overall", "task", "cost", "diagnostics"]
SheetRow: TypeAlias = tuple[tuple[str, ...], ...]  # cells, each a tuple of lines
NONE = ("-",)


def sheets_of_view(table: LeaderboardTable, view: View) -> Iterator[tuple[str, Sheet]]:
    """Yield the sheets of a view, each with its heading ("" for none)."""
    if view == "task":
        for column in table.columns:
            yield (
                f"{column.title} ({column.name})" if column.title != column.name else column.name,
                task_sheet(column, table),
            )
    elif view == "cost":
        yield "", cost_detail_sheet(table)
    elif view == "diagnostics":
        yield "Diagnostics, means over seeds, then tasks", diagnostics_sheet(table)
        if any(row.chosen for row in table.rows):
            yield (
                f"Chosen on a holdout of train ({table.tuning}; trial: what it changed)",
                chosen_sheet(table),
            )
    else:
        yield "", score_sheet(table)
        if has_comparison(table):
            yield "", comparison_sheet(table)
        yield "", cost_sheet(table)


def has_comparison(table: LeaderboardTable) -> bool:
    """Tell whether any row has an interval over tasks or a rank, so that `comparison_sheet` adds information."""
    return any(row.delta_ci_lo is not None or row.rank_lo is not None for row in table.rows)


def comparison_sheet(table: LeaderboardTable) -> Sheet:
    """Compare each row with the reference over all informative tasks, with ranks among the ranked rows."""
    header = [("method",), ("mean", "diff."), ("95% interval",), ("p", "(Holm)"), ("verdict",), ("rank",)]
    matched = any(row.delta_matched is not None for row in table.rows)
    header += [("at equal", "cost")] * matched + [("tasks", "won"), ("prob.", "improve")]
    return Sheet(tuple(header), tuple(_comparison_row(row, table, matched) for row in table.rows))


def _comparison_row(row: LeaderboardRow, table: LeaderboardTable, matched: bool) -> SheetRow:
    equal = f"{points(row.delta_matched, signed=True)} to {row.matched_rival}"
    cells = [
        (points(row.delta, signed=True) or "-",),
        (interval(row.delta_ci_lo, row.delta_ci_hi, signed=True),),
        (p_value(row.p_holm),),
        (row.verdict or "-",),
        (_rank(row),),
        *([(equal,) if row.delta_matched is not None else NONE] if matched else []),
        (f"{row.tasks_won} of {table.compared}" if row.tasks_won is not None else "-",),
        (f"{row.prob_improve:.2f}" if row.prob_improve is not None else "-",),
    ]
    return (label(row), *cells)


def _rank(row: LeaderboardRow) -> str:
    if row.rank_lo is None:
        return "-"
    return str(row.rank_lo) if row.rank_lo == row.rank_hi else f"{row.rank_lo}-{row.rank_hi}"


def interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Format an interval in points, "-" for none."""
    if low is None or high is None:
        return "-"
    return f"{points(low, signed=signed)} to {points(high, signed=signed)}"


def p_value(p: float | None) -> str:
    """Format a p-value with three decimals, "-" for none."""
    if p is None:
        return "-"
    return "<.001" if p < 0.001 else f"{p:.3f}"


def task_sheet(column: Column, table: LeaderboardTable) -> Sheet:
    """Show one task in full: scores with intervals, other selections, differences, p-values and verdicts."""
    header = ("method", "mean ± sd", "95% interval", "best dev", "xfit", "n", "diff.", "95% interval")
    rows = [
        (label(row), *_task_cells(row.cells[column.name])) for row in table.rows if column.name in row.cells
    ]
    names = (*header, "p (Holm)", "verdict")
    return _without_empty_columns(Sheet(tuple((name,) for name in names), tuple(rows)))


def _without_empty_columns(sheet: Sheet) -> Sheet:
    """Drop the columns that have no value in any row.

    "Too few seeds" counts as no value, because a sentence below the table says so.
    """
    if not sheet.rows:
        return sheet
    empty = {NONE, (f"none: {FEW_SEEDS}",)}
    indices = [
        index for index in range(len(sheet.header)) if any(row[index] not in empty for row in sheet.rows)
    ]
    header, *rows = (tuple(row[index] for index in indices) for row in (sheet.header, *sheet.rows))
    return Sheet(header, tuple(rows), sheet.references)


def _task_cells(cell: ScoreCell) -> SheetRow:
    spread = f" ± {points(cell.sd)}" if cell.sd is not None else ""
    seeds = f"{cell.n}" + f" ({cell.n_failed} failed)" * bool(cell.n_failed)
    return (
        (f"{points(cell.mean)}{spread}" if cell.mean is not None else "-",),
        (interval(cell.ci_lo, cell.ci_hi),),
        (points(cell.best_dev) or "-",),
        (points(cell.xfit) or "-",),
        (seeds,),
        (points(cell.delta, signed=True) or "-",),
        (interval(cell.delta_ci_lo, cell.delta_ci_hi, signed=True),),
        (p_value(cell.p_holm),),
        (cell.verdict or (f"none: {cell.missing}" if cell.missing else "-"),),
    )


def cost_detail_sheet(table: LeaderboardTable) -> Sheet:
    """Show the cost of each method, and its difference to the reference's row of equal cost."""
    names = ["method", "budget", "updates", "auxiliary updates", "train s", "prep. s", "eval s", "peak GB"]
    names += ["train PFLOPs", "prep. PFLOPs"]
    tuned = any(row.tuning_flops is not None for row in table.rows)
    names += ["tuning PFLOPs"] * tuned
    if table.reference is not None:
        names += [f"x {table.reference} FLOPs", "at equal cost", "95% interval"]
    rows = [(label(row), (budget(row),), *_cost_cells(row, tuned))[: len(names)] for row in table.rows]
    stacked = ("updates", "FLOPs", "cost")
    header = [tuple(name.rsplit(" ", 1)) if name.endswith(stacked) else (name,) for name in names]
    return _without_empty_columns(Sheet(tuple(header), tuple(rows)))


def _cost_cells(row: LeaderboardRow, tuned: bool) -> SheetRow:
    cost = row.cost
    if cost is None:
        return (NONE,) * (12 if tuned else 11)
    peak, ratio = cost.peak_memory_bytes, cost.flops_x_reference
    equal = f"{points(row.delta_matched, signed=True)} to {row.matched_rival}"
    return (
        (f"{cost.student_updates:.0f}",),
        (f"{cost.auxiliary_updates:.0f}",),
        (f"{cost.train_seconds:.1f}",),
        (f"{cost.precompute_seconds:.1f}",),
        (f"{cost.eval_seconds:.1f}",),
        (f"{peak / 1e9:.1f}" if peak is not None else "-",),
        (f"{cost.train_flops / 1e15:.3g}",),
        (f"{cost.precompute_flops / 1e15:.3g}",),
        *([(f"{(row.tuning_flops or 0.0) / 1e15:.3g}",)] if tuned else []),
        (f"{ratio:.2f}" if ratio is not None else "-",),
        (equal if row.delta_matched is not None else "-",),
        (interval(row.delta_matched_ci_lo, row.delta_matched_ci_hi, signed=True),),
    )


def diagnostics_sheet(table: LeaderboardTable) -> Sheet:
    """Show the diagnostics that runs recorded, one column each."""
    names = sorted({name for row in table.rows for name in row.diagnostics})
    header = (("method",), *((name,) for name in names))
    rows = (
        (
            label(row),
            *((f"{row.diagnostics[name]:.4g}",) if name in row.diagnostics else NONE for name in names),
        )
        for row in table.rows
    )
    return Sheet(header, tuple(rows))


def chosen_sheet(table: LeaderboardTable) -> Sheet:
    """Show the trial that tuning chose for each row and task."""
    header = (("method",), *((column.name,) for column in table.columns))
    rows = (
        (label(row), *(tuple(row.chosen.get(column.name, "-").split(", ")) for column in table.columns))
        for row in table.rows
    )
    return Sheet(header, tuple(rows))


def failures(records: Sequence[Record]) -> Iterator[str]:
    """Yield a line with the reason for each failed, diverged or collapsed run, then commands to retry the failed."""
    problem_runs = sorted(
        (run for run in records if run.status in {"failed", "diverged", "collapsed"}),
        key=lambda run: (run.status != "failed", run.identity.task, run.identity.variant, run.identity.seed),
    )
    for run in problem_runs:
        run_name = f"{run.identity.variant} on {run.identity.task}, seed {run.identity.seed}"
        yield f"{run.status}: {run_name}: {run.reason or 'no reason recorded'} ({run.run_id})"
    failed = [run for run in problem_runs if run.status == "failed"]
    if failed:
        yield "To try the failed runs again (finished ones are kept):"
        yield from sorted({f"  {_quoted_command(run.provenance.command)}" for run in failed})
    if len(failed) < len(problem_runs):
        yield "Diverged and collapsed runs stay in with their score: tried again they end the same."
    if not problem_runs:
        yield "No run failed, diverged or collapsed."


def _quoted_command(command: str) -> str:
    """Quote every word of a recorded command, so that it is safe to paste into a shell whoever wrote the record."""
    try:
        words = shlex.split(command)
    except ValueError:
        return f"(no command: {command!r})"
    return (
        shlex.join(words) if words[:1] == ["matekd-bench"] else f"(no command of matekd-bench: {command!r})"
    )

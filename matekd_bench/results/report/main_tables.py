"""Makes the tables of text and the sentences about a leaderboard that the terminal and documents share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.results.leaderboard.glue_score import DEFINITIONS, GLUE8
from matekd_bench.results.leaderboard.table import (
    Column,
    Leaderboard,
    LeaderboardRow,
    LeaderboardTable,
    ScoreCell,
)

SEEDS_FOR_A_VERDICT = 3
SEED_RULE = "no interval, no verdict"
MARKS: Mapping[str | None, str] = {"better": " ↑", "worse": " ↓", "equivalent": " ≈"}
WITH_BEST = " *"


@dataclass(frozen=True)
class Sheet:
    """A table of text: `rows[i][j]` are the lines of a cell; the first cell of a row is its name."""

    header: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[tuple[str, ...], ...], ...]
    references: int = 0  # number of rows at the top that are not students: teacher, majority class


def points(value: float | None, *, signed: bool = False) -> str:
    """Format a fraction in points with one decimal, "" for None."""
    if value is None:
        return ""
    rounded = round(100 * value, 1) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{rounded:+.1f}" if signed else f"{rounded:.1f}"


def score_sheet(table: LeaderboardTable) -> Sheet:
    """Show methods x tasks, with teacher and majority class on top and the available means over tasks at the right."""
    means = [name for name in DEFINITIONS if any(name in row.scores for row in table.rows)]
    has_mean_difference = any(row.delta is not None for row in table.rows) and table.compared > 1
    header = [("method",), *map(_heading, table.columns), *((name,) for name in means)]
    references: list[list[tuple[str, ...]]] = [
        [("teacher",), *((points(column.teacher_score),) for column in table.columns)],
        [("majority class",), *((points(column.majority_score),) for column in table.columns)],
    ]
    rows: list[list[tuple[str, ...]]] = [
        [
            label(row),
            *(_score_cell(row.cells.get(column.name), table) for column in table.columns),
            *((points(row.scores.get(name)),) for name in means),
        ]
        for row in table.rows
    ]
    if has_mean_difference:
        header.append(("mean diff.", f"to {table.reference}"))
        for cells, row in zip(rows, table.rows, strict=True):
            cells.append((points(row.delta, signed=True),))
    padded = [[*cells, *[("",)] * (len(header) - len(cells))] for cells in (*references, *rows)]
    return Sheet(tuple(header), tuple(map(tuple, padded)), references=len(references))


def cost_sheet(table: LeaderboardTable) -> Sheet:
    """Show the cost of each method as means per run, and its FLOPs as a multiple of the reference's if there is one."""
    header: list[tuple[str, ...]] = [("method",), ("updates",), ("auxiliary", "updates"), ("train s",)]
    header.append(("train", "PFLOPs"))
    if table.reference is not None:
        header.append((f"x {table.reference}", "FLOPs"))
    rows = [list(_cost_cells(row, len(header))) for row in table.rows]
    if table.budgets_differ:
        header.append(("budget",))
        for cells, row in zip(rows, table.rows, strict=True):
            cells.append((budget(row),))
    return Sheet(tuple(header), tuple(map(tuple, rows)))


def budget(row: LeaderboardRow) -> str:
    """Format the budget limits of a row's runs, per task if they differ."""
    limits = ["/".join(map(str, column_limits)) for column_limits in row.budget.values()]
    return ", ".join(dict.fromkeys(limits))


def _cost_cells(row: LeaderboardRow, width: int) -> tuple[tuple[str, ...], ...]:
    if row.cost is None:
        return (label(row), *[("-",)] * (width - 1))
    cost = row.cost
    ratio = "-" if cost.flops_x_reference is None else f"{cost.flops_x_reference:.2f}"
    cells = (
        f"{cost.student_updates:.0f}",
        f"{cost.auxiliary_updates:.0f}",
        f"{cost.train_seconds:.1f}",
        f"{cost.train_flops / 1e15:.3g}",
        ratio,
    )
    return (label(row), *((text,) for text in cells[: width - 1]))


def _heading(column: Column) -> tuple[str, ...]:
    return (column.name, "(uninformative)") if column.uninformative else (column.name,)


def label(row: LeaderboardRow) -> tuple[str, ...]:
    """Return the lines of a row's name: a mark if it does not differ from the best, then its role if not a method."""
    name = row.label + WITH_BEST * bool(row.with_best)
    flags = [row.role] * (row.role != "method") + ["unranked"] * (not row.ranked)
    return (name, f"({', '.join(flags)})") if flags else (name,)


def _score_cell(cell: ScoreCell | None, table: LeaderboardTable) -> tuple[str, ...]:
    """Return the lines of a score: mean ± sd, difference to the reference, then counts of seeds and failures."""
    if cell is None:
        return ("",)
    spread = f" ± {points(cell.sd)}" if cell.sd is not None else ""
    lines = [f"{points(cell.mean)}{spread}" if cell.mean is not None else "-"]
    if cell.delta is not None:
        lines.append(f"({points(cell.delta, signed=True)}{MARKS.get(cell.verdict, '')})")
    if cell.mean is not None and cell.n < table.seeds:
        lines.append(f"n={cell.n}")
    for count, word in (
        (cell.n_failed, "failed"),
        (cell.n_collapsed, "collapsed"),
        (cell.n_diverged, "diverged"),
    ):
        if count:
            lines.append(f"{count} {word}")
    return tuple(lines)


def title(table: LeaderboardTable) -> str:
    """Describe what all rows of this table share: preset, protocol, teacher, student, tuning."""
    synthetic = ["SYNTHETIC mini-GLUE, not GLUE"] if table.synthetic else []
    teachers = sorted({column.teacher for column in table.columns if column.teacher})
    students = sorted({student for row in table.rows for student in row.students})
    parts = [*synthetic, f"preset {', '.join(table.presets)}", f"protocol {table.protocol_id}"]
    parts += [f"teacher {', '.join(teachers)}"] if teachers else []
    parts += [f"student {', '.join(students)}"] if students else []
    parts += [table.tuning]
    return "; ".join(parts)


def how_to_read(table: LeaderboardTable) -> str:
    """Explain the numbers of the score table, and whether differences were tested."""
    sentences = ["Scores in points at the last evaluation" + (", mean ± sd." if table.seeds > 1 else ".")]
    if any(cell.delta is not None for row in table.rows for cell in row.cells.values()):
        sentences.append(f"In parentheses: difference to {table.reference} on common seeds.")
    seeds_differ = any(0 < cell.n < table.seeds for row in table.rows for cell in row.cells.values())
    seeds = f"{table.seeds} seed{'' if table.seeds == 1 else 's'}{' unless marked' * seeds_differ}"
    verdicts = [cell.verdict for row in table.rows for cell in row.cells.values() if cell.verdict]
    if table.seeds == 0:
        sentences.append("No run has a score.")
    elif table.seeds < SEEDS_FOR_A_VERDICT:
        sentences.append(f"{seeds}: {SEED_RULE}.")
    elif not verdicts:
        why = "" if table.family else ": all rows are baselines or ablations"
        sentences.append(f"{seeds}; differences are not tested{why}.")
    else:
        sentences += [f"{seeds}.", *_how_tested(table, set(verdicts))]
    return " ".join((*sentences, "Costs are means per run."))


def _how_tested(table: LeaderboardTable, verdicts: set[str]) -> Iterator[str]:
    """Explain the correction for multiple tests and the marks of the verdicts."""
    tasks = table.compared
    family = f"{len(table.family)} method{'s' * (len(table.family) != 1)}"
    yield (
        "Differences are tested against the noise of seeds and examples, Holm over "
        + (f"{family} x {tasks} tasks." if tasks > 1 else f"{family}.")
    )
    marks = [f"{MARKS[verdict].strip()} {verdict}" for verdict in ("better", "worse") if verdict in verdicts]
    marks += ["≈ equivalent (within half a point)"] * ("equivalent" in verdicts)
    legend = ", ".join((*marks, "no mark")) if marks else "No mark"
    yield f"{legend}: inconclusive, which is not equal."
    if any(row.with_best for row in table.rows):
        yield "* cannot be told from the row with the highest mean."


def data_line(column: Column, table: LeaderboardTable) -> str:
    """Describe one task's data: state, sizes, metrics, budget, source."""
    rows = ", ".join(f"{count} {split}" for split, count in column.eval_rows.items())
    holdout = "" if column.eval_on == "dev" else ", scored on a holdout of train"
    kinds = "/".join(table.budget_kinds).replace("_", " ")
    limits = "/".join(map(str, column.budget))
    parts = (column.data_state, rows + holdout, _metrics(column), f"{limits} {kinds}", column.source)
    return f"{column.name}: {'; '.join(parts)}"


def _metrics(column: Column) -> str:
    names = ", ".join(column.metrics)
    return f"mean of {names}" if len(column.metrics) > 1 else names or "no metric"


def remarks(table: LeaderboardTable) -> Iterator[str]:
    """Yield everything else that a reader should know, one sentence each."""
    for column in table.columns:
        if column.uninformative:
            yield f"{column.name}: uninformative: {column.uninformative}; not compared, in no mean."
        if absent := [row.label for row in table.rows if column.name not in row.cells]:
            yield f"{column.name}: no run of {', '.join(absent)}; costs over different tasks are not comparable."
    if table.glue_tasks is not None and table.glue_tasks < len(GLUE8):
        complete = f"{table.glue_tasks} of {len(GLUE8)} tasks"
        yield f"{complete} with official, informative data: no GLUE score."
    if any("mini" in row.scores for row in table.rows):
        yield "mini: the mean over eight tasks, without mini-wnli; differences are over all."
    yield from table.power_lines
    yield from unmatched_costs(table)
    for row in table.rows:
        if row.resources and row.resources not in row.label:
            yield f"{row.label} used {row.resources}."
    yield from table.notes
    if table.view is not None:
        yield table.view
    for column in table.columns:
        yield from (f"{column.name}: {notice}" for notice in column.notices)


def unmatched_costs(table: LeaderboardTable) -> Iterator[str]:
    """Name the rows of the reference that are missing for a comparison at equal cost, such as `kd@3x`."""
    from matekd_bench.results.stats.matched_cost import matching_multiple

    missing: dict[int, list[str]] = {}  # multiple of the budget -> labels of the rows that need it
    for row in table.rows:
        ratio = row.cost.flops_x_reference if row.cost else None
        if row.label in table.family and row.delta_matched is None and row.delta_ci_lo is not None and ratio:
            missing.setdefault(matching_multiple(ratio, 1.0), []).append(row.label)
    for multiple, labels in sorted(missing.items()):
        rival = f"{table.reference}@{multiple}x"
        yield f"At equal cost: no row of {table.reference} cost as much as {', '.join(labels)} ({rival} would)."


def several_tables_note(tables: Sequence[LeaderboardTable]) -> str | None:
    """Return the note that several tables are not compared, None for a single table."""
    return "Tables have different protocols and are not compared." if len(tables) > 1 else None


def protocol_lines(leaderboard: Leaderboard) -> Iterator[str]:
    """Yield a line for each setting in which the protocols of several tables differ."""
    yield from (f"different: {line}." for line in leaderboard.differences)

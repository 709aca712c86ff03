"""A leaderboard in words: the sheets of text cells and the sentences that terminal and Markdown share."""

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
    """A table of text: `rows[i][j]` are the lines of a cell, the first cell of a row names it."""

    header: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[tuple[str, ...], ...], ...]
    references: int = 0  # how many rows at the top are no students


def points(value: float | None, *, signed: bool = False) -> str:
    """A fraction in points with one decimal, "" for None; never "-0.0"."""
    if value is None:
        return ""
    rounded = round(100 * value, 1) + 0.0
    return f"{rounded:+.1f}" if signed else f"{rounded:.1f}"


def score_sheet(table: LeaderboardTable) -> Sheet:
    """Methods x tasks, the teacher and the majority class on top; then such means over tasks as there are."""
    means = [name for name in DEFINITIONS if any(name in row.scores for row in table.rows)]
    delta = any(row.delta is not None for row in table.rows) and table.compared > 1
    header = [("method",), *map(_heading, table.columns), *((name,) for name in means)]
    references: list[list[tuple[str, ...]]] = [
        [("teacher",), *((points(column.teacher_score),) for column in table.columns)],
        [("majority class",), *((points(column.majority_score),) for column in table.columns)],
    ]
    rows: list[list[tuple[str, ...]]] = [
        [
            label(row),
            *(_cell(row.cells.get(column.name), table) for column in table.columns),
            *((points(row.scores.get(name)),) for name in means),
        ]
        for row in table.rows
    ]
    if delta:
        header.append(("mean diff.", f"to {table.reference}"))
        for cells, row in zip(rows, table.rows, strict=True):
            cells.append((points(row.delta, signed=True),))
    whole = [[*cells, *[("",)] * (len(header) - len(cells))] for cells in (*references, *rows)]
    return Sheet(tuple(header), tuple(map(tuple, whole)), references=len(references))


def cost_sheet(table: LeaderboardTable) -> Sheet:
    """What each method cost, a run on average; FLOPs as a multiple of the reference's where there is one."""
    header: list[tuple[str, ...]] = [("method",), ("updates",), ("auxiliary", "updates"), ("train s",)]
    header.append(("train", "PFLOPs"))
    if table.reference is not None:
        header.append((f"x {table.reference}", "FLOPs"))
    rows = [list(_cost(row, len(header))) for row in table.rows]
    if table.budgets_differ:
        header.append(("budget",))
        for cells, row in zip(rows, table.rows, strict=True):
            cells.append((budget(row),))
    return Sheet(tuple(header), tuple(map(tuple, rows)))


def budget(row: LeaderboardRow) -> str:
    """The limits of a row's runs, task by task where they differ."""
    limits = ["/".join(map(str, those)) for those in row.budget.values()]
    return ", ".join(dict.fromkeys(limits))


def _cost(row: LeaderboardRow, width: int) -> tuple[tuple[str, ...], ...]:
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
    """A row's name: marked where it cannot be told from the best, then what it is besides a method."""
    name = row.label + WITH_BEST * bool(row.with_best)
    flags = [row.role] * (row.role != "method") + ["unranked"] * (not row.ranked)
    return (name, f"({', '.join(flags)})") if flags else (name,)


def _cell(cell: ScoreCell | None, table: LeaderboardTable) -> tuple[str, ...]:
    """Mean ± sd, then the difference to the reference, then what a reader must know of the seeds."""
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
    """What was held fixed in this table."""
    synthetic = ["SYNTHETIC mini-GLUE, not GLUE"] if table.synthetic else []
    teachers = sorted({column.teacher for column in table.columns if column.teacher})
    students = sorted({student for row in table.rows for student in row.students})
    parts = [*synthetic, f"preset {', '.join(table.presets)}", f"protocol {table.protocol_id}"]
    parts += [f"teacher {', '.join(teachers)}"] if teachers else []
    parts += [f"student {', '.join(students)}"] if students else []
    parts += [table.tuning]
    return "; ".join(parts)


def reading(table: LeaderboardTable) -> str:
    """How to read the numbers of the score table, and how far they carry."""
    sentences = ["Scores in points at the last evaluation" + (", mean ± sd." if table.seeds > 1 else ".")]
    if any(cell.delta is not None for row in table.rows for cell in row.cells.values()):
        sentences.append(f"In parentheses: difference to {table.reference} on common seeds.")
    ragged = any(0 < cell.n < table.seeds for row in table.rows for cell in row.cells.values())
    counted = f"{table.seeds} seed{'' if table.seeds == 1 else 's'}{' unless marked' * ragged}"
    tested = [cell.verdict for row in table.rows for cell in row.cells.values() if cell.verdict]
    if table.seeds == 0:
        sentences.append("No run has a score.")
    elif table.seeds < SEEDS_FOR_A_VERDICT:
        sentences.append(f"{counted}: {SEED_RULE}.")
    elif not tested:
        why = "" if table.family else ": all rows are baselines or ablations"
        sentences.append(f"{counted}; differences are not tested{why}.")
    else:
        sentences += [f"{counted}.", *_how_tested(table, set(tested))]
    return " ".join((*sentences, "Costs are means per run."))


def _how_tested(table: LeaderboardTable, verdicts: set[str]) -> Iterator[str]:
    """What the marks mean and over what p is corrected."""
    tasks = table.compared
    family = f"{len(table.family)} method{'s' * (len(table.family) != 1)}"
    yield (
        "Differences are tested against the noise of seeds and examples, Holm over "
        + (f"{family} x {tasks} tasks." if tasks > 1 else f"{family}.")
    )
    said = [f"{MARKS[verdict].strip()} {verdict}" for verdict in ("better", "worse") if verdict in verdicts]
    said += ["≈ equivalent (within half a point)"] * ("equivalent" in verdicts)
    legend = ", ".join((*said, "no mark")) if said else "No mark"
    yield f"{legend}: inconclusive, which is not equal."
    if any(row.with_best for row in table.rows):
        yield "* cannot be told from the row with the highest mean."


def data_line(column: Column, table: LeaderboardTable) -> str:
    """One task's data: state, sizes, metrics, budget."""
    rows = ", ".join(f"{count} {split}" for split, count in column.eval_rows.items())
    where = "" if column.eval_on == "dev" else ", scored on a holdout of train"
    kinds = "/".join(table.budget_kinds).replace("_", " ")
    limits = "/".join(map(str, column.budget))
    parts = (column.data_state, rows + where, _metrics(column), f"{limits} {kinds}", column.source)
    return f"{column.name}: {'; '.join(parts)}"


def _metrics(column: Column) -> str:
    names = ", ".join(column.metrics)
    return f"mean of {names}" if len(column.metrics) > 1 else names or "no metric"


def remarks(table: LeaderboardTable) -> Iterator[str]:
    """Everything else that a reader should know, one sentence each."""
    for column in table.columns:
        if column.uninformative:
            yield f"{column.name}: uninformative: {column.uninformative}; not compared, in no mean."
        if lacking := [row.label for row in table.rows if column.name not in row.cells]:
            yield f"{column.name}: no run of {', '.join(lacking)}; costs over different tasks are not comparable."
    if table.glue_tasks is not None and table.glue_tasks < len(GLUE8):
        complete = f"{table.glue_tasks} of {len(GLUE8)} tasks"
        yield f"{complete} with official, informative data: no GLUE score."
    if any("mini" in row.scores for row in table.rows):
        yield "mini: the mean over eight tasks, without mini-wnli; differences are over all."
    yield from table.power_lines
    yield from unmatched(table)
    for row in table.rows:
        if row.resources and row.resources not in row.label:
            yield f"{row.label} used {row.resources}."
    yield from table.notes
    if table.view is not None:
        yield table.view
    for column in table.columns:
        yield from (f"{column.name}: {notice}" for notice in column.notices)


def unmatched(table: LeaderboardTable) -> Iterator[str]:
    """Which rows of the reference would have to be run to compare the costly methods at equal cost."""
    from matekd_bench.results.stats.matched_cost import matching_multiple

    wanted: dict[int, list[str]] = {}
    for row in table.rows:
        ratio = row.cost.flops_x_reference if row.cost else None
        if row.label in table.family and row.delta_matched is None and row.delta_ci_lo is not None and ratio:
            wanted.setdefault(matching_multiple(ratio, 1.0), []).append(row.label)
    for multiple, labels in sorted(wanted.items()):
        rival = f"{table.reference}@{multiple}x"
        yield f"At equal cost: no row of {table.reference} cost as much as {', '.join(labels)} ({rival} would)."


def between(tables: Sequence[LeaderboardTable]) -> str | None:
    """What to know of several tables."""
    return "Tables have different protocols and are not compared." if len(tables) > 1 else None


def protocol_lines(leaderboard: Leaderboard) -> Iterator[str]:
    """In what the protocols of several tables differ."""
    yield from (f"different: {line}." for line in leaderboard.differences)

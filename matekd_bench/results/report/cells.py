"""Defines a column and a cell of a table, and how values become text; renderers add only syntax and escaping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, ParamSpec

from matekd_bench.files.csv_text import Value
from matekd_bench.results.leaderboard.table import (
    LeaderboardRow,
    LeaderboardTable,
    ScoreCell,
    ShownPart,
    TaskColumn,
)
from matekd_bench.results.stats.differences import Difference
from matekd_bench.results.stats.summary import CellSummary, RowSummary

P = ParamSpec("P")

NO_VALUE = "-"
MARKS: Mapping[str | None, str] = {"better": " ↑", "worse": " ↓", "equivalent": " ≈"}
WITH_BEST = " *"
NO_ADVERSARY = "no adversary"
OVER: Mapping[str, tuple[str, ...]] = {"": (), "tasks": ("(all tasks)",), "study": ("(whole study)",)}
PROBLEMS = ("failed", "collapsed", "diverged")  # statuses of runs that a table must name
METRIC_NAMES: Mapping[str, str] = {
    "accuracy": "acc",
    "f1": "F1",
    "matthews": "MCC",
    "pearson": "r",
    "spearman": "rho",
    "macro-f1": "macro F1",
    "balanced-accuracy": "bal. acc",
}
# The format of numbers of each unit in tables. Fractions are shown in points; files have them as they are.
FORMATS: Mapping[str, str] = {
    "": "",
    "fraction": ".1f",
    "difference": "+.1f",
    "count": ".0f",
    "s": ".1f",
    "GB": ".1f",
    "FLOPs": ".3g",
    "PFLOPs": ".3g",
    "ratio": ".2f",
    "probability": ".2f",
    "correlation": "+.2f",
    "share": ".3f",
    "diagnostic": ".4g",
}
FACTORS: Mapping[str, float] = {"fraction": 100, "difference": 100, "FLOPs": 1e-15}


@dataclass(frozen=True)
class TableCell:
    """One cell of a table.

    `lines` are its lines of text, the most important first. `sort` is the value to sort by, "" for none. `kind` is
    the kind of cell, such as a verdict or a status. `link` names the part of a page that explains the cell.
    """

    lines: tuple[str, ...]
    sort: str | float = ""
    kind: str = ""
    link: str = ""


EMPTY = TableCell(("",))


@dataclass(frozen=True)
class Column(Generic[P]):
    """One column: its `key` in CSV and JSON, its value for each row, its heading, unit and one line of documentation.

    `value` computes the value in files. `heading` has the lines above the column in tables, () if only files have the
    column; ``{reference}`` stands for the reference's label. `unit` is one of FORMATS. `show` makes the cell, by
    default from value and unit. If `in_files` is false, only tables have the column. `over` tells what the numbers
    cover even if a filtered view hides it: all "tasks" of the study, or the whole "study", with all its methods.
    """

    key: str
    doc: str
    value: Callable[P, Value]
    heading: tuple[str, ...] = ()
    unit: str = ""
    show: Callable[P, TableCell] | None = None
    in_files: bool = True
    over: Literal["", "tasks", "study"] = ""

    def title(self, reference: str | None, part: ShownPart | None = None) -> tuple[str, ...]:
        """Return the heading with the label of the reference; in a filtered view, a last line names `over`."""
        name = "the reference" if reference is None else reference
        lines = tuple(line.replace("{reference}", name) for line in self.heading)
        if part is not None and (self.over == "study" or part.hides_tasks):
            return (*lines, *OVER[self.over])
        return lines

    def cell(self, *args: P.args, **kwargs: P.kwargs) -> TableCell:
        """Return the cell of a row in a table."""
        if self.show is not None:
            return self.show(*args, **kwargs)
        value = self.value(*args, **kwargs)
        return TableCell((text(value, self.unit),), "" if value is None else value)


def in_files(columns: Sequence[Column[P]]) -> list[Column[P]]:
    """Return the columns that files have."""
    return [column for column in columns if column.in_files]


def text(value: Value, unit: str = "") -> str:
    """Format a value in its unit: fractions in points, FLOPs in PFLOPs; NO_VALUE for None."""
    if value is None:
        return NO_VALUE
    if isinstance(value, str):
        return value
    decimals = FORMATS[unit]
    shown = value * FACTORS[unit] if unit in FACTORS else value
    if decimals.endswith("f"):
        shown = round(shown, int(decimals[-2])) + 0.0  # + 0.0 turns -0.0 into 0.0
    return format(shown, decimals)


def interval(low: float | None, high: float | None, unit: str = "fraction") -> str:
    """Format an interval in points; NO_VALUE for none."""
    if low is None or high is None:
        return NO_VALUE
    return f"{text(low, unit)} to {text(high, unit)}"


def p_cell(p: float | None) -> TableCell:
    """Show a p-value with three decimals."""
    if p is None:
        return TableCell((NO_VALUE,))
    return TableCell(("<.001" if p < 0.001 else f"{p:.3f}",), p)


def bounds(difference: Difference | None) -> tuple[float | None, float | None]:
    """Return the ends of the 95 % interval of a difference; None for both if it has none."""
    interval = difference.interval() if difference else None
    return (interval.low, interval.high) if interval else (None, None)


def difference_cell(delta: float | None, statistics: CellSummary | RowSummary) -> TableCell:
    """Show a difference with the mark of its verdict."""
    if delta is None:
        return TableCell((NO_VALUE,))
    mark = MARKS.get(statistics.verdict, "")
    return TableCell((text(delta, "difference") + mark,), delta, statistics.verdict or "")


def interval_cell(difference: Difference | None) -> TableCell:
    """Show the 95 % interval of a difference."""
    low, high = bounds(difference)
    return TableCell((interval(low, high, "difference"),), "" if low is None else low)


def verdict_cell(statistics: CellSummary | RowSummary) -> TableCell:
    """Show a verdict, or why it is missing."""
    missing = statistics.difference.missing if statistics.difference else None
    said = statistics.verdict or (f"none: {missing}" if missing else NO_VALUE)
    return TableCell((said,), statistics.verdict or "", statistics.verdict or "")


def mean_and_spread(cell: ScoreCell) -> str:
    """Format the mean and, for two seeds or more, the standard deviation."""
    spread = cell.statistics.spread
    if spread is None:
        return NO_VALUE
    mean = text(spread.mean, "fraction")
    return mean if spread.sd is None else f"{mean} ± {text(spread.sd, 'fraction')}"


def problems(cell: ScoreCell) -> list[str]:
    """Count the runs that failed, collapsed or diverged, e.g. "1 failed"."""
    return [f"{cell.statuses[status]} {status}" for status in PROBLEMS if cell.statuses[status]]


def marks(cell: ScoreCell) -> list[str]:
    """Return the marks of a cell's runs, such as "same as kd", or "5 of 8" and "no adversary"."""
    same_as, none, runs = cell.marks.same_as, cell.marks.no_adversary, cell.marks.adversary_runs
    lines = [] if same_as is None else [f"same as {same_as}"]
    return [*lines, f"{none} of {runs}", NO_ADVERSARY] if none else lines


def score_cell(cell: ScoreCell | None, table: LeaderboardTable, *, with_interval: bool = False) -> TableCell:
    """Show a score: mean ± sd, difference to the reference with its mark, missing seeds, runs with problems, marks.

    `with_interval` adds the 95 % interval of the difference. The cell of a method without runs is empty.
    """
    if cell is None:
        return EMPTY
    lines = [mean_and_spread(cell)]
    if cell.delta is not None:
        lines.append(f"({difference_cell(cell.delta, cell.statistics).lines[0]})")
        low, high = bounds(cell.statistics.difference)
        if with_interval and low is not None:
            lines.append(f"[{text(low, 'difference')}, {text(high, 'difference')}]")
    if cell.mean is not None and cell.n < table.seeds:
        lines.append(f"n={cell.n}")
    sort = "" if cell.mean is None else cell.mean
    shown = (*lines, *problems(cell), *marks(cell))
    return TableCell(shown, sort, cell.statistics.verdict or "")


def task_heading(task: TaskColumn) -> tuple[str, ...]:
    """Return the lines above the scores of one task, with a mark if it is uninformative or its data are partial."""
    marks = {"(uninformative)": bool(task.uninformative), "(partial)": task.partial}
    return (task.name, *(mark for mark, shown in marks.items() if shown))


def metric_heading(task: TaskColumn) -> str:
    """Return the metrics of a task in short, such as "acc/F1"; its score is their mean."""
    return "/".join(METRIC_NAMES.get(name, name) for name in task.metrics)


def dev_rows(task: TaskColumn) -> str:
    """Return the number of examples that were scored, such as "872 dev"."""
    count = sum(task.eval_rows.values())
    return f"{count} {task.eval_on}" if count else ""


def name_cell(row: LeaderboardRow) -> TableCell:
    """Show a row's name: a mark if it does not differ from the best, then its role if it is not a method."""
    rank, identity = row.overall.rank, row.identity
    best = rank is not None and rank.with_best
    flags = [identity.role] * (identity.role != "method") + ["unranked"] * (not identity.ranked)
    name = row.label + WITH_BEST * best
    lines = (name, f"({', '.join(flags)})") if flags else (name,)
    return TableCell(lines, row.label, "best" if best else "", f"method-{identity.method}")


def joined(values: Iterable[str]) -> str:
    """Join the distinct values, sorted."""
    return "; ".join(sorted(set(values)))


def teacher_cost(table: LeaderboardTable) -> str | None:
    """Return the cost of the teacher's answers that come from files; None if nothing is known."""
    return joined(amounts(column.teacher_cost) for column in table.columns if column.teacher_cost) or None


def amounts(cost: Mapping[str, float]) -> str:
    """Return a cost by unit as text, e.g. ``5 tokens, 0.2 USD``."""
    return ", ".join(f"{amount:.10g} {unit}" for unit, amount in cost.items())

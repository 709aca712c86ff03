"""Makes the tables of the page as plain data: cells with text, sort value and link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matekd_bench.results.leaderboard.glue_score import DEFINITIONS
from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, ScoreCell
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.main_tables import MARKS, label, points


@dataclass(frozen=True)
class HtmlCell:
    """One cell of a table on the page.

    `lines` are its lines of text; those after the first are printed small. `sort` is the value to sort by; cells
    with "" always come last. `kind` is a CSS class. `link` is the id of the part of the page that the cell links to.
    """

    lines: tuple[str, ...]
    sort: str | float = ""
    kind: str = ""
    link: str = ""


@dataclass(frozen=True)
class HtmlTable:
    """A table on the page.

    `references` are rows that stay on top when the table is sorted. `choices` is the index of a column to filter by
    and its values, None for no filter.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[HtmlCell, ...], ...]
    references: tuple[tuple[HtmlCell, ...], ...] = ()
    choices: tuple[int, tuple[str, ...]] | None = None
    numbers_from: int = (
        1  # index of the first column with numbers; the filter by name searches those before it
    )


def score_grid(table: LeaderboardTable) -> HtmlTable:
    """Make the table of methods x tasks, with ranks, means and differences over tasks if available."""
    means = [name for name in DEFINITIONS if any(name in row.scores for row in table.rows)]
    has_ranks = any(row.rank_lo is not None for row in table.rows)
    has_differences = any(row.delta is not None for row in table.rows)
    has_matched = any(row.delta_matched is not None for row in table.rows)
    header = [
        "method",
        *(["rank"] * has_ranks),
        *(_heading(column.name, column.uninformative) for column in table.columns),
    ]
    header += means
    header += [f"mean difference to {table.reference}", "verdict"] if has_differences else []
    header += ["at equal cost"] * has_matched

    def cells(row: LeaderboardRow) -> tuple[HtmlCell, ...]:
        entries = [_name(row), *([_rank(row)] * has_ranks)]
        entries += [_score(row.cells.get(column.name), table) for column in table.columns]
        entries += [_number(row.scores.get(name)) for name in means]
        entries += [_difference(row), _verdict(row.verdict, row.missing)] if has_differences else []
        return (*entries, *([_matched(row)] * has_matched))

    width = len(header)
    return HtmlTable(
        caption="Scores",
        header=tuple(header),
        rows=tuple(map(cells, table.rows)),
        references=(
            _reference_cells("teacher", has_ranks, [column.teacher_score for column in table.columns], width),
            _reference_cells(
                "majority class", has_ranks, [column.majority_score for column in table.columns], width
            ),
        ),
        choices=_choices(header, [cells(row) for row in table.rows], "verdict"),
    )


def _heading(name: str, uninformative: str | None) -> str:
    return f"{name} (uninformative)" if uninformative else name


def _choices(
    header: Sequence[str], rows: Sequence[Sequence[HtmlCell]], name: str
) -> tuple[int, tuple[str, ...]] | None:
    """Return the index and the values of column `name`, to filter by; None if it is absent or has only one value."""
    if name not in header:
        return None
    index = list(header).index(name)
    values = sorted({str(row[index].sort) for row in rows if row[index].sort})
    return (index, tuple(values)) if len(values) > 1 else None


def _reference_cells(
    name: str, has_ranks: bool, scores: Sequence[float | None], width: int
) -> tuple[HtmlCell, ...]:
    entries = [HtmlCell((name,), name), *([HtmlCell(("",))] * has_ranks), *map(_number, scores)]
    return (*entries, *[HtmlCell(("",))] * (width - len(entries)))


def _name(row: LeaderboardRow) -> HtmlCell:
    return HtmlCell(label(row), row.label, "best" if row.with_best else "", f"method-{row.method}")


def _rank(row: LeaderboardRow) -> HtmlCell:
    if row.rank_lo is None or row.rank_hi is None:
        return HtmlCell(("",))
    text = str(row.rank_lo) if row.rank_lo == row.rank_hi else f"{row.rank_lo}–{row.rank_hi}"
    return HtmlCell((text,), (row.rank_lo + row.rank_hi) / 2)


def _number(value: float | None) -> HtmlCell:
    return HtmlCell((points(value),), "" if value is None else value)


def _score(cell: ScoreCell | None, table: LeaderboardTable) -> HtmlCell:
    if cell is None:
        return HtmlCell(("",))
    spread = f" ± {points(cell.sd)}" if cell.sd is not None else ""
    lines = [f"{points(cell.mean)}{spread}" if cell.mean is not None else "–"]
    if cell.delta is not None:
        lines += [f"({points(cell.delta, signed=True)}{MARKS.get(cell.verdict, '')})", *_interval(cell)]
    lines += [f"n = {cell.n}"] * (cell.mean is not None and cell.n < table.seeds)
    counts = ((cell.n_failed, "failed"), (cell.n_collapsed, "collapsed"), (cell.n_diverged, "diverged"))
    lines += [f"{count} {word}" for count, word in counts if count]
    return HtmlCell(tuple(lines), "" if cell.mean is None else cell.mean, cell.verdict or "")


def _interval(mark: LeaderboardRow | ScoreCell) -> list[str]:
    """Format the interval of a difference; an empty list for none."""
    if mark.delta_ci_lo is None or mark.delta_ci_hi is None:
        return []
    return [f"[{points(mark.delta_ci_lo, signed=True)}, {points(mark.delta_ci_hi, signed=True)}]"]


def _difference(row: LeaderboardRow) -> HtmlCell:
    lines = (points(row.delta, signed=True), *_interval(row))
    return HtmlCell(lines, "" if row.delta is None else row.delta, row.verdict or "")


def _verdict(verdict: str | None, missing: str | None) -> HtmlCell:
    if verdict is None:
        return HtmlCell(("", missing) if missing else ("",))
    return HtmlCell((verdict + MARKS.get(verdict, ""),), verdict, verdict)


def _matched(row: LeaderboardRow) -> HtmlCell:
    if row.delta_matched is None:
        return HtmlCell(("",))
    lines = (points(row.delta_matched, signed=True), f"to {row.matched_rival}")
    return HtmlCell(lines if row.matched_rival else lines[:1], row.delta_matched)


def cost_grid(table: LeaderboardTable) -> HtmlTable:
    """Make the table of costs, as means per run."""
    header = ("method", "updates", "auxiliary updates", "train s", "train PFLOPs")
    has_reference = table.reference is not None
    return HtmlTable(
        caption="Cost, mean of a run",
        header=(*header, *([f"times the FLOPs of {table.reference}"] * has_reference)),
        rows=tuple(tuple(_cost_cells(row, has_reference)) for row in table.rows),
    )


def _cost_cells(row: LeaderboardRow, has_reference: bool) -> Iterator[HtmlCell]:
    yield HtmlCell((row.label,), row.label)
    cost = row.cost
    if cost is None:
        yield from [HtmlCell(("–",))] * (4 + has_reference)
        return
    for text, value in (
        (f"{cost.student_updates:.0f}", cost.student_updates),
        (f"{cost.auxiliary_updates:.0f}", cost.auxiliary_updates),
        (f"{cost.train_seconds:.1f}", cost.train_seconds),
        (f"{cost.train_flops / 1e15:.3g}", cost.train_flops),
    ):
        yield HtmlCell((text,), value)
    if has_reference:
        ratio = cost.flops_x_reference
        yield HtmlCell(("–" if ratio is None else f"{ratio:.2f}",), "" if ratio is None else ratio)


def run_grid(runs: Sequence[Record]) -> HtmlTable:
    """Make the table of all runs, whose ids link to their records."""
    header = (
        "run",
        "method",
        "task",
        "status",
        "seed",
        "score",
        "best on dev",
        "updates",
        "train s",
        "PFLOPs",
    )
    rows = [tuple(_run_cells(run)) for run in runs]
    choices = _choices(header, rows, "status")
    return HtmlTable("Runs", header, tuple(rows), choices=choices, numbers_from=4)


def _run_cells(run: Record) -> Iterator[HtmlCell]:
    identity, score, compute = run.identity, run.task_score, run.compute
    yield HtmlCell((run.run_id,), run.run_id, link=f"run-{run.run_id}")
    yield HtmlCell((identity.variant,), identity.variant)
    yield HtmlCell((identity.task,), identity.task)
    yield HtmlCell((run.status, *([run.reason] if run.reason else [])), run.status, run.status)
    yield HtmlCell((str(identity.seed),), identity.seed)
    yield _number(score.last if score else None)
    yield _number(score.best_dev if score else None)
    yield HtmlCell((str(compute.student_updates),), compute.student_updates)
    yield HtmlCell((f"{compute.train_seconds:.1f}",), compute.train_seconds)
    yield HtmlCell((f"{compute.train_flops / 1e15:.3g}",), compute.train_flops)

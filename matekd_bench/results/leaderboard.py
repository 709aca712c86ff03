"""From records to the leaderboard: means, spreads, differences to the control, costs.

Everything is computed from the records alone and in an order of its own, so the same records give the same
table in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from matekd_bench.hashing import lines_digest
from matekd_bench.results import glue
from matekd_bench.results.grouping import Grid, RowKey, arrange
from matekd_bench.results.record import Record, to_json
from matekd_bench.results.table import Cell, Column, Cost, Leaderboard, Row, Table
from matekd_bench.tasks.record import Suite, Task

# A student less than a point above the majority class has learnt nothing that a comparison could rest on.
MAJORITY_MARGIN = 0.01


def build(
    records: Sequence[Record],
    *,
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    control: str | None = "kd",
) -> Leaderboard:
    """The leaderboard of `records`: one table per protocol, since only one protocol's rows are comparable.

    `tasks` gives titles and metrics, `suites` the order of columns; a task in neither is shown by name, last.
    `control` is the variant that others are compared with, None for no comparison.
    """
    protocols: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.run_id):
        protocols.setdefault(record.identity.protocol_id, []).append(record)
    tables = (_table(arrange(runs, suites), runs, tasks, control) for runs in protocols.values())
    return Leaderboard(tuple(sorted(tables, key=lambda table: (table.presets, table.protocol_id))))


def _table(grid: Grid, runs: Sequence[Record], tasks: Mapping[str, Task], control: str | None) -> Table:
    columns = tuple(_column(name, members, grid, tasks) for name, members in grid.columns.items())
    reference = _control_row(grid, control)
    rows = sorted(
        (_row(key, grid, columns, reference) for key in grid.rows),
        key=lambda row: (not row.ranked, not row.control, row.label),
    )
    notes = list(grid.notes)
    if control is not None and reference is None:
        notes.append(f"no run of the control '{control}': no differences are shown.")
    return Table(
        protocol_id=runs[0].identity.protocol_id,
        presets=_unique(run.identity.preset for run in runs),
        budget_kinds=_unique(run.budget.kind for run in runs),
        columns=columns,
        rows=tuple(rows),
        control=_label(reference, grid) if reference else None,
        seeds=max(cell.n for row in rows for cell in row.cells.values()),
        glue_tasks=glue.shown(columns),
        notes=tuple(notes),
    )


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _label(key: RowKey, grid: Grid) -> str:
    """The variant, with the method's version and resources where the table holds several of them."""
    variant, version, resources = key
    others = [other for other in grid.rows if other[0] == variant]
    label = variant if len({other[1] for other in others}) == 1 else f"{variant} v{version}"
    return label if len({other[2] for other in others}) == 1 else f"{label} ({resources or 'no resources'})"


def _control_row(grid: Grid, control: str | None) -> RowKey | None:
    """The control's row; where it is there in several versions, the one with most runs."""
    candidates = [key for key in grid.rows if key[0] == control]
    sizes = {key: sum(len(grid.cell(key, column)) for column in grid.columns) for key in candidates}
    return max(candidates, key=lambda key: (sizes[key], key), default=None)


def _column(name: str, members: Sequence[Record], grid: Grid, tasks: Mapping[str, Task]) -> Column:
    first = next((run for run in members if run.teacher is not None), members[0])
    task, data, teacher = tasks.get(first.identity.task), first.data, first.teacher
    used = _unique(item.metric for run in members for item in run.scores)
    column = Column(
        name=name,
        task=first.identity.task,
        title=task.title if task else first.identity.task,
        metrics=task.metrics if task else used,
        source=f"{data.source}@{data.revision}" if data.revision else data.source,
        data_state=data.state_text,
        official=data.state == "official" and data.eval_on == "dev",
        eval_on=data.eval_on,
        eval_rows={split: info.n for split, info in sorted(data.splits.items()) if split != "train"},
        budget=tuple(sorted({run.budget.limit for run in members})),
        teacher=teacher.id if teacher else None,
        teacher_sha256=teacher.sha256 if teacher else None,
        teacher_score=teacher.task_score if teacher else None,
        majority_score=data.majority_score,
        uninformative=None,
        notices=tuple(dict.fromkeys(notice for run in members for notice in run.data.notices)),
    )
    return replace(column, uninformative=_uninformative(name, grid, data.majority_score))


def _uninformative(name: str, grid: Grid, majority: float | None) -> str | None:
    """Why no student of a column learnt anything; None where one did, or none has a score."""
    scored = [runs for key in grid.rows if (runs := list(grid.scored(key, name).values()))]
    if not scored:
        return None
    if all(run.status in {"collapsed", "diverged"} for runs in scored for run in runs):
        return "every run collapsed"
    best = max(fmean(_last(run) for run in runs) for runs in scored)
    if majority is not None and best < majority + MAJORITY_MARGIN:
        return "every student is at the majority class"
    return None


def _last(run: Record) -> float:
    """The headline score: at the last look."""
    if run.task_score is None:
        raise ValueError(f"run {run.run_id} has no score")
    return run.task_score.last


def _row(key: RowKey, grid: Grid, columns: Sequence[Column], reference: RowKey | None) -> Row:
    runs = [run for column in columns for run in grid.cell(key, column.name).values()]
    identity = runs[0].identity
    compared = reference if identity.ranked and key != reference else None
    cells = {
        column.name: _cell(key, column, grid, compared) for column in columns if grid.cell(key, column.name)
    }
    return Row(
        label=_label(key, grid),
        method=identity.method,
        variant=identity.variant,
        method_version=identity.method_version,
        params=identity.params,
        control=identity.control,
        ranked=identity.ranked,
        cells=cells,
        cost=_cost(key, grid, reference),
        delta=_mean_delta(columns, cells),
        scores=glue.scores(columns, cells),
        glue_tasks=sum(name in glue.GLUE8 for name in glue.complete(columns, cells)),
        devices=_unique(run.compute.device for run in runs),
        students=_unique(run.student.id for run in runs if run.student),
        bench_versions=_unique(run.env["matekd_bench"] for run in runs if "matekd_bench" in run.env),
        runs_digest=lines_digest(sorted(map(to_json, runs)))[:16],
    )


def _cell(key: RowKey, column: Column, grid: Grid, reference: RowKey | None) -> Cell:
    runs = grid.cell(key, column.name)
    scored = grid.scored(key, column.name)
    scores = [_last(run) for run in scored.values()]
    theirs = grid.scored(reference, column.name) if reference and column.uninformative is None else {}
    differences = [_last(run) - _last(theirs[seed]) for seed, run in scored.items() if seed in theirs]
    statuses = [run.status for run in runs.values()]
    return Cell(
        n=len(scores),
        mean=fmean(scores) if scores else None,
        sd=stdev(scores) if len(scores) > 1 else None,
        delta=fmean(differences) if differences else None,
        delta_n=len(differences),
        optimism=fmean(run.task_score.optimism for run in scored.values() if run.task_score)
        if scored
        else None,
        n_failed=statuses.count("failed"),
        n_collapsed=statuses.count("collapsed"),
        n_diverged=statuses.count("diverged"),
    )


def _mean_delta(columns: Sequence[Column], cells: Mapping[str, Cell]) -> float | None:
    """Mean difference over the informative tasks; None where one is missing or a task has several columns."""
    names = [column.name for column in columns if column.uninformative is None]
    if not names or len({column.task for column in columns}) < len(columns):
        return None
    deltas = [cells[name].delta if name in cells and not cells[name].n_failed else None for name in names]
    known = [delta for delta in deltas if delta is not None]
    return fmean(known) if len(known) == len(names) else None


def _cost(key: RowKey, grid: Grid, reference: RowKey | None) -> Cost | None:
    by_task = [runs for column in grid.columns if (runs := list(grid.scored(key, column).values()))]
    if not by_task:
        return None

    def mean(field: str) -> float:
        return fmean(fmean(getattr(run.compute, field) for run in runs) for runs in by_task)

    return Cost(
        student_updates=mean("student_updates"),
        own_updates=mean("own_updates"),
        train_seconds=mean("train_seconds"),
        train_flops=mean("train_flops"),
        flops_x_control=_flops_ratio(key, grid, reference) if reference else None,
    )


def _flops_ratio(key: RowKey, grid: Grid, reference: RowKey) -> float | None:
    """FLOPs of training and preparation over the control's, on the tasks and seeds that both have."""
    mine = theirs = 0
    for column in grid.columns:
        control = grid.scored(reference, column)
        for seed, run in grid.scored(key, column).items():
            if seed in control:
                mine += _flops(run)
                theirs += _flops(control[seed])
    return mine / theirs if theirs else None


def _flops(run: Record) -> int:
    return run.compute.train_flops + run.compute.precompute_flops

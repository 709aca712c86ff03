"""Turns the leaderboard and the runs into flat rows with fixed columns, for spreadsheets and data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

from matekd_bench.files.hashing import canonical
from matekd_bench.results.leaderboard import tuned_rows
from matekd_bench.results.leaderboard.grouping import resources_of, task_order
from matekd_bench.results.leaderboard.table import SCHEMA, Leaderboard, LeaderboardRow, LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.tasks.task import Suite

Value: TypeAlias = str | int | float | bool | None
FlatRow: TypeAlias = dict[str, Value]

# Fixed columns come first and are never reordered.
LEADERBOARD_COLUMNS = (
    *("schema", "rank_lo", "rank_hi", "method", "method_version", "params", "role", "preset", "teacher"),
    *(
        "student",
        "budget",
        "n_tasks",
        "n_seeds_min",
        "n_failed",
        "score_definition",
        "score",
        "ci_lo",
        "ci_hi",
    ),
    *(
        "delta",
        "delta_ci_lo",
        "delta_ci_hi",
        "p_holm",
        "verdict",
        "delta_matched",
        "tasks_won",
        "prob_improve",
    ),
    *("worst_task_delta", "optimism_mean", "train_pflops", "flops_x_reference", "train_seconds", "device"),
    *("protocol_id", "runs_digest", "bench_version"),
    *("tuning", "tuning_pflops", "resources", "compared_with"),
)
TASK_COLUMNS = ("mean", "sd", "n", "delta", "verdict", "data_state")

RUN_COLUMNS = (
    *(
        "schema",
        "run_id",
        "status",
        "reason",
        "method",
        "variant",
        "method_version",
        "params",
        "role",
        "ranked",
    ),
    *("task", "seed", "preset", "protocol_id", "data_source", "data_state", "eval_on", "majority_score"),
    *("teacher", "teacher_sha256", "teacher_score", "student", "budget", "budget_spent"),
    *("split", "selection", "metric", "value", "n", "student_updates", "auxiliary_updates", "train_flops"),
    *("precompute_flops", "train_seconds", "eval_seconds", "peak_memory_bytes", "device", "precision"),
    *("created", "bench_version"),
    *("tuning", "lr", "resources"),
)


@dataclass(frozen=True)
class Flat:
    """A table whose rows all have exactly these columns, in this order; missing values are None."""

    columns: tuple[str, ...]
    rows: tuple[FlatRow, ...]


def leaderboard_rows(leaderboard: Leaderboard, suites: Sequence[Suite]) -> Flat:
    """Return one row per method and protocol, each protocol's teacher first.

    The fixed columns come first, then TASK_COLUMNS for each task, in suite order.
    """
    names = {column.name: column.task for table in leaderboard.tables for column in table.columns}
    order = task_order(suites, names.values())
    tasks = sorted(names, key=lambda name: (order.index(names[name]), name))
    columns = (*LEADERBOARD_COLUMNS, *(f"{task}_{part}" for task in tasks for part in TASK_COLUMNS))
    rows = (
        row
        for table in leaderboard.tables
        for row in (_teacher_row(table), *(_method_row(row, table) for row in table.rows))
    )
    return Flat(columns, tuple(_with_all_columns(columns, row) for row in rows))


def _with_all_columns(columns: Sequence[str], row: FlatRow) -> FlatRow:
    if unknown := row.keys() - set(columns):
        raise ValueError(f"no columns for {sorted(unknown)}")
    return {column: row.get(column) for column in columns}


def _common(table: LeaderboardTable) -> FlatRow:
    """Return the values that all rows of a table share."""
    return {
        "schema": SCHEMA,
        "preset": _joined(table.presets),
        "teacher": _joined(column.teacher for column in table.columns if column.teacher),
        "protocol_id": table.protocol_id,
        "tuning": table.tuning,
    }


def _joined(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))


def _teacher_row(table: LeaderboardTable) -> FlatRow:
    row = _common(table) | {"method": "teacher"}
    row["n_tasks"] = sum(column.teacher_score is not None for column in table.columns)
    for column in table.columns:
        row[f"{column.name}_mean"] = column.teacher_score
        row[f"{column.name}_data_state"] = column.data_state
    return row


def _method_row(row: LeaderboardRow, table: LeaderboardTable) -> FlatRow:
    cells = row.cells.values()
    deltas = [cell.delta for cell in cells if cell.delta is not None]
    optimism = [cell.optimism for cell in cells if cell.optimism is not None]
    flat = _common(table) | {
        "method": row.label,
        "method_version": row.method_version,
        "params": canonical(dict(row.params)),
        "role": row.role,
        "student": _joined(row.students),
        "budget": _budget(row, table),
        "n_tasks": sum(cell.mean is not None for cell in cells),
        "n_seeds_min": min(cell.n for cell in cells),
        "n_failed": sum(cell.n_failed for cell in cells),
        "rank_lo": row.rank_lo,
        "rank_hi": row.rank_hi,
        "delta": row.delta,
        "delta_ci_lo": row.delta_ci_lo,
        "delta_ci_hi": row.delta_ci_hi,
        "p_holm": row.p_holm,
        "verdict": row.verdict if row.ranked else "unranked",
        "delta_matched": row.delta_matched,
        "tasks_won": row.tasks_won,
        "prob_improve": row.prob_improve,
        "worst_task_delta": min(deltas) if row.delta is not None else None,
        "optimism_mean": fmean(optimism) if optimism else None,
        "device": _joined(row.devices),
        "runs_digest": row.runs_digest,
        "resources": row.resources or None,
        "compared_with": table.reference if row.ranked and row.label != table.reference else None,
        "bench_version": _joined(row.bench_versions),
        "tuning_pflops": None if row.tuning_flops is None else row.tuning_flops / 1e15,
    }
    return flat | _score(row, table) | _cost(row) | _task_values(row, table)


def _budget(row: LeaderboardRow, table: LeaderboardTable) -> str:
    limits = sorted({limit for column_limits in row.budget.values() for limit in column_limits})
    return f"{'/'.join(table.budget_kinds)}={'/'.join(map(str, limits))}"


def _score(row: LeaderboardRow, table: LeaderboardTable) -> FlatRow:
    """Return the headline score: `mini` for mini-GLUE, else `glue8`.

    If tasks of `glue8` are missing, only the number of complete ones is given.
    """
    name = "mini" if table.synthetic else "glue8"
    low, high = row.scores_ci.get(name, (None, None))
    if table.synthetic or name in row.scores:
        return {"score_definition": name, "score": row.scores.get(name), "ci_lo": low, "ci_hi": high}
    return {"score_definition": None if table.glue_tasks is None else f"{row.glue_tasks} of 8 tasks"}


def _cost(row: LeaderboardRow) -> FlatRow:
    if row.cost is None:
        return {}
    return {
        "train_pflops": row.cost.train_flops / 1e15,
        "flops_x_reference": row.cost.flops_x_reference,
        "train_seconds": row.cost.train_seconds,
    }


def _task_values(row: LeaderboardRow, table: LeaderboardTable) -> FlatRow:
    flat: FlatRow = {}
    for column in table.columns:
        if (cell := row.cells.get(column.name)) is not None:
            flat[f"{column.name}_data_state"] = column.data_state
            flat[f"{column.name}_mean"] = cell.mean
            flat[f"{column.name}_sd"] = cell.sd
            flat[f"{column.name}_n"] = cell.n
            flat[f"{column.name}_delta"] = cell.delta
            flat[f"{column.name}_verdict"] = "uninformative" if column.uninformative else cell.verdict
    return flat


def run_rows(records: Sequence[Record], xfits: Mapping[str, float] | None = None) -> Flat:
    """Return the runs in long form: one row per run, split, selection and metric.

    A failed run has one row without a value. The task's score is the metric `task_score` of split `all`. It has the
    selections `last` and `best_dev`, and `xfit` for runs in `xfits` (run id -> cross-fitted score).
    """
    known = xfits or {}
    ordered = sorted(records, key=_run_order)
    rows = (row for run in ordered for row in _rows_of_run(run, known.get(run.run_id)))
    return Flat(RUN_COLUMNS, tuple(_with_all_columns(RUN_COLUMNS, row) for row in rows))


def _run_order(run: Record) -> tuple[str, str, str, int, str]:
    identity = run.identity
    return identity.protocol_id, identity.task, identity.variant, identity.seed, run.run_id


def _rows_of_run(run: Record, xfit: float | None) -> Iterator[FlatRow]:
    common = _common_to_rows(run)
    for item in run.scores:
        yield common | item.model_dump()
    if run.task_score is None:
        yield common
        return
    selections = {"last": run.task_score.last, "best_dev": run.task_score.best_dev, "xfit": xfit}
    for selection, value in selections.items():
        if value is not None:
            yield common | {"split": "all", "selection": selection, "metric": "task_score", "value": value}


def _common_to_rows(run: Record) -> FlatRow:
    """Return the values that all rows of a run share."""
    identity = run.identity.model_dump(exclude={"params"})
    compute = run.compute.model_dump(include=set(RUN_COLUMNS))
    teacher, student = run.teacher, run.student
    return {
        "schema": run.schema_,
        "run_id": run.run_id,
        "status": run.status,
        "reason": run.reason,
        **identity,
        "params": canonical(run.identity.params),
        "data_source": run.data.source,
        "data_state": run.data.state_text,
        "eval_on": run.data.eval_on,
        "majority_score": run.data.majority_score,
        "teacher": teacher.id if teacher else None,
        "teacher_sha256": teacher.sha256 if teacher else None,
        "teacher_score": teacher.task_score if teacher else None,
        "student": student.id if student else None,
        "budget": f"{run.budget.kind}={run.budget.limit}",
        "budget_spent": run.budget.spent,
        **compute,
        "created": run.provenance.created,
        "bench_version": run.env.get("matekd_bench"),
        "tuning": tuned_rows.describe_tuning([run]),
        "lr": run.hparams.get("lr"),
        "resources": resources_of(run) or None,
    }

"""Collects the settings of a protocol from its records, and lists the differences between protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matekd_bench.results.leaderboard import tuned_rows
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.leaderboard.task_columns import with_study_budget
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.protocol_differences import differing_settings

MAX_NAMED = 8
BY_TASK = ("data", "budget", "max_length")  # settings that each task has of its own


def settings(runs: Sequence[Record]) -> dict[str, Any]:
    """Collect the settings of one protocol's runs, nested.

    Unranked rows and rows with another budget, such as `kd@2x`, are left out unless there are no others.
    """
    used = with_study_budget([run for run in runs if run.identity.ranked] or runs)
    names = sorted({name for run in used for name in run.hparams})
    by_task: dict[str, list[Record]] = {}
    for run in used:
        by_task.setdefault(run.identity.task, []).append(run)
    by_task = dict(sorted(by_task.items()))
    return {
        "preset": _shared_value(run.identity.preset for run in used),
        "source": _shared_value(f"{run.data.source}@{run.data.revision or ''}".rstrip("@") for run in used),
        "eval_on": _shared_value(run.data.eval_on for run in used),
        "teacher": _shared_value(run.teacher.id for run in used if run.teacher),
        "student": _shared_value(run.student.id for run in used if run.student),
        "precision": _shared_value(run.compute.precision for run in used),
        "budget_kind": _shared_value(run.budget.kind for run in used),
        "tuning": tuned_rows.describe_tuning(used),
        "hparams": {name: _shared_value(_hparam(run, name) for run in used) for name in names},
        "data": {task: _shared_value(run.data.state_text for run in runs) for task, runs in by_task.items()},
        "budget": {task: _shared_value(run.budget.limit for run in runs) for task, runs in by_task.items()},
        "max_length": {
            task: _shared_value(run.data.max_length for run in runs) for task, runs in by_task.items()
        },
    }


def _hparam(run: Record, name: str) -> Any:
    """Return a hyper-parameter of the study; for a tuned run `lr` is that of the first trial."""
    return run.tuning.trials[0].lr if run.tuning is not None and name == "lr" else run.hparams.get(name)


def _shared_value(values: Iterable[Any]) -> Any:
    """Return the value that all runs share, or the sorted list of the different values."""
    distinct: list[Any] = []
    for value in values:
        if not distinct or (value != distinct[-1] and value not in distinct):
            distinct.append(value)
    return distinct[0] if len(distinct) == 1 else sorted(distinct, key=str)


def differences(tables: Sequence[LeaderboardTable]) -> tuple[str, ...]:
    """List the settings in which the tables' protocols differ, one per line.

    Settings that depend on the task are compared only for tasks that all tables have.
    """
    if len(tables) < 2:
        return ()
    common = set.intersection(*({column.task for column in table.columns} for table in tables))
    fields = differing_settings({table.protocol_id: _for_tasks(table.settings, common) for table in tables})
    lines = [str(field) for field in fields]
    if not lines:
        unseen = "a setting that records do not contain, e.g. the teacher's recipe or the engine's version"
        return (
            unseen
            if common
            else f"the budget or another setting of tasks that only one of them has, or {unseen}",
        )
    more = len(lines) - MAX_NAMED
    return (*lines[:MAX_NAMED], *([f"and {more} more"] if more > 0 else []))


def _for_tasks(settings: Mapping[str, Any], tasks: set[str]) -> dict[str, Any]:
    """Reduce the settings in BY_TASK to `tasks`."""

    def reduce(name: str, value: Any) -> Any:
        if name in BY_TASK and isinstance(value, Mapping):
            return {task: value[task] for task in sorted(tasks) if task in value}
        return value

    return {name: reduce(name, value) for name, value in settings.items()}

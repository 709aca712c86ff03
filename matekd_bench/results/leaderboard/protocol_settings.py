"""What the records say of a protocol, and in which settings several protocols differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matekd_bench.results.leaderboard import tuned_rows
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.leaderboard.task_columns import with_study_budget
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.protocol_differences import differing

MAX_NAMED = 8
BY_TASK = ("data", "budget", "max_length")  # settings that each task has of its own


def settings(runs: Sequence[Record]) -> dict[str, Any]:
    """The settings of one protocol's runs, nested; rows that change the protocol and `kd@2x` are left out."""
    used = with_study_budget([run for run in runs if run.identity.ranked] or runs)
    distinct = {
        (id(run.hparams), id(run.tuning)): run for run in used
    }.values()  # what the index shares is one
    names = sorted({name for run in distinct for name in run.hparams})
    of: dict[str, list[Record]] = {}
    for run in used:
        of.setdefault(run.identity.task, []).append(run)
    of = dict(sorted(of.items()))
    return {
        "preset": _said(run.identity.preset for run in used),
        "source": _said(f"{run.data.source}@{run.data.revision or ''}".rstrip("@") for run in used),
        "eval_on": _said(run.data.eval_on for run in used),
        "teacher": _said(run.teacher.id for run in used if run.teacher),
        "student": _said(run.student.id for run in used if run.student),
        "precision": _said(run.compute.precision for run in used),
        "budget_kind": _said(run.budget.kind for run in used),
        "tuning": tuned_rows.how(used),
        "hparams": {name: _said(_given(run, name) for run in distinct) for name in names},
        "data": {task: _said(run.data.state_text for run in runs) for task, runs in of.items()},
        "budget": {task: _said(run.budget.limit for run in runs) for task, runs in of.items()},
        "max_length": {task: _said(run.data.max_length for run in runs) for task, runs in of.items()},
    }


def _given(run: Record, name: str) -> Any:
    """A hyper-parameter of the study: of a tuned run the learning rate that tuning set out from."""
    return run.tuning.trials[0].lr if run.tuning is not None and name == "lr" else run.hparams.get(name)


def _said(values: Iterable[Any]) -> Any:
    """The value that all have, or the list of those that there are."""
    different: list[Any] = []
    for value in values:
        if not different or (value != different[-1] and value not in different):
            different.append(value)
    return different[0] if len(different) == 1 else sorted(different, key=str)


def differences(tables: Sequence[LeaderboardTable]) -> tuple[str, ...]:
    """The settings in which the tables' protocols differ, a line each; of tasks only those that all have."""
    if len(tables) < 2:
        return ()
    common = set.intersection(*({column.task for column in table.columns} for table in tables))
    found = differing({table.protocol_id: _shared(table.settings, common) for table in tables})
    lines = [str(field) for field in found]
    if not lines:
        return ("in something that records do not hold, e.g. the teacher's recipe or the engine's version",)
    more = len(lines) - MAX_NAMED
    return (*lines[:MAX_NAMED], *([f"and {more} more"] if more > 0 else []))


def _shared(found: Mapping[str, Any], tasks: set[str]) -> dict[str, Any]:
    def cut(name: str, value: Any) -> Any:
        if name in BY_TASK and isinstance(value, Mapping):
            return {task: value[task] for task in sorted(tasks) if task in value}
        return value

    return {name: cut(name, value) for name, value in found.items()}

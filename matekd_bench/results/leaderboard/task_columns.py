"""Describes the columns of a table: task, data and teacher, and why a column is uninformative."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from matekd_bench.results.leaderboard.grouping import RecordGrid, last_score
from matekd_bench.results.leaderboard.table import TaskColumn
from matekd_bench.results.records.run_record import Record, TeacherRecord
from matekd_bench.results.stats.teacher_strength import p_above_majority
from matekd_bench.tasks.task import Task

# A student less than one point above the majority class has learned nothing worth comparing.
MAJORITY_MARGIN = 0.01
TEACHER_ALPHA = 0.05  # one-sided
FACTOR = re.compile(r"@([\d.]+)x$")  # kd@2x: a row with a multiple of the study's budget


def make_column(
    name: str, members: Sequence[Record], grid: RecordGrid, tasks: Mapping[str, Task]
) -> TaskColumn:
    """Describe the column of `members`, records that share data and teacher."""
    first = next((run for run in members if run.teacher is not None), members[0])
    task, data, teacher = tasks.get(first.identity.task), first.data, first.teacher
    return TaskColumn(
        name=name,
        task=first.identity.task,
        title=task.title if task else first.identity.task,
        metrics=metrics_of([first, *members], tasks),
        source=f"{data.source}@{data.revision}" if data.revision else data.source,
        data_state=data.state_text,
        synthetic=data.state == "mini",
        eval_on=data.eval_on,
        eval_rows={split: info.n for split, info in sorted(data.splits.items()) if split != "train"},
        budget=tuple(sorted({run.budget.limit for run in with_study_budget(members)})),
        teacher=teacher.id if teacher else None,
        teacher_score=teacher.task_score if teacher else None,
        majority_score=data.majority_score,
        uninformative=_why_uninformative(name, grid, data.majority_score, teacher),
        notices=tuple(dict.fromkeys(notice for run in members for notice in run.data.notices)),
        stands_for=task.stands_for if task else None,
        teacher_answers=teacher is not None and teacher.answers,
        teacher_cost=teacher.cost_beforehand if teacher else {},
    )


def metrics_of(runs: Sequence[Record], tasks: Mapping[str, Task]) -> tuple[str, ...]:
    """Return the metrics of one task's runs: those of the task or, if it is not installed, the recorded ones."""
    task = tasks.get(runs[0].identity.task)
    scored = (run for run in runs if run.status != "diverged")
    return task.metrics if task else tuple(sorted({item.metric for run in scored for item in run.scores}))


def with_study_budget(runs: Sequence[Record]) -> Sequence[Record]:
    """Leave out the runs of rows such as `kd@2x`, unless there are no others."""
    return [run for run in runs if not FACTOR.search(run.identity.variant)] or runs


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct values, sorted."""
    return tuple(sorted(set(values)))


def _why_uninformative(
    name: str, grid: RecordGrid, majority: float | None, teacher: TeacherRecord | None
) -> str | None:
    """Return the reason why nothing, or nothing from the teacher, was learned; None if there is none or no score."""
    scored = [runs for key in grid.rows if (runs := list(grid.scored(key, name).values()))]
    if not scored:
        return None
    if all(run.status in {"collapsed", "diverged"} for runs in scored for run in runs):
        return "every run collapsed"
    if majority is not None and teacher is not None and (reason := _weak_teacher(teacher, majority)):
        return reason
    best = max(fmean(last_score(run) for run in runs) for runs in scored)
    if majority is not None and best < majority + MAJORITY_MARGIN:
        return "no student is at least one point above the majority class"
    return None


def _weak_teacher(teacher: TeacherRecord, majority: float) -> str | None:
    """Return the reason why the teacher may have nothing to teach; None if it is above the majority class."""
    if teacher.task_score is None:
        return None
    if teacher.task_score <= majority:
        return "the teacher is not above the majority class"
    rows = {item.split: item.n for item in teacher.scores}
    metrics = {
        name: sum(item.value * item.n for item in teacher.scores if item.metric == name) / sum(rows.values())
        for name in {item.metric for item in teacher.scores}
    }
    p = p_above_majority(metrics, sum(rows.values()), majority) if rows else None
    if p is None or p < TEACHER_ALPHA:
        return None
    return f"the teacher is not significantly above the majority class (p = {p:.2g})"

"""Significance tests between two recorded runs, on the examples on which both were scored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from matekd_bench.errors import ResultsError, UsageError, unknown
from matekd_bench.results.leaderboard.evidence import Evidence, RunAnswers
from matekd_bench.results.leaderboard.task_columns import metrics_of
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.paired_tests import CheckpointComparison, compare_checkpoints
from matekd_bench.spelling import plain
from matekd_bench.tasks.task import Task

MAX_NAMED = 5  # run ids listed in an error message


def find_run(
    records: Sequence[Record], name: str, tasks: Mapping[str, Task] = MappingProxyType({})
) -> Record:
    """Return the run whose id is `name` or, if there is only one, starts with `name`; else raise UsageError.

    If no id starts with `name`, its task and method may have another spelling, such as that of the paper, and `rte` may
    mean `mini-rte` of `tasks`.
    """
    if exact := [run for run in records if run.run_id == name]:
        return exact[0]
    matches = sorted(run.run_id for run in records if run.run_id.startswith(name))
    matches = matches or sorted(run.run_id for run in records if _is_spelled(name, run, tasks))
    if not matches:
        raise unknown("run", name, [run.run_id for run in records])
    if len(matches) > 1:
        more = f" and {len(matches) - MAX_NAMED} more" if len(matches) > MAX_NAMED else ""
        raise UsageError(f"run '{name}' is ambiguous: {', '.join(matches[:MAX_NAMED])}{more}.")
    return find_run(records, matches[0])


def _is_spelled(name: str, run: Record, tasks: Mapping[str, Task]) -> bool:
    """Return True if `name` is the start of a run's id with another spelling of its task and method."""
    task = run.identity.task
    seed = f"-{run.identity.seed}-"
    method, _, end = run.run_id.removeprefix(task).rpartition(seed)
    imitated = tasks[task].stands_for if task in tasks else None
    for spelled in {plain(f"{known}{method}") for known in (task, imitated) if known}:
        if spelled.startswith(plain(name)):
            return True
        parts = re.finditer("-|$", name)
        if any(
            plain(name[: at.start()]) == spelled and f"{seed}{end}".startswith(name[at.start() :])
            for at in parts
        ):
            return True
    return False


def compare_runs(
    run_a: Record, run_b: Record, evidence: Evidence, tasks: Mapping[str, Task]
) -> CheckpointComparison:
    """Test whether two checkpoints differ: McNemar's exact test for accuracy, a permutation test otherwise.

    `run_a` is the comparison's own run. The result applies to these two checkpoints only, not to their methods. Raises
    UsageError for runs of different tasks or dev sets, and ResultsError if the answers of one run are missing.
    """
    if run_a.run_id == run_b.run_id:
        raise UsageError(f"both runs are '{run_a.run_id}': name two different runs.")
    if run_a.identity.task != run_b.identity.task:
        raise UsageError(
            f"'{run_a.run_id}' is a run of '{run_a.identity.task}', but '{run_b.run_id}' is a run of "
            f"'{run_b.identity.task}': name two runs of the same task."
        )
    if _dev_digests(run_a) != _dev_digests(run_b):
        raise UsageError(f"'{run_a.run_id}' and '{run_b.run_id}' were scored on different dev sets.")
    metrics = metrics_of([run_a, run_b], tasks)
    a, b = (_answers(run, evidence, metrics) for run in (run_a, run_b))
    return compare_checkpoints(a.gold, a.last, b.last)


def _dev_digests(run: Record) -> dict[str, str]:
    """Return the digest of each split except train."""
    return {name: split.digest for name, split in run.data.splits.items() if name != "train"}


def _answers(run: Record, evidence: Evidence, metrics: Sequence[str]) -> RunAnswers:
    """Return a run's answers on dev; raise ResultsError if the run failed or they are missing."""
    if run.task_score is None:
        raise ResultsError(f"run '{run.run_id}' failed and has no score: {run.reason}.")
    answers = evidence.answers(run, metrics)
    if answers is None:
        raise ResultsError(f"run '{run.run_id}' cannot be compared: {evidence.why_missing(run, metrics)}")
    return answers

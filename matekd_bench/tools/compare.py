"""Two recorded runs against each other, on the examples that both were scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.errors import ResultsError, UsageError, unknown
from matekd_bench.results.leaderboard.evidence import Evidence, RunAnswers
from matekd_bench.results.leaderboard.task_columns import metrics_of
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.checkpoint_tests import CheckpointComparison, compare_checkpoints
from matekd_bench.tasks.task import Task

MAX_NAMED = 5


@dataclass(frozen=True)
class Comparison:
    """Two runs and what their answers at the last evaluation say."""

    own: Record
    other: Record
    found: CheckpointComparison


def find_run(records: Sequence[Record], name: str) -> Record:
    """The run whose id is `name` or the only one that starts with it; UsageError otherwise."""
    if exact := [run for run in records if run.run_id == name]:
        return exact[0]
    near = sorted(run.run_id for run in records if run.run_id.startswith(name))
    if not near:
        raise unknown("run", name, [run.run_id for run in records])
    if len(near) > 1:
        more = f" and {len(near) - MAX_NAMED} more" if len(near) > MAX_NAMED else ""
        raise UsageError(f"run '{name}' is not unique: {', '.join(near[:MAX_NAMED])}{more}.")
    return find_run(records, near[0])


def compare_runs(own: Record, other: Record, evidence: Evidence, tasks: Mapping[str, Task]) -> Comparison:
    """McNemar's exact test for accuracy, a permutation test otherwise: of these two checkpoints only.

    UsageError for runs of different tasks or dev sets, ResultsError where the answers of one are missing.
    """
    if own.run_id == other.run_id:
        raise UsageError(f"both runs are '{own.run_id}': name two.")
    if own.identity.task != other.identity.task:
        raise UsageError(
            f"'{own.run_id}' is of task '{own.identity.task}' and '{other.run_id}' of '{other.identity.task}': "
            "only runs of one task are compared."
        )
    if _dev(own) != _dev(other):
        raise UsageError(f"'{own.run_id}' and '{other.run_id}' were scored on different dev sets.")
    metrics = metrics_of([own, other], tasks)
    a, b = (_answers(run, evidence, metrics) for run in (own, other))
    return Comparison(own, other, compare_checkpoints(a.gold, a.last, b.last))


def _dev(run: Record) -> dict[str, str]:
    return {name: split.digest for name, split in run.data.splits.items() if name != "train"}


def _answers(run: Record, evidence: Evidence, metrics: Sequence[str]) -> RunAnswers:
    if run.task_score is None:
        raise ResultsError(f"run '{run.run_id}' failed and has no score: {run.reason}.")
    answers = evidence.answers(run, metrics)
    if answers is None:
        raise ResultsError(f"run '{run.run_id}' cannot be compared: {evidence.missing[run.run_id]}")
    return answers

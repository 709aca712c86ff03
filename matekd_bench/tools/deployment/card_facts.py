"""The facts of a model card: the run, the uncertainty of its score, and how well an ONNX model agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.distill.artifacts.kept_student import StudentCard
from matekd_bench.errors import ResultsError
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.grouping import group_records, row_key
from matekd_bench.results.leaderboard.table_statistics import bounds_of
from matekd_bench.results.leaderboard.task_columns import metrics_of
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.example_scores import example_scores, noise_of_one_run
from matekd_bench.results.stats.intervals import Interval, Spread, confidence_interval, spread
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.task import Task


@dataclass(frozen=True)
class OnnxAgreement:
    """The comparison of an ONNX model with the recorded logits on `rows` dev examples.

    `recorded` and `float32` are the largest absolute differences to the recorded logits and to those of the student in
    float32. They are the same if the run was `exact`, that is, in float32. For `changed` examples the predicted class
    differs from the recorded one.
    """

    rows: int
    recorded: float
    float32: float
    changed: int
    exact: bool


@dataclass(frozen=True)
class ScoreEvidence:
    """The uncertainty of the score of a run, in fractions.

    `interval` (95 %) covers only the choice of dev examples for this student; None without usable predictions. `seeds`
    summarizes the runs of the same row of the leaderboard, including this one.
    """

    score: float
    interval: Interval | None
    seeds: Spread


@dataclass(frozen=True)
class CardFacts:
    """The content of a model card. `task` is None if it is not installed, `onnx` is None without an ONNX model."""

    run: Record
    task: Task | None
    student: StudentCard
    evidence: ScoreEvidence
    onnx: OnnxAgreement | None


def score_evidence(
    run: Record,
    records: Sequence[Record],
    stores: Mapping[str, ResultsStore],
    tasks: Mapping[str, Task],
) -> ScoreEvidence:
    """Compute the uncertainty of the score of a run; raise ResultsError if it has none."""
    if run.task_score is None:
        raise ResultsError(f"run '{run.run_id}' failed and has no score: {run.reason}.")
    bounds = bounds_of(metrics_of([run], tasks))
    return ScoreEvidence(
        run.task_score.last,
        _interval_over_examples(run, run.task_score.last, bounds, stores, tasks),
        _spread_over_seeds(run, records, bounds),
    )


def _interval_over_examples(
    run: Record,
    score: float,
    bounds: Interval,
    stores: Mapping[str, ResultsStore],
    tasks: Mapping[str, Task],
) -> Interval | None:
    answers = Evidence(stores).answers(run, metrics_of([run], tasks))
    scores = answers and example_scores(answers.gold, {run.identity.seed: answers.last})
    return confidence_interval(score, noise_of_one_run(scores)).clipped(bounds) if scores else None


def _spread_over_seeds(run: Record, records: Sequence[Record], bounds: Interval) -> Spread:
    """Summarize the run's cell of the leaderboard."""
    protocol = [other for other in records if other.identity.protocol_id == run.identity.protocol_id]
    grid = group_records(protocol, ())
    cells = [grid.scored(row_key(run), column) for column in grid.columns]
    [cell] = [cell for cell in cells if run in cell.values()] or [{run.identity.seed: run}]
    collapsed = any(other.status != "ok" for other in cell.values())
    scores = [other.task_score.last for other in cell.values() if other.task_score]
    return spread(scores, bounds, collapsed=collapsed)

"""Lists every column of the runs once: files have a row per score, the web page a row per run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from matekd_bench.files.csv_text import Value
from matekd_bench.files.hashing import canonical
from matekd_bench.results.leaderboard import tuned_rows
from matekd_bench.results.leaderboard.cell_marks import adversary_margin
from matekd_bench.results.leaderboard.grouping import resources_of
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.cells import EMPTY, Column, TableCell
from matekd_bench.results.report.columns import ENVIRONMENT

Score: TypeAlias = Mapping[str, Value]  # SCORE_KEYS without `headline`; empty for a run without scores
RunColumn: TypeAlias = Column[[Record, Score]]


SCORE_KEYS = ("split", "selection", "metric", "value", "n", "headline")  # differ between the rows of a run
HEADLINE: Score = {"split": "all", "selection": "last", "metric": "task_score"}


def _is_headline(run: Record, score: Score) -> bool:
    return not score or all(score.get(key) == value for key, value in HEADLINE.items())


def _status_cell(run: Record, score: Score) -> TableCell:
    return TableCell((run.status, *([run.reason] if run.reason else [])), run.status, run.status)


def _adversary_cell(run: Record) -> TableCell:
    margin = adversary_margin(run)
    return EMPTY if margin is None else TableCell(("yes" if margin.is_adversary else "no",))


# Files have these columns. The order is fixed: a new column for files comes last.
RUN_COLUMNS: tuple[RunColumn, ...] = (
    Column("schema", "Schema of the record.", lambda run, score: run.schema_),
    Column(
        "run_id", "The run's identity.", lambda run, score: run.run_id, ("run",),
        show=lambda run, score: TableCell((run.run_id,), run.run_id, link=f"run-{run.run_id}"),
    ),
    Column(
        "status", "`ok`, `collapsed`, `diverged` or `failed`.", lambda run, score: run.status, ("status",),
        show=_status_cell,
    ),
    Column("reason", "Why the run failed, collapsed or diverged.", lambda run, score: run.reason),
    Column("method", "Name of the method.", lambda run, score: run.identity.method),
    Column("variant", "Method with its parameters.", lambda run, score: run.identity.variant, ("method",)),
    Column("method_version", "Version of the method.", lambda run, score: run.identity.method_version),
    Column(
        "params", "All parameters, as canonical JSON.", lambda run, score: canonical(run.identity.params),
    ),
    Column("role", "`baseline`, `ablation` or `method`.", lambda run, score: run.identity.role),
    Column("ranked", "False for a method that overrides the protocol.", lambda run, score: run.identity.ranked),
    Column("task", "Name of the task.", lambda run, score: run.identity.task, ("task",)),
    Column("seed", "Seed of the study.", lambda run, score: run.identity.seed, ("seed",)),
    Column("preset", "Name of the preset.", lambda run, score: run.identity.preset),
    Column(
        "protocol_id", "Hash of everything that the comparison holds fixed.",
        lambda run, score: run.identity.protocol_id,
    ),
    Column(
        "data_source", "Source of the data: `glue-dir`, `hub`, `embedded` or `own`.",
        lambda run, score: run.data.source,
    ),
    Column(
        "data_state", "`official`, `official (by row counts)` if no digest is known, `mini`, `own` or `partial (...)`.",
        lambda run, score: run.data.state_text,
    ),
    Column("eval_on", "`dev` or `holdout`.", lambda run, score: run.data.eval_on),
    Column(
        "majority_score", "Score of the majority class.", lambda run, score: run.data.majority_score, unit="fraction",
    ),
    Column(
        "teacher", "Teacher checkpoint, or the file of its answers.",
        lambda run, score: run.teacher.id if run.teacher else None,
    ),
    Column(
        "teacher_sha256", "Digest of the fine-tuned teacher, or of the file of its answers.",
        lambda run, score: run.teacher.sha256 if run.teacher else None,
    ),
    Column(
        "teacher_score", "The teacher's score on the task.",
        lambda run, score: run.teacher.task_score if run.teacher else None, unit="fraction",
    ),
    Column("student", "Student checkpoint.", lambda run, score: run.student.id if run.student else None),
    Column("budget", "Kind and limit of the budget.", lambda run, score: f"{run.budget.kind}={run.budget.limit}"),
    Column(
        "budget_spent", "Part of the budget that was spent, in the unit of its kind.",
        lambda run, score: run.budget.spent,
    ),
    Column(
        "split", "Split of the score; `all` for the task's score, `mnli/hans dev` for one on a further set.",
        lambda run, score: score.get("split"),
    ),
    Column(
        "selection", "Evaluation that the score is from: `last`, `best_dev`, or `xfit` for the cross-fitted score.",
        lambda run, score: score.get("selection"),
    ),
    Column(
        "metric", "Metric of the score; `task_score` is the mean of the task's metrics.",
        lambda run, score: score.get("metric"),
    ),
    Column("value", "The score; empty for a failed run.", lambda run, score: score.get("value"), unit="fraction"),
    Column("n", "Number of scored examples.", lambda run, score: score.get("n")),
    Column(
        "student_updates", "Updates of the student.",
        lambda run, score: run.compute.student_updates, ("updates",), "count",
    ),
    Column(
        "auxiliary_updates", "Updates of the method's own network.",
        lambda run, score: run.compute.auxiliary_updates, unit="count",
    ),
    Column(
        "train_flops", "Floating-point operations of the training.",
        lambda run, score: run.compute.train_flops, ("train", "PFLOPs"), "FLOPs",
    ),
    Column(
        "precompute_flops", "Floating-point operations of the warm-up of the method's own network.",
        lambda run, score: run.compute.precompute_flops, unit="FLOPs",
    ),
    Column(
        "train_seconds", "Seconds of the training.",
        lambda run, score: run.compute.train_seconds, ("train s",), "s",
    ),
    Column(
        "eval_seconds", "Seconds of the evaluations on dev.", lambda run, score: run.compute.eval_seconds, unit="s",
    ),
    Column(
        "peak_memory_bytes", "Largest memory in bytes; empty if unknown.",
        lambda run, score: run.compute.peak_memory_bytes,
    ),
    Column("device", "Device type.", lambda run, score: run.compute.device),
    Column("precision", "Precision of the forward passes.", lambda run, score: run.compute.precision),
    Column("created", "Time of the record (UTC).", lambda run, score: run.provenance.created),
    Column("bench_version", "Version of matekd-bench.", lambda run, score: run.env.get("matekd_bench")),
    Column(
        "tuning", "`defaults`, or the tuning, such as `tuned, 8 trials`.",
        lambda run, score: tuned_rows.describe_tuning([run]),
    ),
    Column("lr", "Learning rate of the training.", lambda run, score: run.hparams.get("lr")),
    Column(
        "resources", "External resources of the method, with version and digest.",
        lambda run, score: resources_of(run) or None,
    ),
    *(
        Column(name, f"The record's `env.{name}`.", lambda run, score, name=name: run.env.get(name))
        for name in ENVIRONMENT
    ),
    Column(
        "code", "Origin of the method's code, digest of the source, versions of the libraries that the method names.",
        lambda run, score: "; ".join(f"{part.method}: {part}" for part in run.code) or None,
    ),
    Column(
        "planned_first_seed", "First seed of the study's plan when the run was trained.",
        lambda run, score: run.provenance.seed_plan.first if run.provenance.seed_plan else None,
    ),
    Column(
        "planned_seeds", "Number of seeds in the study's plan when the run was trained.",
        lambda run, score: run.provenance.seed_plan.count if run.provenance.seed_plan else None,
    ),
    Column(
        "adversary_margin",
        "For a method that trains a generator: divergence on the adversary's text minus divergence on the frozen "
        "generator's text, mean over rows.",
        lambda run, score: margin.margin if (margin := adversary_margin(run)) else None, ("margin",), "diagnostic",
    ),
    Column(
        "adversary_margin_se", "Standard error of `adversary_margin` over rows.",
        lambda run, score: margin.se if (margin := adversary_margin(run)) else None, ("std. error",), "diagnostic",
    ),
    Column(
        "adversary", "False if the margin is at most two standard errors, so that the generator was no adversary.",
        lambda run, score: margin.is_adversary if (margin := adversary_margin(run)) else None, ("adversary",),
        show=lambda run, score: _adversary_cell(run),
    ),
    Column(
        "headline",
        "True for one row per run: the task's score at the last evaluation, or the only row of a failed run. Average "
        "only over these rows.",
        _is_headline,
    ),
    Column(
        "score", "The task's score at the last evaluation.",
        lambda run, score: run.last_score, ("score",), "fraction", in_files=False,
    ),
    Column(
        "best_dev", "The task's best score on dev.",
        lambda run, score: run.task_score.best_dev if run.task_score else None, ("best on dev",), "fraction",
        in_files=False,
    ),
)  # fmt: skip

# The web page's table of runs.
RUN_SHEET = (
    *("run_id", "variant", "task", "status", "seed", "score", "best_dev"),
    *("student_updates", "train_seconds", "train_flops"),
)

# The table of adversary margins, for --diagnostics.
MARGIN_SHEET = ("variant", "task", "seed", "adversary_margin", "adversary_margin_se", "adversary")

# The columns of a table with a row per run: the most important first, then all other columns of files.
FIRST_OF_RUN = (
    *("run_id", "method", "variant", "task", "seed", "score", "best_dev", "status", "reason"),
    *("student_updates", "train_flops", "train_seconds"),
)
RUN_TABLE = (
    *FIRST_OF_RUN,
    *(
        column.key
        for column in RUN_COLUMNS
        if column.in_files and column.key not in (*FIRST_OF_RUN, *SCORE_KEYS)
    ),
)


def scores_of(run: Record, xfit: float | None) -> Iterator[Score]:
    """Yield a run's scores by split, selection and metric, then the task's; one empty score if the run has none.

    Those on further sets have a split such as "mnli/hans dev".
    """
    yield from (item.model_dump() for item in run.scores)
    for scores in run.also:
        yield from (item.model_dump() | {"split": f"{scores.name} {item.split}"} for item in scores.scores)
    if run.task_score is None:
        yield {}
        return
    selections = {"last": run.task_score.last, "best_dev": run.task_score.best_dev, "xfit": xfit}
    for selection, value in selections.items():
        if value is not None:
            yield {"split": "all", "selection": selection, "metric": "task_score", "value": value}

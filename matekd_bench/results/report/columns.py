"""Lists every column of the leaderboard once, in the order of CSV and JSON, and the tables that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import TypeAlias

from matekd_bench.files.csv_text import Value
from matekd_bench.files.hashing import canonical
from matekd_bench.results.leaderboard.glue_score import DEFINITIONS
from matekd_bench.results.leaderboard.table import SCHEMA, Cost, LeaderboardRow, LeaderboardTable
from matekd_bench.results.report.cells import (
    Column,
    TableCell,
    amounts,
    bounds,
    difference_cell,
    interval_cell,
    joined,
    name_cell,
    p_cell,
    text,
    verdict_cell,
)
from matekd_bench.results.stats.differences import Difference
from matekd_bench.results.stats.intervals import Interval

# What a run's numbers may depend on besides its settings: the key in a record's `env`, and its name in a sentence.
ENVIRONMENT: Mapping[str, str] = {
    "torch": "versions of torch",
    "transformers": "versions of transformers",
    "processor": "kinds of processor",
}
RowColumn: TypeAlias = Column[[LeaderboardRow, LeaderboardTable]]
PETA = 1e15


def environment(row: LeaderboardRow, name: str) -> set[str]:
    """Return the distinct values of an entry of ENVIRONMENT in the runs of a row that have a score."""
    return {run.env[name] for run in row.runs if run.task_score is not None and name in run.env}


def students(row: LeaderboardRow) -> set[str]:
    """Return the students of a row's runs."""
    return {run.student.id for run in row.runs if run.student}


def _headline(table: LeaderboardTable) -> str:
    return "mini" if table.synthetic else "glue8"


def _score_definition(row: LeaderboardRow, table: LeaderboardTable) -> Value:
    if table.synthetic or _headline(table) in row.scores:
        return _headline(table)
    return None if table.glue_tasks is None else f"{row.glue_tasks} of 8 tasks"


def _score_interval(row: LeaderboardRow, table: LeaderboardTable) -> Interval | None:
    return row.scores_ci.get(_headline(table))


def _budget(row: LeaderboardRow, table: LeaderboardTable) -> Value:
    limits = sorted({limit for task_limits in row.budget.values() for limit in task_limits})
    return f"{'/'.join(table.budget_kinds)}={'/'.join(map(str, limits))}"


def _budget_cell(row: LeaderboardRow, table: LeaderboardTable) -> TableCell:
    """Show the limits of a row's runs, per task if they differ."""
    limits = ["/".join(map(str, task_limits)) for task_limits in row.budget.values()]
    return TableCell((", ".join(dict.fromkeys(limits)),), max(map(max, row.budget.values())))


def _count(row: LeaderboardRow, status: str) -> int:
    return sum(cell.statuses[status] for cell in row.cells.values())


def _worst_delta(row: LeaderboardRow, table: LeaderboardTable) -> Value:
    deltas = [cell.delta for cell in row.cells.values() if cell.delta is not None]
    return min(deltas) if row.delta is not None else None


def _optimism(row: LeaderboardRow, table: LeaderboardTable) -> Value:
    values = [cell.optimism for cell in row.cells.values() if cell.optimism is not None]
    return fmean(values) if values else None


def _rank_cell(row: LeaderboardRow, table: LeaderboardTable) -> TableCell:
    if (rank := row.overall.rank) is None:
        return TableCell((text(None),))
    shown = str(rank.low) if rank.low == rank.high else f"{rank.low}-{rank.high}"
    return TableCell((shown,), (rank.low + rank.high) / 2)


def _matched(row: LeaderboardRow) -> Difference | None:
    return row.overall.matched.difference if row.overall.matched else None


def _matched_cell(row: LeaderboardRow, table: LeaderboardTable) -> TableCell:
    if (matched := row.overall.matched) is None:
        return TableCell((text(None),))
    delta = matched.difference.delta
    return TableCell((f"{text(delta, 'difference')} to {matched.rival}",), delta)


def _tasks_won_cell(row: LeaderboardRow, table: LeaderboardTable) -> TableCell:
    won = row.overall.tasks_won
    return TableCell((text(None),)) if won is None else TableCell((f"{won} of {table.compared}",), won)


def _cost_beforehand(row: LeaderboardRow, table: LeaderboardTable) -> Value:
    costs = [run.perturber.cost_beforehand for run in row.runs if run.perturber]
    return joined(map(amounts, filter(None, costs))) or None


def _of_cost(value: Callable[[Cost], float | None]) -> Callable[[LeaderboardRow, LeaderboardTable], Value]:
    """Return the value of a row that `value` computes from its cost; None for a row without cost."""
    return lambda row, table: value(row.cost) if row.cost else None


METHOD: RowColumn = Column(
    "method",
    "Method with the parameters that you set; a note lists those that the preset sets. The teacher's row is `teacher`.",
    lambda row, table: row.label, ("method",), show=lambda row, table: name_cell(row),
)  # fmt: skip
# Files have these columns first. The order is fixed: a new column for files comes last.
LEADERBOARD_COLUMNS: tuple[RowColumn, ...] = (
    Column("schema", f"`{SCHEMA}`.", lambda row, table: SCHEMA),
    Column(
        "rank_lo", "Best rank in the rank interval among the ranked rows; 1 is the best of all.",
        lambda row, table: row.overall.rank.low if row.overall.rank else None,
        ("rank",), show=_rank_cell, over="study",
    ),
    Column(
        "rank_hi", "Worst rank in the rank interval.",
        lambda row, table: row.overall.rank.high if row.overall.rank else None,
    ),
    METHOD,
    Column(
        "method_version", "Version of the method; each version has its own row.",
        lambda row, table: row.identity.version,
    ),
    Column(
        "params",
        "All parameters as given, with defaults, as canonical JSON (`resources` has what `auto` chose); for a tuned "
        "row only those that all its runs share.",
        lambda row, table: canonical(dict(row.identity.params)),
    ),
    Column(
        "role",
        "`reference`, `baseline`, `ablation` or `method`; `compared_with` names the row that differences refer to.",
        lambda row, table: row.identity.role,
    ),
    Column("preset", "Preset; several are joined with `; `.", lambda row, table: joined(table.presets)),
    Column(
        "teacher", "Teacher checkpoint, or the file of its answers.",
        lambda row, table: joined(column.teacher for column in table.columns if column.teacher),
    ),
    Column("student", "Student checkpoint.", lambda row, table: joined(students(row))),
    Column(
        "budget",
        "Kind and limits of the budget of the row's runs. If tasks have different limits, they are in ascending order, "
        "such as `student_updates=80/200`. Tables show the limits per task.",
        _budget, ("budget",), show=_budget_cell,
    ),
    Column(
        "n_tasks", "Number of tasks with a score, including uninformative ones.",
        lambda row, table: sum(cell.mean is not None for cell in row.cells.values()),
    ),
    Column(
        "n_seeds_min", "Number of seeds in the cell that has the fewest.",
        lambda row, table: min(cell.n for cell in row.cells.values()),
    ),
    Column("n_failed", "Number of runs that failed.", lambda row, table: _count(row, "failed")),
    Column(
        "score_definition",
        "`glue8` for a GLUE score, `mini` for mini-GLUE; else how many of the eight GLUE tasks are complete and "
        "informative.",
        _score_definition,
    ),
    Column(
        "score",
        "The GLUE score, if there is one: the mean over the eight GLUE tasks. For `mini`: the mean over all tasks but "
        "`mini-wnli`.",
        lambda row, table: row.scores.get(_headline(table)), unit="fraction",
    ),
    Column(
        "ci_lo", "95 % interval of `score` over seeds on these dev sets: lower end.",
        lambda row, table: ci.low if (ci := _score_interval(row, table)) else None, unit="fraction",
    ),
    Column(
        "ci_hi", "95 % interval of `score`: upper end.",
        lambda row, table: ci.high if (ci := _score_interval(row, table)) else None, unit="fraction",
    ),
    Column(
        "delta",
        "Mean difference to `compared_with` over all informative tasks (WNLI included); tables mark its verdict.",
        lambda row, table: row.delta, ("mean diff.", "to {reference}"), "difference",
        lambda row, table: difference_cell(row.delta, row.overall), over="tasks",
    ),
    Column(
        "delta_ci_lo", "95 % interval of `delta`: lower end.",
        lambda row, table: bounds(row.overall.difference)[0], ("95% interval",), "difference",
        lambda row, table: interval_cell(row.overall.difference), over="tasks",
    ),
    Column(
        "delta_ci_hi", "95 % interval of `delta`: upper end.",
        lambda row, table: bounds(row.overall.difference)[1], unit="difference",
    ),
    Column(
        "p_holm", "p of `delta`, corrected over the study's methods or baselines.",
        lambda row, table: row.overall.p_holm, ("p", "(Holm)"),
        show=lambda row, table: p_cell(row.overall.p_holm), over="study",
    ),
    Column(
        "verdict",
        "`better`, `worse`, `equivalent` or `inconclusive`; `unranked` for methods that override the protocol; empty "
        "if nothing is claimed. Tables show why a verdict is missing.",
        lambda row, table: row.overall.verdict if row.identity.ranked else "unranked", ("verdict",),
        show=lambda row, table: verdict_cell(row.overall), over="study",
    ),
    Column(
        "delta_matched",
        "Difference to the cheapest row of the reference (`kd`, `kd@2x`, ...) that cost at least as much as the "
        "method; empty if the study has no such row.",
        lambda row, table: row.overall.matched.difference.delta if row.overall.matched else None,
        ("at equal", "cost"), "difference", _matched_cell, over="tasks",
    ),
    Column(
        "tasks_won",
        "Number of tasks on which the method has a higher mean than the reference; not a test. Empty for fewer than "
        "three common seeds.",
        lambda row, table: row.overall.tasks_won, ("tasks", "won"), show=_tasks_won_cell, over="tasks",
    ),
    Column(
        "prob_improve",
        "Probability that a run of the method scores higher than a run of the reference; not a test. Empty for fewer "
        "than three common seeds.",
        lambda row, table: row.overall.prob_improve, ("prob.", "improve"), "probability", over="tasks",
    ),
    Column(
        "worst_task_delta", "The smallest of the tasks' differences.", _worst_delta, unit="difference",
    ),
    Column(
        "optimism_mean",
        "Score at the best evaluation on dev minus score at the last one, mean over seeds, then tasks.",
        _optimism, unit="difference",
    ),
    Column(
        "train_pflops",
        "10^15 floating-point operations of a run's training, without the warm-up of the method's own network; mean "
        "over seeds, then tasks.",
        _of_cost(lambda cost: cost.train_flops / PETA), ("train", "PFLOPs"), "PFLOPs", over="tasks",
    ),
    Column(
        "flops_x_reference", "`pflops` divided by the reference's, on common runs.",
        _of_cost(lambda cost: cost.flops_x_reference), ("× {reference}", "FLOPs"), "ratio", over="tasks",
    ),
    Column(
        "train_seconds",
        "Seconds of a run's training, without evaluations and warm-up; mean over seeds, then tasks.",
        _of_cost(lambda cost: cost.train_seconds), ("train s",), "s", over="tasks",
    ),
    Column("device", "Device types of the runs.", lambda row, table: joined(run.compute.device for run in row.runs)),
    Column("protocol_id", "Hash of everything that the comparison holds fixed.", lambda row, table: table.protocol_id),
    Column("runs_digest", "Digest of the records from which the row is computed.", lambda row, table: row.runs_digest),
    Column(
        "bench_version", "Versions of matekd-bench that trained the runs.",
        lambda row, table: joined(run.env["matekd_bench"] for run in row.runs if "matekd_bench" in run.env),
    ),
    Column("tuning", "`defaults`, or the tuning, such as `tuned, 8 trials`.", lambda row, table: table.tuning),
    Column(
        "tuning_pflops", "10^15 operations of all trials for one task, mean over tasks; not included in "
        "`train_pflops`.",
        lambda row, table: None if row.tuning_flops is None else row.tuning_flops / PETA,
        ("tuning", "PFLOPs"), "PFLOPs", over="tasks",
    ),
    Column(
        "resources",
        "External resources of the method, with version and digest: thesaurus, generator checkpoint, nlpaug.",
        lambda row, table: row.identity.resources or None,
    ),
    Column(
        "compared_with", "The row that differences refer to; empty for that row itself and for unranked rows.",
        lambda row, table: table.reference if row.identity.ranked and row.label != table.reference else None,
    ),
    Column("n_collapsed", "Number of runs that collapsed.", lambda row, table: _count(row, "collapsed")),
    Column("n_diverged", "Number of runs that diverged.", lambda row, table: _count(row, "diverged")),
    Column(
        "seed_correlation",
        "Correlation of the method's scores with the reference's over common seeds, pooled over tasks. A higher "
        "correlation gives shorter intervals. Empty for fewer than three common seeds.",
        lambda row, table: row.overall.seed_correlation, ("seed", "corr."), "correlation", over="tasks",
    ),
    *(
        Column(
            name, f"{words.capitalize()} of the row's runs; several are joined with `; `.",
            lambda row, table, name=name: joined(environment(row, name)) or None,
        )
        for name, words in ENVIRONMENT.items()
    ),
    Column(
        "code", "For external methods: digest of the source, and versions of the libraries that the method names.",
        lambda row, table: row.identity.code or None,
    ),
    Column(
        "cost_beforehand",
        "Cost before the study of what the method uses, such as the tokens of the texts of `from-file`. In the "
        "teacher's row: the cost of its answers from a file.",
        _cost_beforehand, ("cost", "beforehand"),
    ),
    Column(
        "variant", "Method with every parameter that differs from its default, including those that the preset sets.",
        lambda row, table: row.identity.variant,
    ),
    Column(
        "view", "What a filtered view shows and what its numbers are computed over; empty for the whole study.",
        lambda row, table: None if table.part is None else str(table.part),
    ),
    Column(
        "pflops", "10^15 operations of training and warm-up together: `train_pflops` plus `precompute_pflops`.",
        _of_cost(lambda cost: cost.flops / PETA), ("PFLOPs",), "PFLOPs", over="tasks",
    ),
    Column(
        "n_missing", "Number of planned runs without a record, in the first of a variant's rows; empty if unknown.",
        lambda row, table: table.missing_runs(row),
    ),
    *(
        Column(
            name, f"Mean over {len(tasks)} tasks: {', '.join(tasks)}.",
            lambda row, table, name=name: row.scores.get(name), (name,), "fraction", in_files=False, over="tasks",
        )
        for name, tasks in DEFINITIONS.items()
    ),
    Column(
        "student_updates", "Updates of the student.",
        _of_cost(lambda cost: cost.student_updates), ("updates",), "count", in_files=False, over="tasks",
    ),
    Column(
        "auxiliary_updates", "Updates of the method's own network.",
        _of_cost(lambda cost: cost.auxiliary_updates), ("auxiliary", "updates"), "count", in_files=False, over="tasks",
    ),
    Column(
        "precompute_seconds", "Seconds of the warm-up of the method's own network.",
        _of_cost(lambda cost: cost.precompute_seconds), ("prep. s",), "s", in_files=False, over="tasks",
    ),
    Column(
        "eval_seconds", "Seconds of the evaluations on dev.",
        _of_cost(lambda cost: cost.eval_seconds), ("eval s",), "s", in_files=False, over="tasks",
    ),
    Column(
        "peak_memory", "Largest memory of a run.",
        _of_cost(lambda cost: cost.peak_memory_bytes and cost.peak_memory_bytes / 1e9), ("peak GB",), "GB",
        in_files=False, over="tasks",
    ),
    Column(
        "precompute_pflops", "10^15 operations of the warm-up of the method's own network.",
        _of_cost(lambda cost: cost.precompute_flops / PETA), ("prep.", "PFLOPs"), "PFLOPs",
        in_files=False, over="tasks",
    ),
    Column(
        "delta_matched_ci_lo", "95 % interval of `delta_matched`: lower end.",
        lambda row, table: bounds(_matched(row))[0], ("95% interval",), "difference",
        lambda row, table: interval_cell(_matched(row)), in_files=False, over="tasks",
    ),
    Column(
        "delta_matched_ci_hi", "95 % interval of `delta_matched`: upper end.",
        lambda row, table: bounds(_matched(row))[1], unit="difference", in_files=False, over="tasks",
    ),
)  # fmt: skip

# The tables, with their columns from left to right, after METHOD. A table of scores begins with its tasks.
SHEETS: Mapping[str, tuple[str, ...]] = {
    "scores": (*DEFINITIONS, "delta"),
    "scores for a paper": (*DEFINITIONS, "delta", "flops_x_reference"),
    "comparison": (
        *("delta", "delta_ci_lo", "p_holm", "verdict", "rank_lo", "delta_matched"),
        *("tasks_won", "prob_improve", "seed_correlation"),
    ),
    "costs": (
        *("student_updates", "auxiliary_updates", "train_seconds", "pflops"),
        *("flops_x_reference", "cost_beforehand", "budget"),
    ),
    "costs in detail": (
        *("budget", "student_updates", "auxiliary_updates", "train_seconds", "precompute_seconds"),
        *("eval_seconds", "peak_memory", "train_pflops", "precompute_pflops", "pflops", "flops_x_reference"),
        *("tuning_pflops", "cost_beforehand", "delta_matched", "delta_matched_ci_lo"),
    ),
}


def columns_of(sheet: str) -> tuple[RowColumn, ...]:
    """Return the columns of one of SHEETS."""
    return named(SHEETS[sheet])


def named(keys: Iterable[str]) -> tuple[RowColumn, ...]:
    """Return the columns of the leaderboard with these keys."""
    by_key = {column.key: column for column in LEADERBOARD_COLUMNS}
    return tuple(by_key[key] for key in keys)

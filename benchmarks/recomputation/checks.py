"""Which numbers of the exported files are compared with which recomputed ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recomputation.board import Board
from recomputation.folder import Run
from recomputation.informative import teacher_p
from recomputation.ledger import EXACT, NOISE, Ledger
from recomputation.power import power_lines
from recomputation.screen import numbers, power_notes, task_tables

Rows = Sequence[Mapping[str, Any]]
KINDS = {
    "mean": "means of cells", "sd": "standard deviations of cells", "n": "counts of cells",
    "delta": "differences on tasks", "verdict": "verdicts on tasks", "p_holm": "p values on tasks",
    "ci_lo": "intervals of cells", "ci_hi": "intervals of cells",
    "delta_ci_lo": "intervals on tasks", "delta_ci_hi": "intervals on tasks",
}  # fmt: skip
ROW_KINDS = {
    "score_definition": "GLUE scores", "score": "GLUE scores", "ci_lo": "GLUE scores", "ci_hi": "GLUE scores",
    "delta": "differences over tasks", "delta_ci_lo": "intervals over tasks", "delta_ci_hi": "intervals over tasks",
    "p_holm": "p values over tasks", "verdict": "verdicts over tasks", "rank_lo": "ranks", "rank_hi": "ranks",
    "delta_matched": "differences at equal cost", "optimism_mean": "optimism", "tasks_won": "descriptions",
    "prob_improve": "descriptions", "worst_task_delta": "descriptions", "seed_correlation": "descriptions",
    "train_pflops": "costs", "pflops": "costs", "train_seconds": "costs", "flops_x_reference": "costs",
}  # fmt: skip
TEACHER_P = re.compile(r"teacher.*\(p = (.*)\)")
# Of a single task the program sums over quantiles, exactly enough for p values above 1e-7.
LOOSE = {"p_holm": (2e-3, 1e-8), "delta_ci_lo": (1e-3, NOISE), "delta_ci_hi": (1e-3, NOISE)}
COPIED = {  # columns of runs.csv that repeat the record
    "majority_score": ("data", "majority_score"), "budget_spent": ("budget", "spent"), "seed": ("identity", "seed"),
    **{name: ("compute", name) for name in (
        "student_updates", "auxiliary_updates", "train_flops", "precompute_flops", "train_seconds", "eval_seconds",
        "peak_memory_bytes",
    )},
}  # fmt: skip


def check_same(ledger: Ledger, rows: Rows, others: Rows) -> None:
    """CSV and JSON hold the same: numbers, and where nothing stands."""
    ledger.check("rows of leaderboard.csv", "leaderboard.csv", len(rows), len(others))
    for row, other in zip(rows, others, strict=False):
        for key, value in row.items():
            if not isinstance(value, str):
                ledger.check(
                    "leaderboard.csv against leaderboard.json", f"{row['method']}, {key}", value, other[key]
                )


def check_runs(ledger: Ledger, runs: Sequence[Run], rows: Rows) -> None:
    """Scores in runs.csv are those of the predictions, and costs those of the records."""
    by_id = {run.record["run_id"]: run for run in runs}
    ledger.check("runs", "runs.csv", len(by_id), len({row["run_id"] for row in rows}))
    for row in rows:
        run, place = by_id[row["run_id"]], f"{row['run_id']}, {row['selection']} {row['metric']}"
        if run.logits or row["metric"] in (None, "majority", "task_score"):
            ledger.check("scores of runs", place, _score(run, row), row["value"])
        for key, (part, name) in COPIED.items():
            ledger.check("facts of runs", f"{row['run_id']}, {key}", run.record[part][name], row[key])
    for run in runs:
        _check_record(ledger, run)


def _score(run: Run, row: Mapping[str, Any]) -> float | None:
    if row["metric"] == "task_score":
        return {"last": run.last, "best_dev": run.best, "xfit": run.xfit}[row["selection"]]
    if row["metric"] in (None, "majority"):
        return run.last
    evaluation = -1 if row["selection"] == "last" else run.record["selection"]["best_eval"] - 1
    return run.metrics(evaluation)[row["split"], row["metric"]]


def _check_record(ledger: Ledger, run: Run) -> None:
    """The record's numbers of its evaluations, its status and the majority class."""
    run_id, record = run.record["run_id"], run.record
    for point, own in zip(record["curve"], run.curve, strict=False):
        ledger.check("scores of evaluations", f"{run_id}, evaluation {point['eval']}", own, point["score"])
    if run.is_usable and run.status in ("ok", "collapsed"):
        ledger.check("collapsed runs", run_id, "collapsed" if run.is_constant else "ok", run.status)
    if run.dev and record["data"]["majority_score"] is not None:
        own = run.constant_score(run.majority)
        ledger.check("scores of the majority class", run_id, own, record["data"]["majority_score"])


def check_board(ledger: Ledger, board: Board, rows: Rows) -> None:
    """Every number of a protocol's rows in the leaderboard."""
    ledger.check("rows of protocols", "leaderboard.json", len(board.rows) + 1, len(rows))
    by_name = {row["variant"] or row["method"]: row for row in rows}  # the teacher is no variant
    _check_teacher(ledger, board, by_name["teacher"])
    one_task = len(board.informative) == 1
    for name in board.rows:
        recomputed = board.row(name)
        ledger.left_out |= dict.fromkeys(key for key in by_name[name] if key not in recomputed)
        for key, own in recomputed.items():
            task = next((task for task in board.tasks if key.startswith(f"{task}_")), None)
            part = key.removeprefix(f"{task}_")
            kind = ROW_KINDS.get(key) or KINDS.get(part, "counts of runs")
            precision = LOOSE.get(part, (EXACT, NOISE)) if one_task or task else (EXACT, NOISE)
            ledger.check(kind, f"{name}, {key}", own, by_name[name].get(key), *precision)


def _check_teacher(ledger: Ledger, board: Board, row: Mapping[str, Any]) -> None:
    """The teacher's score is the mean of its metrics; a task that says nothing gives the reason."""
    for task in board.tasks:
        teacher = next(
            run.record["teacher"] for run in board.runs if run.task == task and run.status != "failed"
        )
        mean = float(np.mean([item["value"] for item in teacher["scores"]]))
        ledger.check("scores of teachers", task, mean, row[f"{task}_mean"])
        reason = row[f"{task}_uninformative"] or ""
        ledger.check("informative tasks", task, task in board.informative, not reason)
        if match := TEACHER_P.search(reason):
            p = teacher_p(next(run for run in board.runs if run.task == task and run.status != "failed"))
            ledger.check("p values of teachers (shown)", task, p, float(match[1]), 0, 0.0051)


def check_screen(ledger: Ledger, boards: Mapping[str, Board], rows: Rows, text: str) -> None:
    """The tables by task, to the digits that they show; `rows` say which variant a name on the screen means."""
    variants = {(row["protocol_id"], row["method"]): row["variant"] for row in rows}
    for protocol, task, name, cells in task_tables(text):
        if (variant := variants.get((protocol, name))) in boards[protocol].rows:
            _check_shown(ledger, boards[protocol], variant, task, cells)


def check_power(ledger: Ledger, boards: Mapping[str, Board], text: str) -> None:
    """The notes on what a study could find, to the digits that they show."""
    shown = {(protocol, task): note for protocol, task, *note in power_notes(text)}
    for protocol, board in boards.items():
        for task, *own in power_lines(board):
            found, seeds, smaller = shown.pop((protocol, task), (None, None, None))
            ledger.check("differences that can be found (shown)", task, own[0], found, 0, 0.055)
            ledger.check("seeds of power", task, (own[1], own[2]), (seeds, smaller))
    ledger.check("notes on power", "by-task.txt", {}, shown)


def _check_shown(ledger: Ledger, board: Board, name: str, task: str, cells: Mapping[str, str]) -> None:
    own, place = board.task_row(name, task), f"{name} on {task}"
    for heading, kind in SHOWN.items():
        values = [100 * value for value in own[heading]]
        ledger.check_all(f"{kind} (shown)", place, values, numbers(cells.get(heading, "-")), 0.05)
    shown = cells.get("p (Holm)", "-")
    if shown == "<.001":
        ledger.check("p values on tasks (shown)", place, own["p (Holm)"][0] < 0.001, True)
    else:
        ledger.check_all("p values on tasks (shown)", place, own["p (Holm)"], numbers(shown), 0.0005)
    is_best = board.ranks.get(name, (None,))[0] == 1
    ledger.check("marks *", place, is_best, bool(cells["*"]))


SHOWN = {
    "95% interval": "intervals of cells", "best dev": "best evaluations", "xfit": "cross-fitted scores",
    "95% interval 2": "intervals on tasks",
}  # fmt: skip

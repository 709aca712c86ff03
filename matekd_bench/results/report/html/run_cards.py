"""Makes the card of each run on a page: scores, curve, cost, settings, origin, and the commands to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.cells import text
from matekd_bench.results.report.html.run_curve import RunCurve, run_curve
from matekd_bench.results.report.run_columns import RUN_COLUMNS

# The columns of the runs that a card shows, by the heading above them; FLOPs are shown in PFLOPs.
GROUPS: Mapping[str, Sequence[str]] = {
    "Cost": (
        *("student_updates", "auxiliary_updates", "train_seconds", "eval_seconds", "train_flops"),
        *("precompute_flops", "device", "precision"),
    ),
    "Settings": ("params", "budget", "lr", "tuning", "teacher", "student", "resources", "data_state"),
    "Origin": ("created", "bench_version", "torch", "transformers", "processor", "code"),
}
MAX_LETTERS = 400  # of a value; the record holds all
NAMES = {"train_flops": "train PFLOPs", "precompute_flops": "precompute PFLOPs"}


@dataclass(frozen=True)
class RunCard:
    """The content of one run's card on the page. `groups` maps a heading to pairs of name and value."""

    run_id: str
    title: str
    status: str
    reason: str
    groups: Mapping[str, Sequence[tuple[str, str]]]
    curve: RunCurve | None
    commands: tuple[str, ...]


def run_card(run: Record, names: Mapping[str, str]) -> RunCard:
    """Make the card of a run; `names` maps its variant to the name of its row."""
    identity = run.identity
    return RunCard(
        run_id=run.run_id,
        title=f"{names.get(identity.variant, identity.variant)} on {identity.task}, seed {identity.seed}",
        status=run.status,
        reason=_cut(run.reason or ""),
        groups={
            "Scores": list(_scores(run)),
            **{heading: list(_values(run, keys)) for heading, keys in GROUPS.items()},
        },
        curve=run_curve(run),
        commands=tuple(_commands(run)),
    )


def _scores(run: Record) -> Iterator[tuple[str, str]]:
    if run.task_score is not None:
        yield "task score", text(run.task_score.last, "fraction")
        where = f" (evaluation {run.selection.best_eval} of {run.selection.evals})"
        yield "best on dev", text(run.task_score.best_dev, "fraction") + where * bool(run.selection.best_eval)
    for item in run.scores:
        if item.selection == "last":
            yield f"{item.metric}, {item.split}", f"{text(item.value, 'fraction')} on {item.n} examples"
    if run.teacher is not None and run.teacher.task_score is not None:
        yield "teacher", text(run.teacher.task_score, "fraction")


def _values(run: Record, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and values of columns, without those that are empty or zero."""
    for key in keys:
        if (value := BY_KEY[key].value(run, {})) not in (None, "", 0):
            yield NAMES.get(key, key.replace("_", " ")), _cut(text(value, BY_KEY[key].unit))


def _commands(run: Record) -> Iterator[str]:
    """Yield the commands that train the run again and use its student."""
    data = " --glue-dir DIR" if run.data.source == "glue-dir" else ""
    yield f"matekd-bench reproduce {run.run_id}{data}"
    if run.status != "failed":
        yield f"matekd-bench predict {run.run_id}{data}"


def _cut(value: str) -> str:
    return value if len(value) <= MAX_LETTERS else f"{value[:MAX_LETTERS]}…"


BY_KEY = {column.key: column for column in RUN_COLUMNS}

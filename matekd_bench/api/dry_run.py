"""The plan of a study as a table: its runs, which of them are recorded, and estimates for the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from matekd_bench.api.frames import frame_of
from matekd_bench.methods.typed_names import preset_lines
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.screen.table_text import table_lines
from matekd_bench.screen.wording import duration
from matekd_bench.spelling import counted

if TYPE_CHECKING:
    import pandas as pd

    from matekd_bench.study.plan.estimate import PlannedPreparation
    from matekd_bench.study.plan.study_plan import Plan

KEYS = ("run_id", "method", "task", "seed", "updates", "done", "seconds")
HEADER = ("method", "task", "seed", "updates", "state")


@dataclass(frozen=True, repr=False)
class DryRun:
    """The plan of a study, from `Study.plan`: a table of its runs with estimates.

    ``print(plan)`` prints the same as ``matekd-bench run --dry-run``. `plan` holds all details.
    """

    plan: Plan

    def to_frame(self) -> pd.DataFrame:
        """Return a row per run.

        `done` is true if the run is recorded. `seconds` is the estimate for a run to do, without its teacher and
        generator.
        """
        rows = [{key: getattr(run, key) for key in KEYS} for run in self.plan.study.runs]
        return frame_of(ExportTable("plan", KEYS, rows))

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON data, with the fields of the study at the top level."""
        return self.plan.as_json()

    def __str__(self) -> str:
        return "\n".join([*table_lines(HEADER, self._rows()), *self._sentences()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in HEADER)
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in self._rows())
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        lines = "<br>".join(map(escape, self._sentences()))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{lines}</p>"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                run.name or run.method,
                run.task,
                str(run.seed),
                str(run.updates or "-"),
                "recorded" if run.done else "to do",
            )
            for run in self.plan.study.runs
        ]

    def _sentences(self) -> Iterator[str]:
        """Yield the data, the number of runs to do, and the remaining work with the basis of its estimate."""
        plan, study = self.plan, self.plan.study
        yield from preset_lines([study.preset], plan.from_preset)
        yield from (f"data of {task}: {state}" for task, state in plan.data_states.items())
        if plan.trials:
            yield f"tuning: {counted(plan.trials, 'trial')} before the runs, {plan.trials_todo} to do"
        part = "" if plan.shard is None else f" in shard {plan.shard}"
        teachers = len(study.teachers)
        tune = f" and {counted(teachers, 'teacher')} to fine-tune" if teachers else ""
        busy = f" (uncertain: {plan.busy})" if plan.busy else ""
        time = "" if study.seconds is None else f", about {duration(study.seconds)}{busy}"
        yield f"{counted(len(study.runs), 'run')}{part}, {len(study.todo)} to do{tune}{time}."
        if plan.device_seconds is None or plan.longest_run_seconds is None:
            return
        yield (
            f"{plan.device_seconds / 3600:.2f} device-hours; "
            f"the longest run is {plan.longest_run}, about {duration(plan.longest_run_seconds)}."
        )
        yield from _preparation_lines(plan.preparations)
        for basis, runs in plan.bases.items():
            yield f"{counted(runs, 'run')} estimated from {basis}."


def _preparation_lines(preparations: Sequence[PlannedPreparation]) -> Iterator[str]:
    """Yield a line with the time of all teachers, and one with that of all generators."""
    for kind, what in (("teacher", "fine-tuning teachers"), ("generator", "warming up generators")):
        of_kind = [item for item in preparations if item.kind == kind]
        todo = [f"{_joined(item)} about {duration(item.seconds)}" for item in of_kind if not item.cached]
        cached = [_joined(item) for item in of_kind if item.cached]
        parts = [*todo, *([f"{' and '.join(cached)} in the cache, at no cost"] if cached else [])]
        if parts:
            yield f"{what}: {', '.join(parts)}."


def _joined(preparation: PlannedPreparation) -> str:
    return preparation.name.replace(",", "+") + " (tuning)" * preparation.tuning

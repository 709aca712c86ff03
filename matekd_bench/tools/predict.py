"""Predictions of a kept student: on a split of its task, or of one that its task's models are evaluated on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.distill.artifacts.kept_student import KeptStudent
from matekd_bench.distill.device import contained_randomness, resolve_device
from matekd_bench.errors import ResultsError, UsageError, unknown
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.kept_students import KeptStudents
from matekd_bench.tasks.metrics import score_split
from matekd_bench.tasks.sources import GlueFolder, Hub, load_split, source_of
from matekd_bench.tasks.task import Examples, Task


@dataclass(frozen=True)
class StudentAnswers:
    """A student's answers to some rows, in their order: logits [n, C] as lists, C = 1 for regression."""

    labels: tuple[str, ...]
    logits: Sequence[Sequence[float]]

    @property
    def classes(self) -> list[int]:
        """The class ids of the answers."""
        return [max(range(len(row)), key=row.__getitem__) for row in self.logits]

    @property
    def scores(self) -> list[float]:
        """The answers of a regression."""
        return [row[0] for row in self.logits]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Row number from 0, the answer, and the probability of each class."""
        if not self.labels:
            yield from ({"index": at, "prediction": value} for at, value in enumerate(self.scores))
            return
        for at, (chosen, row) in enumerate(zip(self.classes, self.logits, strict=True)):
            shares = dict(zip((f"p_{label}" for label in self.labels), _softmax(row), strict=True))
            yield {"index": at, "prediction": self.labels[chosen], **shares}


def _softmax(logits: Sequence[float]) -> list[float]:
    import math

    top = max(logits)
    weights = [math.exp(value - top) for value in logits]
    return [weight / sum(weights) for weight in weights]


class StudentPredictor:
    """The kept student of a recorded run; ResultsError, which says how to make it again, where none was kept."""

    def __init__(self, run: Record, results: Path, device: str = "auto") -> None:
        self.run = run
        kept = KeptStudents(results)
        if not kept.has(run.run_id):
            raise _no_student(run, results)
        self._device = resolve_device(device)
        self._kept = KeptStudent(kept.folder(run.run_id), run.run_id, self._device)
        self.labels = self._kept.card.labels

    def answer(self, texts: Sequence[tuple[str, ...]]) -> StudentAnswers:
        """The answers to some rows of one or two texts each."""
        with contained_randomness(self._device):
            return StudentAnswers(self.labels, self._kept.logits(texts).tolist())


def _no_student(run: Record, results: Path) -> ResultsError:
    """Why a run has no student, and the command that trains this one run again and keeps it."""
    if run.task_score is None:
        return ResultsError(f"run '{run.run_id}' failed, so there is no student: {run.reason}.")
    if run.status == "diverged":
        return ResultsError(f"run '{run.run_id}' diverged, so its student is not kept.")
    identity = run.identity
    one = f"--methods '{identity.variant}' --tasks {identity.task} --first-seed {identity.seed} --seeds 1"
    return ResultsError(
        f"run '{run.run_id}' kept no student (--keep none, or '{results}/students' was deleted); this trains it again:",
        hint=f"{run.provenance.command} {one} --keep last --results DIR",
    )


def fitting_task(run: Record, wanted: str | None, tasks: Mapping[str, Task]) -> Task:
    """The task whose rows are to be answered: the run's own, or one that its task's models are evaluated on."""
    own = run.identity.task
    if own not in tasks:
        raise UsageError(f"task '{own}' of run '{run.run_id}' is not installed.")
    fitting = [name for name, task in tasks.items() if name == own or task.evaluated_with == own]
    name = wanted or own
    if name not in fitting:
        if name not in tasks:
            raise unknown("task", name, fitting)
        raise UsageError(
            f"run '{run.run_id}' was trained on {own}: it answers {', '.join(sorted(fitting))}, not {name}.",
            hint="Other texts go in with --file FILE.",
        )
    if set(tasks[name].labels) != set(run.data.labels):
        raise UsageError(f"task '{name}' has other labels than run '{run.run_id}' was trained with.")
    return tasks[name]


def read_split(task: Task, wanted: str | None, run: Record, glue_dir: Path | None) -> Examples:
    """The rows of a split: a named one, else the task's only test split, from where the run's data came."""
    tests = [name for name in task.test if name in task.splits]
    if wanted is None and len(tests) != 1:
        raise UsageError(f"task {task.name} has {len(tests)} test splits: name a split with --split, "
                         f"of {', '.join(task.splits)}.")  # fmt: skip
    if task.reader is None and glue_dir is None and run.data.source == "glue-dir":
        raise UsageError(
            f"the data of run '{run.run_id}' came from a GLUE folder: give it with --glue-dir DIR."
        )
    source = source_of(task, GlueFolder(glue_dir) if glue_dir else Hub())
    return load_split(task, source, wanted or tests[0])


def score_of(task: Task, examples: Examples, answers: StudentAnswers) -> Mapping[str, float] | None:
    """The task's metrics on rows that have labels; None where they have none."""
    import numpy as np

    if examples.labels is None:
        return None
    logits = np.asarray(answers.logits, dtype=np.float32)
    if answers.labels:
        logits = logits[:, [answers.labels.index(label) for label in task.labels]]
    return score_split(task, examples.labels, logits, examples.split).metrics


def as_text(answers: StudentAnswers, suffix: str) -> str:
    """The answers as a file: tab-separated, comma-separated or JSON lines."""
    rows = list(answers.rows())
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(
        file, list(rows[0]), delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(
        {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
        for row in rows
    )
    return file.getvalue()

"""Predictions of a kept student, on a split of a task or on other texts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matekd_bench.distill.artifacts.kept_student import KeptStudent
from matekd_bench.distill.device import contained_randomness, resolve_device
from matekd_bench.errors import DataError, ResultsError, UsageError, unknown
from matekd_bench.files.csv_text import csv_text
from matekd_bench.files.printable import json_text
from matekd_bench.results.records.recorded_command import command_words
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import STUDY
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.tasks.answer_lines import softmax
from matekd_bench.tasks.metrics import score_split
from matekd_bench.tasks.sources import GlueFolder, Hub, load_split, source_of
from matekd_bench.tasks.sources.example_ids import split_digest
from matekd_bench.tasks.sources.holdout import split_holdout
from matekd_bench.tasks.sources.task_data import limited
from matekd_bench.tasks.task import HOLDOUT, Examples, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class StudentAnswers:
    """A student's answers to n rows, in their order.

    `logits` has the shape [n, C], with C = 1 for a regression. `labels` are empty for a regression.
    """

    labels: tuple[str, ...]
    logits: Sequence[Sequence[float]]

    @property
    def columns(self) -> list[str]:
        """The names of the columns with the answers."""
        return answer_columns(self.labels)

    @property
    def classes(self) -> list[int]:
        """The predicted class ids: the index of each row's largest logit."""
        return [max(range(len(row)), key=row.__getitem__) for row in self.logits]

    @property
    def scores(self) -> list[float]:
        """The predicted scores of a regression."""
        return [row[0] for row in self.logits]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row per answer: the prediction and the probability of each class."""
        if not self.labels:
            yield from ({"prediction": score} for score in self.scores)
            return
        for class_id, row in zip(self.classes, self.logits, strict=True):
            yield dict(zip(self.columns, (self.labels[class_id], *softmax(row)), strict=True))


def answer_columns(labels: Sequence[str]) -> list[str]:
    """Return the names of the columns with the answers of a student; a regression has no `labels`."""
    return ["prediction", *(f"p_{label}" for label in labels)]


class StudentPredictor:
    """The kept student of a recorded run, loaded for predictions.

    Raises ResultsError if none was kept. Its hint says how to train the run again, unless the run failed or diverged.
    """

    def __init__(self, run: Record, results: Path, device: str = "auto") -> None:
        self.run = run
        check_kept(run, results)
        self._device = resolve_device(device)
        self.student = KeptStudent(KeptStudents(results).open(run.run_id), run.run_id, self._device)
        self.labels = self.student.card.labels

    def answer(self, texts: Sequence[tuple[str, ...]]) -> StudentAnswers:
        """Predict on rows of one or two texts each."""
        with contained_randomness(self._device):
            return StudentAnswers(self.labels, self.student.logits(texts).tolist())


def check_kept(run: Record, results: Path) -> None:
    """Raise ResultsError if the results folder has no student of the run."""
    if not KeptStudents(results).has(run.run_id):
        raise _no_student_error(run, results)


def _no_student_error(run: Record, results: Path) -> ResultsError:
    """Return an error that says why a run has no student, and how to train it again."""
    if run.task_score is None:
        return ResultsError(f"run '{run.run_id}' failed, so it has no student: {run.reason}.")
    if run.status == "diverged":
        return ResultsError(f"run '{run.run_id}' diverged, so it has no student.")
    return ResultsError(
        f"run '{run.run_id}' kept no student (--keep none, or '{results}/students' was deleted); this trains it again:",
        hint=_how_to_repeat(run, results),
    )


def _how_to_repeat(run: Record, results: Path) -> str:
    """Return the command that trains a run again and keeps its student; a call in Python for other commands."""
    identity, words = run.identity, command_words(run.provenance.command)
    if words[1:2] != ["run"]:
        chosen = {"methods": identity.variant, "tasks": identity.task, "seed": identity.seed, "keep": "last"}
        settings = ", ".join(f"{key}={value!r}" for key, value in chosen.items())
        file = results / "runs" / run.run_id / STUDY
        return f"Study({settings}, ...).run('DIR') in Python, with the other settings of the study as in '{file}'"
    part = ["--shard", "1/1"] if any(word.startswith("--shard") for word in words) else []
    selection = ["--methods", identity.variant, "--tasks", identity.task, "--first-seed", str(identity.seed)]
    return shlex.join([*words, *selection, "--seeds", "1", "--keep", "last", *part, "--results", "DIR"])


def task_to_predict(run: Record, name: str | None, tasks: Mapping[str, Task]) -> Task:
    """Return the task `name`, or the run's own task.

    Raises UsageError for a task other than the run's own, unless models of the run's task are evaluated on it with the
    same labels, as models of mnli are on ax. Also raises UsageError if the task's labels are no longer the run's.
    """
    own = run.identity.task
    if own not in tasks:
        raise UsageError(
            f"task '{own}' of run '{run.run_id}' is not installed.",
            hint=f"Name its file: --plugin {own}.toml; from Python: load_results(..., plugins=['{own}.toml']).",
        )
    labels = set(run.data.labels)
    fitting = [
        other.name
        for other in tasks.values()
        if other.name == own or (other.evaluated_with == own and set(other.labels) == labels)
    ]
    name = name or own
    if name not in fitting:
        if name not in tasks:
            raise unknown("task", name, fitting)
        raise UsageError(
            f"run '{run.run_id}' was trained on {own}: it can answer {', '.join(sorted(fitting))}, not {name}.",
            hint="For other texts use --file FILE.",
        )
    if set(tasks[name].labels) != labels:
        raise UsageError(f"task '{name}' does not have the labels with which run '{run.run_id}' was trained.")
    return tasks[name]


def read_split(task: Task, split: str | None, run: Record, glue_dir: Path | None) -> Examples:
    """Read a split of a task, by default its only test split.

    The rows come from `glue_dir` if it is given, else from the Hub, or from the task's own reader. Raises UsageError if
    the run's data came from a GLUE folder and none is given.
    """
    tests = [name for name in task.test if name in task.splits]
    if split is None and len(tests) != 1:
        found = f"{len(tests)} test splits" if tests else "no test split"
        raise UsageError(
            f"task {task.name} has {found}: choose a split with --split: {', '.join(task.splits)}."
        )
    if task.reader is None and glue_dir is None and run.data.source == "glue-dir":
        raise UsageError(
            f"the data of run '{run.run_id}' came from a GLUE folder: name it with --glue-dir DIR."
        )
    source = source_of(task, GlueFolder(glue_dir) if glue_dir else Hub())
    return load_split(task, source, split or tests[0])


def scored_examples(task: Task, split: str, run: Record, glue_dir: Path | None) -> Examples:
    """Read the examples on which a run was scored: all of a dev split, the rows kept by a limit, or the holdout.

    Raises DataError if the texts are not the scored ones.
    """
    if split == HOLDOUT:
        examples = split_holdout(task, read_split(task, task.train, run, glue_dir))[1]
    else:
        examples = read_split(task, split, run, glue_dir)
    scored = limited(examples, run.data.splits[split].n)
    if split_digest(scored) != run.data.splits[split].digest:
        raise DataError(
            f"{split} of task '{run.identity.task}' differs from the data on which run '{run.run_id}' was scored:",
            hint="name the data with --glue-dir DIR, or from Python with glue_dir=DIR.",
        )
    return scored


def score_of(task: Task, examples: Examples, answers: StudentAnswers) -> Mapping[str, float] | None:
    """Return the task's metrics on the rows that have a label; None if the split has no labels."""
    if examples.labels is None:
        return None
    return score_split(task, examples.gold, labeled_logits(task, examples, answers), examples.split).metrics


def labeled_logits(task: Task, examples: Examples, answers: StudentAnswers) -> NDArray[np.float32]:
    """Return the logits [n, C] of the rows that have a label, with the classes in the task's order."""
    import numpy as np

    labeled = [label is not None for label in examples.labels or ()]
    logits = np.asarray(answers.logits, dtype=np.float32)[labeled]
    # the order of the task's labels may differ from the student's
    return logits[:, [answers.labels.index(label) for label in task.labels]] if answers.labels else logits


def check_carried(columns: Iterable[str], task: Task, file: Path) -> None:
    """Raise DataError if a column of the file that goes into the output has the name of a column with answers."""
    taken = [column for column in columns if column in answer_columns(task.labels)]
    if taken:
        raise DataError(
            f"'{file}' has a column '{taken[0]}', which the output also has: rename it in the file."
        )


def as_text(answers: StudentAnswers, suffix: str, carried: Sequence[Mapping[str, Any]] = ()) -> str:
    """Format the answers as a file: JSON lines for `.jsonl`, tab-separated for `.tsv`, else comma-separated.

    A row consists of its number from 0, its cells from the input file, and the answer. An `index` from the input file
    replaces the number.
    """
    rows = [
        {"index": index, **(carried[index] if carried else {}), **answer}
        for index, answer in enumerate(answers.rows())
    ]
    if suffix == ".jsonl":
        return "".join(json_text(row) + "\n" for row in rows)
    names = dict.fromkeys(name for row in carried for name in row)
    columns = list(dict.fromkeys(("index", *names, *answers.columns)))
    cells = ({name: _cell(row.get(name), name in names) for name in columns} for row in rows)
    return csv_text(columns, cells, delimiter="\t" if suffix == ".tsv" else ",", number="{:.6g}".format)


def _cell(value: Any, carried: bool) -> Any:
    """Return a value for CSV; a carried fraction, list or object is written as JSON, which loses nothing."""
    return json_text(value) if carried and isinstance(value, (float, list, dict)) else value

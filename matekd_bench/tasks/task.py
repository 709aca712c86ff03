"""The records of a task and a suite, and the data that a source delivers for a task."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from matekd_bench.errors import DataError, list_available
from matekd_bench.tasks.library_metric import LibraryMetric

DataState = Literal["official", "partial", "mini", "own"]
MetricName = Literal["accuracy", "f1", "matthews", "pearson", "spearman", "macro-f1", "balanced-accuracy"]
BY_ROW_COUNTS = "official (by row counts)"  # if the digest of a split is not known
HOLDOUT = "holdout"  # the split taken out of train if dev must stay unseen

# For pydantic, which reads records from TOML: a misspelled key or a number in quotes is an error.
STRICT: Mapping[str, object] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True)
class Split:
    """One split of a task: its place in each source and the number of official rows."""

    hub: str  # the split's name on the Hub; empty if the Hub has no such split
    file: str  # the file's name in a GLUE folder
    rows: int  # official row count, without the rows that the task drops
    labeled: bool = True
    header: bool = True  # False: the file has no header, and columns are numbers counted from 0
    columns: Mapping[str, str] = field(default_factory=dict)  # overrides of the task's columns for this file
    digest: str | None = None  # of the ids, texts and labels of the official rows, if known
    section: str | None = None  # the key of the rows in a JSON file, which holds several sets

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT


@dataclass(frozen=True)
class Rows:
    """The rows of one split as a source reads them.

    `labels` are class ids or gold scores, or None for an unlabeled split; a row of train without a label has None.
    `skipped` is the number of broken rows that were left out.
    """

    texts: Sequence[tuple[str, ...]]
    labels: Sequence[int | None] | Sequence[float | None] | None
    skipped: int = 0


@dataclass(frozen=True)
class Task:
    """A data set with its metrics.

    `labels` are the label strings in class-id order, empty for regression. `fields` are the names of one or two text
    columns. `splits` maps the names `train`, `dev` (MNLI: `dev-matched`, `dev-mismatched`) and `test...` to splits.

    The score on one split is the mean of the `metrics`; the task's score is the mean over its dev splits. A task that
    brings its own data has a `reader`, a function that returns the rows of a split by its name. All other tasks are
    read from the study's source. Raises DataError if the fields contradict each other.
    """

    name: str
    title: str
    summary: str
    kind: Literal["classification", "regression"]
    fields: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    splits: Mapping[str, Split]
    train: str | None = "train"  # the split to train on; None for evaluation only
    dev: tuple[str, ...] = ("dev",)
    test: tuple[str, ...] = ("test",)
    score_range: tuple[float, float] | None = None  # of a regression's gold scores
    hub_id: str | None = None
    hub_config: str | None = None
    hub_revision: str | None = None
    folder: str | None = None  # the subfolder of a GLUE folder
    files_from: str = ""  # where to get the files of a task whose rows are not on the Hub
    columns: Mapping[str, str] = field(default_factory=dict)  # field or "label" -> column in the files
    label_values: Mapping[str, str] = field(default_factory=dict)  # label in the files -> label string
    skip_broken: bool = False  # leave out and count rows with a wrong number of columns (QQP)
    evaluated_with: str | None = None  # the task whose models are evaluated on this one (AX)
    label_map: Mapping[str, str] = field(default_factory=dict)  # label of such a model -> label here
    reader: Callable[[str], Rows] | None = field(default=None, repr=False)
    library_metrics: Mapping[str, LibraryMetric] = field(
        default_factory=dict
    )  # those of `metrics` not built in
    synthetic: bool = False  # generated data: a score on it is not a score on the task that it imitates
    stands_for: str | None = None  # the task that this one imitates, with synthetic or regenerated rows
    dev_share: float | None = None  # share of train taken out as dev, if the data have no dev split
    own: bool = False  # the user's data: always complete, and a score on it is not a GLUE score
    label_gate: bool = True  # a teacher's label order can be checked by its score on dev
    license: str = ""
    citation: str = ""
    notes: str = ""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    def __post_init__(self) -> None:
        for invalid, reason in (
            (
                not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name),
                "name: lower-case letters, digits, - and _ only",
            ),
            (len(self.fields) not in (1, 2), "fields: one or two text columns"),
            (self.kind == "classification" and len(set(self.labels)) < 2, "labels: two or more for classes"),
            (len(set(self.labels)) != len(self.labels), "labels: each label only once"),
            (self.kind == "regression" and bool(self.labels), "labels: none for regression"),
            (not self.metrics, "metrics: at least one"),
            *((True, f"metrics: no '{name}'; {_metrics_like(name)}") for name in self._unknown_metrics()),
            (not set(self.label_values.values()) <= set(self.labels), "label_values: values must be labels"),
            (not set(self.label_map.values()) <= set(self.labels), "label_map: values must be labels"),
            (not self._needed_splits() <= set(self.splits), "splits: train and dev must be among them"),
            (self.synthetic and self.reader is None, "synthetic: a reader must make the data"),
            (not self._columns_are_numbers(), "columns: whole numbers where a split's file has no header"),
        ):
            if invalid:
                raise DataError(f"task '{self.name}' contradicts itself: {reason}.")

    def _unknown_metrics(self) -> list[str]:
        return [name for name in self.metrics if name not in {*get_args(MetricName), *self.library_metrics}]

    def _needed_splits(self) -> set[str]:
        return {*self.dev, *((self.train,) if self.train else ())}

    def _columns_are_numbers(self) -> bool:
        headerless = [split for split in self.splits.values() if not split.header]
        return all(name.isdecimal() for split in headerless for name in self.columns_of(split).values())

    def columns_of(self, split: Split) -> dict[str, str]:
        """Return the name (or number) of the column of each field, and of "label" if the split has labels."""
        wanted = (*self.fields, *(("label",) if split.labeled else ()))
        return {key: split.columns.get(key, self.columns.get(key, key)) for key in wanted}

    def may_be_official(self, split: str, digest: str) -> bool:
        """Return False if all rows of the split with this digest are known to differ from the official ones."""
        place = self.splits.get(split)
        return place is None or place.digest in (None, digest)

    @property
    def dev_file(self) -> str:
        """The first dev file and where to get it, for messages."""
        file = f"{self.folder}/{self.splits[self.dev[0]].file}"
        return f"{file} (from {self.files_from})" if self.files_from else file

    @property
    def outputs(self) -> int:
        """Width of the logits: the number of classes, or 1 for regression."""
        return len(self.labels) or 1


def _metrics_like(name: str) -> str:
    return list_available(name, get_args(MetricName)).rstrip(".")


@dataclass(frozen=True)
class Suite:
    """A named list of tasks, in the order of their columns in tables."""

    name: str
    tasks: tuple[str, ...]
    summary: str = ""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT


def named_tasks(
    text: str, tasks: Mapping[str, Task], suites: Iterable[Suite], *, stand_ins: bool = False
) -> list[str]:
    """Return the tasks that a comma-separated list of tasks and suites names, each once, in order.

    With `stand_ins`, a task that has a synthetic stand-in among `tasks` is replaced by it. Names that are neither tasks
    nor suites are kept.
    """
    by_suite = {suite.name: suite.tasks for suite in suites}
    names = [name for part in text.split(",") for name in by_suite.get(part.strip(), (part.strip(),))]
    replacements = stand_ins_of(tasks.values()) if stand_ins else {}
    return list(dict.fromkeys(replacements.get(name, name) for name in names))


def stand_ins_of(tasks: Iterable[Task]) -> dict[str, str]:
    """Map the names of tasks to those of their synthetic stand-ins among `tasks`."""
    return {task.stands_for: task.name for task in tasks if task.stands_for}


@dataclass(frozen=True)
class Examples:
    """The rows of one split, column by column, in the file's order.

    `uids` are stable example ids (hash of task, split, texts and occurrence number). `texts` holds one tuple of one or
    two strings per row. `labels` are class ids (int) or gold scores (float), or None for an unlabeled split; a training
    row without a label has None. `official_rows` is the row count of the complete split; for a holdout, that of the
    train split from which it was taken.
    """

    split: str
    uids: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    labels: tuple[int | None, ...] | tuple[float | None, ...] | None
    official_rows: int
    skipped: int = 0  # broken rows left out, e.g. in QQP

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def gold(self) -> tuple[int, ...] | tuple[float, ...]:
        """The labels of the rows that have one, in their order."""
        return tuple(label for label in self.labels or () if label is not None)

    @property
    def unlabeled(self) -> int:
        """The number of rows without a label in a split that has labels."""
        return len(self.labels or ()) - len(self.gold)


@dataclass(frozen=True)
class TaskData:
    """The data of one task: its splits, their source, and how complete they are.

    `digests` maps a split to the SHA-256 of its uids, texts and labels. `notices` are shown to the user after the
    task's name (skipped rows, an absent split). They are part of records, so they name no folder.
    """

    task: Task
    source: str  # "hub", "glue-dir" or "embedded"
    revision: str | None
    train: Examples | None
    dev: tuple[Examples, ...]
    state: DataState
    digests: Mapping[str, str]
    notices: tuple[str, ...] = ()

    @property
    def training_texts(self) -> dict[str, tuple[str, ...]]:
        """The texts of the training rows by their ids."""
        return dict(zip(self.train.uids, self.train.texts, strict=True)) if self.train else {}

    @property
    def state_text(self) -> str:
        """The state of the data as shown to the user: "official", "mini", "own" or e.g. "partial (train 256 of 2490)".

        Data of which only the numbers of rows are known to be official are "official (by row counts)".
        """
        names = {examples.split for examples in self.dev}
        loaded = (*((self.train,) if self.train else ()), *self.dev)
        if self.state == "official":
            known = all(self.task.splits[examples.split].digest for examples in loaded)
            return self.state if known else BY_ROW_COUNTS
        parts = []
        for examples in loaded:
            if len(examples) != examples.official_rows or examples.split == HOLDOUT:
                parts.append(f"{examples.split} {len(examples)} of {examples.official_rows}")
            elif not self.task.may_be_official(examples.split, self.digests.get(examples.split, "")):
                parts.append(f"{examples.split} has other rows than the official ones")
        if HOLDOUT not in names:
            parts += [f"{name} absent" for name in self.task.dev if name not in names]
        if self.state in ("mini", "own"):
            return f"{self.state} ({', '.join(parts)})" if parts else self.state
        return f"partial ({', '.join(parts) or 'not the official rows'})"

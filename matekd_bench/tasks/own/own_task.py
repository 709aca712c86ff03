"""The flat TOML file of an own task: its fields, its conversion to a `Task`, and its text for ``tasks new``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from matekd_bench.errors import DataError
from matekd_bench.files.reading import text_encoding
from matekd_bench.files.user_tables import EXTENSIONS
from matekd_bench.tasks.library_metric import read_metrics
from matekd_bench.tasks.own.own_rows import OwnFiles
from matekd_bench.tasks.task import MetricName, Rows, Split, Task

METRICS: Mapping[str, tuple[MetricName, ...]] = {
    "classification": ("accuracy", "f1", "matthews", "macro-f1", "balanced-accuracy"),
    "regression": ("pearson", "spearman"),
}
SPLITS = ("train", "dev")


class OwnTask(BaseModel):
    """The fields of the file; `train` and `dev` are paths relative to it or, with `hub`, splits of that data set.

    Either `dev` or `dev_share` must be given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    kind: Literal["classification", "regression"]
    texts: tuple[str, ...]
    """The text column, or the two columns of a pair."""
    label: str
    """The column with the label or score."""
    train: str = ""
    """Left out for data that are only evaluated, with `evaluated_with` or `label_map`."""
    dev: str | None = None
    dev_share: float | None = Field(default=None, gt=0, lt=1)
    """Replaces `dev`: the share of train that becomes dev, chosen by example hash and in proportion to the labels."""
    encoding: str = "utf-8"
    """The encoding of the files, such as cp1252 or latin-1."""
    labels: tuple[str, ...] = ()
    """The labels in the order of their class ids; F1 is computed for the second of two labels."""
    label_values: dict[str, str] = Field(default_factory=dict)
    """Values in the data, and the labels that they mean, where the two differ."""
    evaluated_with: str | None = None
    """The task whose students are evaluated on the data with ``--also``; None: of any task with fitting labels."""
    label_map: dict[str, str] = Field(default_factory=dict)
    """Labels of that task and the labels here that they mean, where the two differ."""
    metrics: tuple[str, ...] = ()
    """Default: accuracy, or both correlations for a regression. The task's score is the mean of the metrics.

    `evaluate:NAME_OR_PATH` is a metric that the library evaluate loads and whose code is run."""
    score_range: tuple[float, float] | None = None
    hub: str | None = None
    """A data set on the Hub, or a folder with its files."""
    config: str | None = None
    revision: str | None = None
    """The commit of the data set; part of the record."""
    title: str = ""
    summary: str = ""
    license: str = ""
    citation: str = ""
    notes: str = ""


def own_task(own: OwnTask, folder: Path) -> Task:
    """Return the record of the task; paths are relative to `folder`.

    Raises DataError for fields that contradict each other.
    """
    metrics, library_metrics = read_metrics(own.metrics, folder)
    unfit = sorted(set(metrics) - {*METRICS[own.kind], *library_metrics})
    if unfit:
        allowed = ", ".join(METRICS[own.kind])
        raise DataError(f"key 'metrics': '{unfit[0]}' does not fit a {own.kind}; available: {allowed}.")
    if "f1" in own.metrics and len(own.labels) != 2:
        raise DataError(f"key 'metrics': f1 needs two labels, but '{own.name}' has {len(own.labels)}.")
    if own.label in own.texts:
        raise DataError(f"the column '{own.label}' cannot be both text and label.")
    if "label" in own.texts:  # the name under which the suite keeps what `own.label` holds
        raise DataError(
            f"a text column cannot be called 'label' beside the labels in '{own.label}': rename it."
        )
    if not own.train and not (own.evaluated_with or own.label_map):
        raise DataError(
            "key 'train': missing; data that are only evaluated need 'evaluated_with' or 'label_map' instead."
        )
    if not own.train and own.dev is None:
        raise DataError("key 'dev': missing; without 'train' it names the rows to evaluate.")
    if (own.dev is None) == (own.dev_share is None):
        raise DataError(
            "key 'dev': give either 'dev' or 'dev_share', such as dev_share = 0.2 for a fifth of train."
        )
    if own.hub and own.encoding != "utf-8":
        raise DataError(
            f"key 'encoding': '{own.encoding}' applies only to files: remove it, because a data set with 'hub' has its "
            f"own encoding."
        )
    task = Task(
        name=own.name,
        title=own.title or own.name,
        summary=own.summary or "The user's own data.",
        kind=own.kind,
        fields=own.texts,
        labels=own.labels,
        metrics=metrics or (METRICS[own.kind] if own.kind == "regression" else ("accuracy",)),
        library_metrics=library_metrics,
        splits={
            name: Split(place if own.hub else "", "" if own.hub else place, 0)
            for name, place in zip(SPLITS, (own.train, own.dev or own.train), strict=True)
            if place
        },
        train="train" if own.train else None,
        test=(),
        evaluated_with=own.evaluated_with,
        label_map=own.label_map,
        dev_share=own.dev_share,
        score_range=own.score_range,
        columns={"label": own.label},
        label_values=own.label_values,
        hub_id=hub_place(own.hub, folder),
        hub_config=own.config,
        hub_revision=own.revision,
        own=True,
        license=own.license,
        citation=own.citation,
        notes=own.notes,
    )
    return task if own.hub else _with_files(task, folder, text_encoding(own.encoding))


def hub_place(hub: str | None, folder: Path) -> str | None:
    """Return the id of a data set on the Hub, or a path if `hub` names a folder in `folder`."""
    place = None if hub is None else folder / Path(hub).expanduser()
    return str(place) if place is not None and place.is_dir() else hub


def _with_files(task: Task, folder: Path, encoding: str) -> Task:
    """Return the task with a reader for its files; raise DataError for an unknown extension."""
    for split in task.splits.values():
        if Path(split.file).suffix.lower() not in EXTENSIONS:
            raise DataError(f"'{split.file}' must have one of the extensions {', '.join(EXTENSIONS)}.")
    paths = {name: resolve_file(folder, split.file) for name, split in task.splits.items()}
    files = OwnFiles(paths, encoding)
    return replace(task, reader=partial(_rows, files, task))


def resolve_file(folder: Path, file: str) -> Path:
    """Return the normalized path of a file named relative to `folder`; the file need not exist yet."""
    return Path(os.path.normpath(folder / Path(file).expanduser()))


def _rows(files: OwnFiles, task: Task, split: str) -> Rows:
    return files.rows(task, split)


def to_toml(own: OwnTask) -> str:
    """Return the text of the TOML file, without keys that have their default values."""
    lines = ["# A task from your own data: matekd-bench run --plugin THIS_FILE --tasks " + own.name]
    for key, value in own.model_dump(exclude_defaults=True).items():
        lines.append(f"{key} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return a value in TOML syntax."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_toml(key)} = {_toml(part)}' for key, part in value.items())} }}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

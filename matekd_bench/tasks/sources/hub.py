"""Reads tasks from the Hugging Face Hub at a pinned revision, with the library `datasets`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError, first_line, list_available
from matekd_bench.files.hub.hub_errors import hub_errors
from matekd_bench.files.hub.hub_repository import HubRepository
from matekd_bench.files.hub.network import fetch_hint, without_retries
from matekd_bench.tasks.sources.hub_dataset import HINT, cached_folder, load_at_commit, quiet_datasets
from matekd_bench.tasks.sources.source import (
    MissingSplitError,
    check_train_labels,
    gold_score,
    label_id,
    label_text,
)
from matekd_bench.tasks.task import Rows, Task


@dataclass(frozen=True)
class Hub:
    """The Hub, or a local folder of parquet, CSV or JSON files if a task's `hub_id` is a path.

    `cache` is the folder in which `datasets` keeps its files; None means the default folder.
    """

    cache: Path | None = None
    name: str = "hub"
    _loaded: dict[str, tuple[Mapping[str, Any], str | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def revision(self, task: Task) -> str | None:
        """Return the commit that was read; before reading, the revision that the task's record names."""
        loaded = self._loaded.get(_dataset_label(task))
        return task.hub_revision if loaded is None else loaded[1]

    def read(self, task: Task, split: str) -> Rows:
        """Return the rows of one split; raise MissingSplitError, or DataError naming the data set and the row."""
        splits = self.splits(task)
        name = task.splits[split].hub
        if name not in splits:
            missing = f"no split '{name}'" if name else "no labeled rows"
            raise MissingSplitError(
                f"{missing} ({task.name} {split}) in {_dataset_label(task)}: {list_available(name, list(splits))}",
                absent=missing,
                hint="A GLUE folder may have them: --glue-dir DIR.",
            )
        return _rows(task, split, splits[name])

    def splits(self, task: Task) -> Mapping[str, Any]:
        """Return every split of the task's data set by its name on the Hub, as `datasets.Dataset` objects."""
        label = _dataset_label(task)
        if label not in self._loaded:
            self._loaded[label] = self._load(task)
        return self._loaded[label][0]

    def is_cached(self, task: Task) -> bool:
        """Return True if the commit that the task pins is on this machine."""
        repository = _repository(task)
        return repository.pinned and cached_folder(repository, task.hub_config, self._root) is not None

    def fetch_again(self, task: Task) -> None:
        """Download the task's data set again even if it is here, for example because it is damaged."""
        self._loaded[_dataset_label(task)] = self._load(task, again=True)

    @property
    def _root(self) -> Path:
        import datasets.config

        return self.cache or Path(datasets.config.HF_DATASETS_CACHE)

    def _load(self, task: Task, *, again: bool = False) -> tuple[Mapping[str, Any], str | None]:
        """Load every split of the task's data set, memory-mapped, and return it with its commit."""
        if task.hub_id is None:
            raise DataError(f"task {task.name} names no data set on the Hub.", hint="Use --glue-dir DIR.")
        import datasets

        try:
            if Path(task.hub_id).is_dir():
                return self._load_folder(task), task.hub_revision
            splits, at = load_at_commit(_repository(task), task.hub_config, self._root, again=again)
            return splits, at.revision
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            # The error of `datasets` only says that generating failed; its cause says why.
            reason = first_line(error.__cause__ or error)[:200]
            hint = None if Path(task.hub_id).is_dir() else fetch_hint(HINT)
            raise DataError(
                f"{_dataset_label(task)} could not be loaded: {reason.rstrip('.')}.", hint=hint
            ) from error

    def _load_folder(self, task: Task) -> Mapping[str, Any]:
        """Load every split of a local folder."""
        import datasets

        with quiet_datasets():
            loaded: Mapping[str, Any] = datasets.load_dataset(
                str(task.hub_id), task.hub_config, cache_dir=str(self._root), **_as_written(task)
            )
        return loaded


def pinned_revision(id: str, revision: str | None) -> str | None:
    """Return the commit that a revision of a data set on the Hub names now; for a folder, the revision itself."""
    if Path(id).is_dir():
        return revision
    repository = HubRepository("dataset", id, revision)
    with hub_errors(DataError, repository, HINT), without_retries():
        return repository.at_commit().revision


def _repository(task: Task) -> HubRepository:
    return HubRepository("dataset", str(task.hub_id), task.hub_revision)


def _as_written(task: Task) -> dict[str, Any]:
    """Return the options with which `datasets` reads the task's columns from CSV files without converting them.

    By default pandas reads "null" and "NA" as missing values, and "1.0" as a number. Other formats take no such
    options.
    """
    import datasets

    if task.hub_id is None or not Path(task.hub_id).is_dir():
        return {}
    builder = datasets.load_dataset_builder(task.hub_id, task.hub_config)
    if "converters" not in vars(builder.config):
        return {}
    return {"converters": dict.fromkeys(_columns(task).values(), str), "keep_default_na": False}


def _dataset_label(task: Task) -> str:
    """Return the data set's id, configuration and revision, for messages."""
    config = f" ({task.hub_config})" if task.hub_config else ""
    revision = f" at {task.hub_revision[:8]}" if task.hub_revision else ""
    return f"data set '{task.hub_id}'{config}{revision}"


def _rows(task: Task, split: str, data: Any) -> Rows:
    """Return the texts and labels of a `datasets.Dataset`; raise DataError for a missing column or text."""
    labeled = task.splits[split].labeled
    present: list[str] = data.column_names
    names = _columns(task)
    for name in (names[key] for key in (*task.fields, *(["label"] if labeled else []))):
        if name not in present:
            place = f"{task.name} {split}, {_dataset_label(task)}"
            raise DataError(f"no column '{name}' ({place}): {list_available(name, present)}")
    texts = list(zip(*(data[names[field]][:] for field in task.fields), strict=True))
    for row, segments in enumerate(texts):
        for text in segments:
            if not isinstance(text, str):
                shown = "missing" if text is None else f"{str(text)[:60]}, not text"
                raise DataError(f"{_dataset_label(task)}, {split} row {row}: a text is {shown}.")
    return Rows(texts, _labels(task, split, data) if labeled else None)


def _columns(task: Task) -> dict[str, str]:
    """Return the column of each field and of "label".

    For GLUE, the columns on the Hub have the names of the fields; `task.columns` holds those of its files. An own task
    names its columns in `task.columns`.
    """
    renamed = task.columns if task.own else {}
    return {key: renamed.get(key, key) for key in (*task.fields, "label")}


def _labels(task: Task, split: str, data: Any) -> list[Any]:
    """Return class ids or gold scores; class ids follow the label names, not the numbers in the data set.

    Rows of an own task's train may have no label; their label is None.
    """
    place = f"{_dataset_label(task)}, {split}"
    column = _columns(task)["label"]
    names = label_names(data, column) if task.labels else None
    if names is not None and {task.label_values.get(name, name) for name in names} != set(task.labels):
        present, expected = ", ".join(names), ", ".join(task.labels)
        raise DataError(
            f"{_dataset_label(task)} has the labels {present}, but task {task.name} has {expected}."
        )
    labels = []
    for row, text in enumerate(written_labels(data[column][:], names, task.labels, place)):
        if text is None and not (task.own and split == task.train):
            raise DataError(f"{place} row {row}: the label is missing.")
        read = gold_score if task.kind == "regression" else label_id
        labels.append(None if text is None else read(task, text, f"{place} row {row}"))
    if task.own and split == task.train:
        check_train_labels(task, labels, place)
    return labels


def label_names(data: Any, column: str) -> list[str] | None:
    """Return the names of the classes that a `datasets.Dataset` declares for a column, in their order, or None."""
    names: list[str] | None = getattr(data.features[column], "names", None)
    return names


def written_labels(
    values: Sequence[Any], names: Sequence[str] | None, labels: Sequence[str], place: str
) -> Iterator[str | None]:
    """Yield each label of a column as text, by name if the column has names; None if it is missing.

    -1 is a missing class unless it is one of `labels`. Raises DataError, naming `place`, for what cannot be a label.
    """
    for row, value in enumerate(values):
        if value == -1 and (names is not None or (labels and "-1" not in labels)):
            yield None
        else:
            yield label_text(value if names is None or value is None else names[value], f"{place} row {row}")

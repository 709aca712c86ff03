"""Loads the data of a task: reads its splits, adds example ids, applies limits or holdout, checks completeness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from matekd_bench.errors import DataError, UsageError, unknown
from matekd_bench.tasks.sources.dev_share import split_dev_share
from matekd_bench.tasks.sources.embedded import Embedded
from matekd_bench.tasks.sources.example_ids import example_ids, order_key, split_digest, take
from matekd_bench.tasks.sources.holdout import split_holdout
from matekd_bench.tasks.sources.hub import Hub
from matekd_bench.tasks.sources.label_notices import label_notices, unlabeled_notice
from matekd_bench.tasks.sources.source import DataSource, MissingSplitError
from matekd_bench.tasks.task import HOLDOUT, DataState, Examples, Rows, Task, TaskData


def source_of(task: Task, source: DataSource) -> DataSource:
    """Return the source of `task`: the study's `source`, unless the task brings its data or is the user's own."""
    if task.own:
        return Hub() if task.reader is None else Embedded(name="own")
    return Embedded() if task.reader is not None else source


def load_task(
    task: Task,
    source: DataSource,
    *,
    limit_train: int | None = None,
    limit_eval: int | None = None,
    eval_on: Literal["dev", "holdout"] = "dev",
) -> TaskData:
    """Load train and dev of `task` from `source`.

    A limit keeps that many rows of a split, chosen by a hash of their ids. The choice does not depend on the order of
    the file, and a larger limit includes the rows of a smaller one. ``eval_on="holdout"`` evaluates on rows held out of
    train and does not read dev at all. An absent dev split is left out with a notice if there is another one. Raises
    DataError if train or every dev split is absent or a file cannot be used, UsageError for limits under 1.
    """
    for limit in (limit_train, limit_eval):
        if limit is not None and limit < 1:
            raise UsageError(f"a limit of {limit} rows leaves nothing: it must be at least 1.")
    notices: list[str] = []
    train, dev = _splits(task, source, eval_on, notices)
    if task.own:
        notices += own_notices(task, train, dev)
    if train is not None:
        train = _limited(train, limit_train, notices)
        if train.unlabeled == len(train) > 0:
            raise DataError(f"{task.name}: none of the {len(train)} training rows has a label.")
        notices += unlabeled_notice(train)
    dev = [_limited(examples, limit_eval, notices) for examples in dev]
    used = [*([train] if train is not None else []), *dev]
    digests = {examples.split: split_digest(examples) for examples in used}
    return TaskData(
        task=task,
        source=source.name,
        revision=source.revision(task),
        train=train,
        dev=tuple(dev),
        state=_state(task, used, digests, tuple(examples.split for examples in dev)),
        digests=digests,
        notices=tuple(notices),
    )


def _state(task: Task, used: list[Examples], digests: Mapping[str, str], dev: tuple[str, ...]) -> DataState:
    """Return how complete the used splits are; `dev` are the names of the loaded dev splits."""
    if task.synthetic:
        return "mini"
    if task.own or task.stands_for:  # regenerated sets have no official rows
        return "own"
    complete = all(len(examples) == examples.official_rows for examples in used)
    same = all(task.may_be_official(name, rows) for name, rows in digests.items())
    return "official" if complete and same and dev == task.dev else "partial"


def dev_alone(data: TaskData) -> TaskData:
    """Return the dev splits of a task's data, with a state that says how complete these are, and without notices."""
    names = tuple(examples.split for examples in data.dev)
    digests = {name: data.digests[name] for name in names}
    state = _state(data.task, list(data.dev), digests, names)
    return replace(data, train=None, state=state, digests=digests, notices=())


def load_split(task: Task, source: DataSource, split: str) -> Examples:
    """Return all rows of one split; a test split has no labels.

    Raises UsageError for a split that the task does not have, and DataError like :func:`load_task`.
    """
    if split not in task.splits:
        raise unknown(f"split of {task.name}", split, task.splits)
    rows = _read(task, source, split)
    texts = tuple(rows.texts)
    return Examples(
        split=split,
        uids=example_ids(task.name, split, texts),
        texts=texts,
        labels=None if rows.labels is None else tuple(rows.labels),
        official_rows=len(texts) if task.own else task.splits[split].rows,
        skipped=rows.skipped,
    )


def _read(task: Task, source: DataSource, split: str) -> Rows:
    """Return the rows of one split as the source has them, or the part of train that is this split."""
    if task.dev_share is None or split not in (task.train, *task.dev):
        return source.read(task, split)
    train, dev = split_dev_share(task, source.read(task, str(task.train)))
    return train if split == task.train else dev


def _splits(
    task: Task, source: DataSource, eval_on: str, notices: list[str]
) -> tuple[Examples | None, list[Examples]]:
    """Return train and the splits for evaluation, before any limit; add to `notices`."""
    train = _note_skipped(load_split(task, source, task.train), notices) if task.train else None
    if eval_on != HOLDOUT:
        return train, _dev_splits(task, source, notices)
    if train is None:
        raise UsageError(f"task {task.name} has no training data to take a holdout from.")
    train, held_out = split_holdout(task, train)
    notices.append(f"evaluated on {len(held_out)} rows held out from train; dev is not read.")
    return train, [held_out]


def _dev_splits(task: Task, source: DataSource, notices: list[str]) -> list[Examples]:
    """Return the dev splits that exist; if there is none, raise the error of the first."""
    present: list[Examples] = []
    missing: list[MissingSplitError] = []
    for name in task.dev:
        try:
            present.append(_note_skipped(load_split(task, source, name), notices))
        except MissingSplitError as error:
            missing.append(error)
    if missing and not present:
        raise missing[0]
    scored = ", ".join(examples.split for examples in present)
    notices += [f"{error.absent}: evaluated on {scored} only." for error in missing]
    return present


def _note_skipped(examples: Examples, notices: list[str]) -> Examples:
    """Return `examples`, after adding a notice if rows were skipped."""
    if examples.skipped:
        notices.append(f"{examples.skipped} broken rows of {examples.split} skipped.")
    return examples


def own_notices(task: Task, train: Examples | None, dev: list[Examples]) -> list[str]:
    """Return notices about the user's own data: odd labels, dev rows that are also in train, classes missing in dev."""
    known = set(train.texts) if train is not None else set()
    notices = [*label_notices(task, [*([] if train is None else [train]), *dev])]
    for examples in dev:
        shared = sum(texts in known for texts in examples.texts)
        if shared:
            notices.append(
                f"{shared} of {len(examples)} {examples.split} rows are also in train, word for word."
            )
        absent = [
            task.labels[class_id]
            for class_id in range(len(task.labels))
            if class_id not in (examples.labels or ())
        ]
        if absent:
            notices.append(f"{examples.split} has no row labeled {', '.join(absent)}.")
    return notices


def _limited(examples: Examples, limit: int | None, notices: list[str]) -> Examples:
    """Return the examples under a limit; add a notice if it leaves rows out."""
    if limit is not None and limit < len(examples):
        notices.append(f"{examples.split} limited to {limit} of {len(examples)} rows.")
    return limited(examples, limit)


def limited(examples: Examples, limit: int | None) -> Examples:
    """Return the `limit` rows whose ids have the smallest hashes, in the order of the file."""
    if limit is None or limit >= len(examples):
        return examples
    ranked = sorted(range(len(examples)), key=lambda row: order_key("limit", examples.uids[row]))
    return take(examples, sorted(ranked[:limit]))

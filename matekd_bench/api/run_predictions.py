"""The answers of a recorded run on dev as a data frame, with the texts of the examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matekd_bench.api.frames import frame_of
from matekd_bench.errors import ResultsError
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.store.answers import DevLabels, Logits, read_labels, read_logits
from matekd_bench.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.store.results_store import ResultsStore


def predictions_frame(
    run: Record, store: ResultsStore, tasks: Mapping[str, Task] | None, glue_dir: str | Path | None
) -> pd.DataFrame:
    """Return a row per example of dev; `tasks` are the installed ones, or None to leave out the texts.

    Raises ResultsError if the run has no usable predictions or diverged, and DataError if the texts are not the scored
    ones.
    """
    labels, last = _read_last(run, store)
    rows: list[dict[str, Any]] = []
    for split, uids, golds, logits in zip(labels.splits, labels.uids, labels.labels, last, strict=True):
        texts = {} if tasks is None else texts_of(run, split, tasks, glue_dir)
        for uid, gold, row in zip(uids, golds.tolist(), logits.tolist(), strict=True):
            rows.append({"split": split, "uid": uid, **texts.get(uid, {}), **_answer(run, gold, row)})
    return frame_of(ExportTable("predictions", tuple(rows[0]), rows))


def _read_last(run: Record, store: ResultsStore) -> tuple[DevLabels, Logits]:
    """Read the labels that a run was scored on, and the logits that gave its score."""
    try:
        if run.status == "diverged":
            raise ResultsError("it diverged, and its score is that of the most frequent class.")
        labels = read_labels(run, store)
        [last] = read_logits(run, store, labels, last_only=True)
    except ResultsError as error:
        raise ResultsError(f"run '{run.run_id}' has no answers: {error.message}", hint=error.hint) from error
    return labels, last


def _answer(run: Record, gold: float, logits: list[float]) -> dict[str, Any]:
    """Return label, prediction and logits of one example; classes by name, in the order of the record."""
    names = run.data.labels
    if not names:
        return {"label": float(gold), "prediction": logits[0]}
    best = max(range(len(names)), key=logits.__getitem__)
    columns = {f"logit_{name}": value for name, value in zip(names, logits, strict=True)}
    return {"label": names[int(gold)], "prediction": names[best], **columns}


def texts_of(
    run: Record, split: str, tasks: Mapping[str, Task], glue_dir: str | Path | None
) -> dict[str, dict[str, str]]:
    """Return the texts of the scored examples by uid and field."""
    from matekd_bench.tools.predict import scored_examples, task_to_predict

    task = task_to_predict(run, None, tasks)
    folder = None if glue_dir is None else Path(glue_dir).expanduser()
    scored = scored_examples(task, split, run, folder)
    return {
        uid: dict(zip(task.fields, texts, strict=True))
        for uid, texts in zip(scored.uids, scored.texts, strict=True)
    }

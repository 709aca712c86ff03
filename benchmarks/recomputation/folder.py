"""A results folder as it lies on disk: records, dev labels, predictions, and the scores that follow from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recomputation.early_stopping import cross_fitted
from recomputation.metrics import Array, answers, pseudo_values, value


@dataclass(frozen=True)
class Dev:
    """Ids and gold labels of a dev split."""

    uids: tuple[str, ...]
    labels: Array


@dataclass
class Run:
    """A record with the dev splits that it was scored on and its logits, if it has any."""

    record: dict[str, Any]
    dev: Mapping[str, Dev]
    logits: list[dict[str, npt.NDArray[np.float32]]] = field(default_factory=list)

    @property
    def task(self) -> str:
        return str(self.record["identity"]["task"])

    @property
    def seed(self) -> int:
        return int(self.record["identity"]["seed"])

    @property
    def status(self) -> str:
        return str(self.record["status"])

    @cached_property
    def metric_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item["metric"] for item in self.record["teacher"]["scores"]))

    def answers(self, evaluation: int) -> dict[str, Array]:
        """Answers by split at one evaluation, counted from 0."""
        return {split: answers(rows, self.metric_names) for split, rows in self.logits[evaluation].items()}

    def metrics(self, evaluation: int) -> dict[tuple[str, str], float]:
        """Every metric on every split at one evaluation."""
        return {
            (split, name): value(name, self.dev[split].labels, predicted)
            for split, predicted in self.answers(evaluation).items()
            for name in self.metric_names
        }

    @cached_property
    def curve(self) -> list[float]:
        """The task's score, the mean of its metrics and splits, at every evaluation."""
        return [
            float(np.mean([*self.metrics(evaluation).values()])) for evaluation in range(len(self.logits))
        ]

    @cached_property
    def last(self) -> float | None:
        """The score: at the last evaluation, or the majority class's for a run that diverged."""
        if self.status == "failed":
            return None
        if self.status == "diverged":
            return float(self.record["data"]["majority_score"])
        return self.curve[-1] if self.logits else float(self.record["task_score"]["last"])

    @cached_property
    def best(self) -> float | None:
        """The highest score of an evaluation."""
        return max(self.curve) if self.logits and self.status in ("ok", "collapsed") else self.last

    @property
    def optimism(self) -> float | None:
        """What the best evaluation has more than the last."""
        return None if self.best is None or self.last is None else self.best - self.last

    @cached_property
    def xfit(self) -> float | None:
        """The score of the evaluation chosen on the other half of dev; none for small dev splits."""
        if not self.logits or self.status == "diverged":
            return None
        return cross_fitted(self)

    @cached_property
    def final_answers(self) -> dict[str, Array]:
        """The answers that count: at the last evaluation, or the majority class's for a run that diverged."""
        if self.status != "diverged":
            return self.answers(-1)
        return {split: np.full(len(dev.labels), self.majority) for split, dev in self.dev.items()}

    @cached_property
    def contributions(self) -> dict[str, Array]:
        """What every example contributes to the score, by split: the mean over metrics of the pseudo-values."""
        return {
            split: np.mean(
                [pseudo_values(name, self.dev[split].labels, predicted) for name in self.metric_names], axis=0
            )
            for split, predicted in self.final_answers.items()
        }

    @cached_property
    def is_constant(self) -> bool:
        """True if every example has the same answer."""
        return self.is_usable and all(not np.ptp(predicted) for predicted in self.final_answers.values())

    @property
    def is_usable(self) -> bool:
        """True if the run has answers to test with."""
        return bool(self.dev) and (bool(self.logits) or self.status == "diverged")

    @cached_property
    def majority(self) -> float:
        """The class whose constant answer gives the score of the majority class."""
        classes, score = range(len(self.record["data"]["labels"]) or 1), self.record["data"]["majority_score"]
        return float(min(classes, key=lambda answer: abs(self.constant_score(answer) - score)))

    def constant_score(self, answer: float) -> float:
        """The score of one answer for every example."""
        scores = [
            value(name, dev.labels, np.full(len(dev.labels), float(answer)))
            for dev in self.dev.values()
            for name in self.metric_names
        ]
        return float(np.mean(scores))


def read(folder: Path) -> list[Run]:
    """All runs of a results folder."""
    paths = sorted(folder.glob("runs/*/record.json"))
    return [_run(folder, path) for path in paths]


def _run(folder: Path, path: Path) -> Run:
    record = json.loads(path.read_text(encoding="utf-8"))
    splits = {split for split, facts in record["data"]["splits"].items() if split != "train"}
    dev = {
        split: data for split in splits if (data := _dev(folder, record["data"]["splits"][split]["digest"]))
    }
    run = Run(record, dev)
    if record["predictions"] and (path.parent / record["predictions"]["path"]).exists():
        run.logits = list(_logits(path.parent / record["predictions"]["path"], dev))
    return run


def _dev(folder: Path, digest: str) -> Dev | None:
    path = folder / "data" / f"{digest}.json"
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    return Dev(tuple(data["uids"]), np.array(data["labels"], dtype=float))


def _logits(path: Path, dev: Mapping[str, Dev]) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """The logits of every evaluation, in the order of the labels' ids."""
    with np.load(path) as arrays:
        evaluations = sorted({name.split("__")[0] for name in arrays if name.startswith("eval")})
        splits = [name.removeprefix("uids__") for name in arrays if name.startswith("uids__")]
        order = {split: _order(arrays[f"uids__{split}"].tolist(), dev[split].uids) for split in splits}
        for evaluation in evaluations:
            yield {split: arrays[f"{evaluation}__{split}"][order[split]] for split in splits}


def _order(uids: list[str], wanted: tuple[str, ...]) -> list[int]:
    places = {uid: place for place, uid in enumerate(uids)}
    return [places[uid] for uid in wanted]

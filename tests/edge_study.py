"""A synthetic study with every kind of cell and of task, for what is computed again from its folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.seeds import seed_of
from synthetic import TEACHER, make, scored

METRICS = {
    "cola": ("matthews",),
    "sst2": ("accuracy",),
    "mrpc": ("accuracy", "f1"),
    "stsb": ("pearson", "spearman"),
    "qqp": ("accuracy", "f1"),
    "mnli": ("accuracy",),
    "qnli": ("accuracy",),
    "rte": ("accuracy",),
    "wnli": ("accuracy",),
}
ROWS = {  # how much better than chance a row answers, and its updates
    "kd": (0.0, 100),
    "kd@2x": (0.2, 200),
    "kd@4x": (0.3, 400),
    "finetune": (-0.3, 100),
    "random-mask": (0.3, 250),
    "same": (0.0, 100),
    "eda": (0.9, 199),
    "freelb": (-0.9, 300),
    "short": (0.4, 150),
    "matekd[generator_lr=5e-05]": (0.5, 390),
    "own-rules": (0.1, 100),
}
ENDINGS = {  # (row, task, seed): how a run ended
    ("freelb", "mrpc", 1): "collapsed",
    ("eda", "mnli", 2): "diverged",
    ("matekd[generator_lr=5e-05]", "qnli", 0): "missing",
    ("random-mask", "qqp", 0): "failed",
    **{(row, "sst2", seed): "collapsed" for row in ("kd@2x", "eda") for seed in range(8)},
}


Labels = NDArray[np.float64]


def write(root: Path, *, tasks: Sequence[str] = tuple(METRICS), rows: Sequence[str] = tuple(ROWS),
          seeds: int = 8, n: int = 230, endings: Mapping[tuple[str, str, int], str] = ENDINGS,
          protocol: str = "p1", weak: Collection[str] = ("rte", "wnli")) -> None:  # fmt: skip
    """Write the study's folder; its dev sets have about `n` examples. `short` has two seeds.

    The teachers of the `weak` tasks are no better than the majority class.
    """
    store = ResultsStore(root)
    for number, task in enumerate(tasks):
        dev = _dev(store, task, n - 7 * number)
        for row in rows:
            for seed in range(2 if row == "short" else seeds):
                ending = endings.get((row, task, seed), "ok")
                if ending != "missing":
                    _write_run(store, task, row, seed, ending, dev, protocol, task in weak)


def _dev(store: ResultsStore, task: str, n: int) -> dict[str, Labels]:
    """Gold labels by split, written to the folder: classes with an uneven share, or scores in steps of a half."""
    dev = {}
    for split in ("dev-matched", "dev-mismatched") if task == "mnli" else ("dev",):
        rng = np.random.default_rng(seed_of("labels", task, split))
        size = n - 20 * (split == "dev-mismatched")
        labels = rng.integers(11, size=size) / 2 if task == "stsb" else rng.choice(3, size, p=(0.3, 0.5, 0.2))
        dev[split] = labels if task in ("stsb", "mnli") else np.minimum(labels, 1)
        stored = dev[split].tolist()
        store.write_data(f"{split}-{task}", task=task, split=split, uids=_uids(split, size), labels=stored)
    return dev


def _uids(split: str, n: int) -> tuple[str, ...]:
    return tuple(f"{split}-{place}" for place in range(n))


def _write_run(
    store: ResultsStore,
    task: str,
    row: str,
    seed: int,
    ending: str,
    dev: Mapping[str, Labels],
    protocol: str,
    weak: bool,
) -> None:
    record = _record(task, row, seed, ending, dev, protocol, weak)
    if ending == "failed":
        store.write(record)
        return
    gain = ROWS[row][0]
    source = "kd" if row == "same" else row  # `same` gives the answers of kd
    answers = tuple(
        {split: _logits(labels, task, source, seed, gain * part, ending) for split, labels in dev.items()}
        for part in (0.3, 1.1, 1.0)
    )
    predictions = Predictions(answers, {split: _uids(split, len(labels)) for split, labels in dev.items()})
    record = scored(record, predictions, {split: dev[split].tolist() for split in dev}, METRICS[task])
    store.write(_diverged(record) if ending == "diverged" else record, predictions)


def _logits(labels: Labels, task: str, row: str, seed: int, gain: float, ending: str) -> NDArray[np.float32]:
    """Logits whose luck has parts of the seed, the example and the run."""
    n, classes = len(labels), 1 if task == "stsb" else int(labels.max()) + 1
    if ending == "collapsed":
        return np.tile(np.eye(classes, dtype=np.float32)[classes // 2], (n, 1))
    luck = np.random.default_rng(seed_of("luck", task, seed)).normal(0, 0.15)
    ease = np.random.default_rng(seed_of("ease", task)).normal(1.3, 1, n)
    noise = np.random.default_rng(seed_of("noise", task, row, seed, n)).normal(0, 1, (n, classes))
    strength = (ease + luck + 0.5 * gain)[:, None]
    signal = labels[:, None] if task == "stsb" else 0.8 * np.eye(classes)[labels.astype(int)]
    return np.asarray(noise + strength * signal, dtype=np.float32)


def _record(
    task: str, row: str, seed: int, ending: str, dev: Mapping[str, Labels], protocol: str, weak: bool
) -> Record:
    name, updates, majority = row.split("[")[0].split("@")[0], ROWS[row][1], _constant(task, dev, 1)
    sizes = {"train": 1000, **{split: len(labels) for split, labels in dev.items()}}
    return make(
        row, task, seed, None if ending == "failed" else 0.5,
        labels=("a", "b", "c")[: 3 if task == "mnli" else 0 if task == "stsb" else 2],
        splits={split: {"n": n, "official_n": n, "digest": f"{split}-{task}"} for split, n in sizes.items()},
        teacher=TEACHER | _teacher(task, dev, weak), majority_score=majority,
        role="baseline" if name in ("kd", "finetune") else "ablation" if name == "random-mask" else "method",
        ranked=row != "own-rules", protocol_id=protocol, limit=updates, spent=updates, student_updates=updates,
        train_flops=updates * 10**9 + 10**7 * seed, precompute_flops=10**10 * (name == "matekd"),
        train_seconds=updates / 7 + seed,
    )  # fmt: skip


def _diverged(record: Record) -> Record:
    """The record of a run that diverged after its third evaluation: it has the score of the majority class."""
    majority = record.data.majority_score
    items = [
        {"split": split, "selection": "last", "metric": "majority", "value": majority, "n": facts.n}
        for split, facts in record.data.splits.items()
        if split != "train"
    ]
    changes = {
        "status": "diverged",
        "scores": items,
        "task_score": {"last": majority, "best_dev": majority, "optimism": 0.0, "xfit": None},
        "selection": {"rule": "last", "evals": 3, "best_eval": None},
    }
    return Record.model_validate(record.model_dump(by_alias=True) | changes)


def _constant(task: str, dev: Mapping[str, Labels], answer: int) -> float:
    """The score of one answer for every example."""
    if task in ("cola", "stsb"):
        return 0.0
    shares = [float(np.mean(labels == answer)) for labels in dev.values()]
    scores = [
        np.mean([share, 2 * share / (1 + share)]) if "f1" in METRICS[task] else share for share in shares
    ]
    return float(np.mean(scores))


def _teacher(task: str, dev: Mapping[str, Labels], weak: bool) -> dict[str, Any]:
    """Scores of a teacher that is good, or if `weak` little better than the majority class."""
    share = {split: round(0.9 * len(labels)) / len(labels) for split, labels in dev.items()}
    if weak:
        labels = dev["dev"]
        share["dev"] = (int(max(np.sum(labels == 0), np.sum(labels == 1))) + 2) / len(labels)
    items = [
        {"split": split, "selection": "last", "metric": name, "value": share[split], "n": len(dev[split])}
        for split in dev for name in METRICS[task]
    ]  # fmt: skip
    return {"scores": items, "task_score": float(np.mean([item["value"] for item in items]))}

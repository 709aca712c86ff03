"""A synthetic study whose students were scored on further sets, for tests of tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.set_scores import SetScores
from matekd_bench.results.store.collection import read_folders
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.seeds import seed_of

N = 200
GAINS = {"kd": 0.0, "eda": 0.0, "aeda": 0.1}
SETS = {"rte/claims": 2.0, "rte@aeda": 0.0}  # how much better than the reference eda is there
LABELS = np.arange(N) % 2


def answers(name: str, method: str, seed: int) -> np.ndarray:
    ease = np.random.default_rng(seed_of(name)).normal(0.5, 1, N)
    noise = np.random.default_rng(seed_of(name, method, seed)).normal(0, 0.3, N)
    return np.where(ease + (method == "eda") * SETS[name] + noise > 0, LABELS, 1 - LABELS)


def set_scores(name: str, right: np.ndarray) -> SetScores:
    score, hard = float(np.mean(right)), name == "rte@aeda"
    item = {"split": "dev", "selection": "last", "metric": "accuracy", "value": score, "n": N}
    return SetScores.model_validate(
        {
            "name": name, "source": "own", "revision": None, "state": "own", "state_text": "own",
            "splits": {"dev": {"n": N, "official_n": N, "digest": digest(name)}}, "labels": ["no", "yes"],
            "label_map": {}, "resources": {}, "notices": ["a notice"], "scores": [item],
            "majority_score": 0.95 if hard else 0.5, "score": score, "teacher_scores": [], "teacher_score": 0.9,
        }
    )  # fmt: skip


def digest(name: str) -> str:
    return name.replace("/", "-").replace("@", "-")


def write_with_sets(folder: Path, write_study: Any) -> ResultsStore:
    """Three methods on two tasks with three seeds; the runs on rte were scored on two sets."""
    plain = write_study(folder / "plain", GAINS)
    store = ResultsStore(folder / "sets")
    for task in ("rte", "sst2"):
        dev = plain.read_data(f"dev-{task}")
        store.write_data(dev.digest, task=task, split="dev", uids=dev.uids, labels=dev.labels)
    for name in SETS:
        uids = [f"{name}-{row}" for row in range(N)]
        store.write_data(digest(name), task=name, split="dev", uids=uids, labels=LABELS.tolist())
    for record in plain.records():
        identity, predictions = record.identity, plain.read_predictions(record)
        names = list(SETS) if identity.task == "rte" else []
        given = {name: answers(name, identity.method, identity.seed) for name in names}
        also = {digest(name): np.eye(2, dtype=np.float32)[answer] for name, answer in given.items()}
        scores = tuple(set_scores(name, answer == LABELS) for name, answer in given.items())
        store.write(
            record.model_copy(update={"also": scores, "predictions": None}),
            Predictions(predictions.evaluations, predictions.uids, also),
        )
    return store


def board(store: ResultsStore, without: Sequence[str] = ()) -> Any:
    found = read_folders([store.root])
    records = [
        record.model_copy(update={"also": tuple(one for one in record.also if one.name not in without)})
        for record in found.records
    ]
    return build(records, tasks={}, suites=(), evidence=Evidence(found.stores))

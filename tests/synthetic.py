"""Synthetic records, whole and valid, for the tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matekd_bench.files.hashing import short_digest
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import score_split, task_score
from matekd_bench.tasks.task import MetricName, Split, Task

TEACHER = {
    "id": "org/teacher",
    "revision": "abc",
    "sha256": "t" * 64,
    "scores": [{"split": "dev", "selection": "last", "metric": "accuracy", "value": 0.9, "n": 100}],
    "task_score": 0.9,
    "label_map_checked": False,
    "fine_tune_flops": 10**12,
    "fine_tune_seconds": 60.0,
    "given": False,
}


def make(
    method: str = "kd", task: str = "rte", seed: int = 0, score: float | None = 0.7, **changes: Any
) -> Record:
    """A record; `score=None` makes it a failed one.

    `changes` replaces top-level fields, and fields of identity, data, teacher, budget, compute and
    provenance.
    """
    name = method.split("[")[0]
    parts: dict[str, dict[str, Any]] = {
        "identity": {
            "method": name,
            "variant": method,
            "method_version": "1",
            "params": {},
            "role": "baseline" if name in {"kd", "finetune"} else "method",
            "ranked": True,
            "task": task,
            "seed": seed,
            "preset": "test",
            "protocol_id": "p1",
        },
        "data": {
            "source": "glue-dir",
            "revision": None,
            "state": "official",
            "state_text": "official",
            "splits": {
                "train": {"n": 1000, "official_n": 1000, "digest": f"train-{task}"},
                "dev": {"n": 100, "official_n": 100, "digest": f"dev-{task}"},
            },
            "max_length": 128,
            "labels": ["entailment", "not_entailment"],
            "notices": [],
            "eval_on": "dev",
            "majority_score": 0.5,
        },
        "teacher": dict(TEACHER),
        "budget": {"kind": "student_updates", "limit": 300, "spent": 300},
        "compute": {
            "student_updates": 300,
            "auxiliary_updates": 0,
            "clean_examples": 9600,
            "perturbed_examples": 0,
            "real_tokens": 200000,
            "padded_tokens": 220000,
            "forwards": {"student": 300, "teacher": 40},
            "backwards": {"student": 300},
            "train_flops": 4_000_000_000,
            "precompute_flops": 1_000_000_000,
            "train_seconds": 20.0,
            "eval_seconds": 2.0,
            "precompute_seconds": 1.0,
            "peak_memory_bytes": None,
            "device": "cpu",
            "precision": "fp32",
            "threads": 2,
        },
        "provenance": {
            "command": "matekd-bench run",
            "git_commit": None,
            "created": "2026-01-02T03:04:05Z",
            "seed_plan": None,
        },
    }
    for part in parts.values():
        part.update({key: changes.pop(key) for key in list(changes) if key in part})
    failed = score is None
    best = None if score is None else score + 0.01
    record: dict[str, Any] = {
        "run_id": short_digest([method, task, seed, parts["identity"], parts["data"], parts["teacher"]]),
        "status": "failed" if failed else "ok",
        "reason": "RuntimeError: out of memory" if failed else None,
        **parts,
        "seeds": {"init": 1, "data-order": 2, "dropout": 3},
        "student": {"id": "layers:0,1,3,5", "sha256": "s" * 64, "layers": [0, 1, 3, 5], "parameters": 1000},
        "perturber": None,
        "hparams": {"lr": 5e-5, "batch_size": 32},
        "selection": {"rule": "last", "evals": 10, "best_eval": None if failed else 9},
        "scores": []
        if failed
        else [
            {"split": "dev", "selection": "last", "metric": "accuracy", "value": score, "n": 100},
            {"split": "dev", "selection": "best_dev", "metric": "accuracy", "value": best, "n": 100},
        ],
        "task_score": None if failed else {"last": score, "best_dev": best, "optimism": 0.01, "xfit": None},
        "curve": [] if failed else [{"eval": 1, "update": 30, "score": score, "train_loss": 0.5}],
        "diagnostics": {"changed_tokens": 0.1, "flip_rate": None},
        "predictions": None,
        "env": {"python": "3.11", "matekd_bench": "0.1.0", "torch": "2.13.0"},
    }
    return Record.model_validate(record | changes)


def write(
    root: Path,
    gains: Mapping[str, float],
    *,
    tasks: Sequence[str] = ("rte", "sst2"),
    seeds: int = 3,
    n: int = 240,
    skip: Collection[tuple[str, str, int]] = (),
    budgets: Mapping[str, int] | None = None,
    **changes: Any,
) -> ResultsStore:
    """A study with predictions; `gains` says by method how much better than chance it answers.

    `labels` are 0 and 1; a run's score is the accuracy of its answers at the second of two evaluations. `budgets` gives
    the updates of a method (default 300), `skip` the (method, task, seed) to leave out.
    """
    store = ResultsStore(root)
    for task in tasks:
        rng = np.random.default_rng(seed_of("study", task))
        labels, ease = rng.integers(2, size=n), rng.normal(0.8, 1, n)
        uids = tuple(f"{task}-{row}" for row in range(n))
        store.write_data(f"dev-{task}", task=task, split="dev", uids=uids, labels=labels.tolist())
        for method, gain in gains.items():
            for seed in range(seeds):
                own = np.random.default_rng(seed_of(method, task, seed))
                evaluations = [
                    np.where(ease + part * gain + own.normal(0, 0.3, n) > 0, labels, 1 - labels)
                    for part in (0.5, 1)
                ]
                updates = (budgets or {}).get(method, 300)
                record = make(
                    method, task, seed, float(np.mean(evaluations[-1] == labels)), limit=updates, spent=updates,
                    student_updates=updates, train_flops=updates * 10**9, precompute_flops=0, **changes,
                )  # fmt: skip
                if (method, task, seed) not in skip:
                    logits = tuple(
                        {"dev": np.eye(2, dtype=np.float32)[evaluation]} for evaluation in evaluations
                    )
                    store.write(record, Predictions(logits, {"dev": uids}))
    return store


def scored(
    record: Record,
    predictions: Predictions,
    labels: Mapping[str, Sequence[float]],
    metrics: tuple[MetricName, ...] = ("accuracy",),
) -> Record:
    """The record with the scores, the curve and the status that the predictions give; `labels` are by split."""
    task = Task(
        name=record.identity.task, title="", summary="", fields=("text",), labels=record.data.labels,
        kind="classification" if record.data.labels else "regression",
        metrics=metrics,
        splits=dict.fromkeys(("train", "dev"), Split("", "", 1)),
    )  # fmt: skip
    evaluations = [
        [score_split(task, labels[split], logits, split) for split, logits in sorted(evaluation.items())]
        for evaluation in predictions.evaluations
    ]
    curve = [task_score(splits) for splits in evaluations]
    best = curve.index(max(curve))
    items = [
        {"split": split.split, "selection": selection, "metric": name, "value": value, "n": split.n}
        for selection, splits in (("last", evaluations[-1]), ("best_dev", evaluations[best]))
        for split in splits
        for name, value in split.metrics.items()
    ]
    plain = record.model_dump(by_alias=True) | {
        "status": "collapsed" if all(split.collapsed for split in evaluations[-1]) else "ok",
        "scores": items,
        "curve": [
            {"eval": number, "update": 30 * number, "score": score, "train_loss": 0.5}
            for number, score in enumerate(curve, start=1)
        ],
        "selection": {"rule": "last", "evals": len(curve), "best_eval": best + 1},
        "task_score": {
            "last": curve[-1], "best_dev": curve[best], "optimism": curve[best] - curve[-1], "xfit": None,
        },
    }  # fmt: skip
    return Record.model_validate(plain)

"""Trackers built on the event hooks: TensorBoard, MLflow and Weights & Biases, each an optional extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from matekd_bench import Tracker, hookimpl


def _tensorboard(results: Path) -> object:
    from matekd_plugins.trackers.tensorboard import TensorBoard

    return TensorBoard(results)


def _mlflow(results: Path) -> object:
    from matekd_plugins.trackers.mlflow import MLflow

    return MLflow(results)


def _wandb(results: Path) -> object:
    from matekd_plugins.trackers.wandb import WandB

    return WandB(results)


@hookimpl
def matekd_bench_trackers() -> Iterator[Tracker]:
    """Announce `tensorboard`, `mlflow` and `wandb`."""
    yield Tracker(
        name="tensorboard",
        summary="TensorBoard event files in the results folder, under tensorboard/.",
        start=_tensorboard,
        requires=("tensorboard",),
        install="pip install 'matekd-bench[tensorboard]'",
    )
    yield Tracker(
        name="mlflow",
        summary="MLflow at MLFLOW_TRACKING_URI, else files in the results folder, under mlruns/.",
        start=_mlflow,
        requires=("mlflow",),
        install="pip install 'matekd-bench[mlflow]'",
    )
    yield Tracker(
        name="wandb",
        summary="Weights & Biases, as WANDB_PROJECT and WANDB_MODE say.",
        start=_wandb,
        requires=("wandb",),
        install="pip install 'matekd-bench[wandb]'",
    )

"""What a study's runs on one task share, on toy text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from matekd_bench.distill.artifacts.task_assets import Recipe, TaskAssets
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.settings import Budget, GeneratorSettings, Optimizer, TeacherSettings
from matekd_bench.tasks.task import TaskData
from matekd_bench.tasks.teacher_answers import TeacherAnswers
from rig import Kept, toy_data


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def recipe(tiny_checkpoint: Path) -> Callable[..., Recipe]:
    """A maker of recipes: a teacher of four tiny layers, its layers 0 and 2 as student, itself as generator."""

    def make(teacher: Path | TeacherAnswers | None = None, updates: int = 2, **changes: Any) -> Recipe:
        tiny = describe(tiny_checkpoint, id="tiny")
        place = describe(teacher, id="given") if isinstance(teacher, Path) else teacher or tiny
        parts = {
            "teacher": place,
            "teacher_settings": TeacherSettings(
                checkpoint="tiny", optimizer=Optimizer(lr=2e-3, batch_size=16), budget=Budget(limit=updates)
            ),
            "student": ModelSource(tiny, (0, 2)),
            "generator": ModelSource(tiny, (0, 1)),
            "generator_settings": GeneratorSettings(
                checkpoint="tiny", optimizer=Optimizer(lr=3e-3, batch_size=16), budget=Budget(limit=2)
            ),
            "max_length": 32,
            "device": torch.device("cpu"),
            "precision": "float32",
        }
        return Recipe(**{**parts, **changes})

    return make


class ToldAssets(TaskAssets):
    """Task assets that keep in `sink` what the user was told."""

    def __init__(self, data: TaskData, recipe: Recipe) -> None:
        self.sink = Kept()
        super().__init__(data, recipe, self.sink)


@pytest.fixture
def assets(recipe: Callable[..., Recipe], cache: Path) -> Callable[..., ToldAssets]:
    """A maker of task assets with an empty cache: `assets(kind="single", train=64, dev=40, **recipe)`."""

    def make(kind: str = "single", train: int = 64, dev: int = 40, **parts: Any) -> ToldAssets:
        return ToldAssets(toy_data(kind, train, dev), recipe(**parts))

    return make

"""Teachers and generators that are interrupted in their training go on to the same bits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from matekd_bench.distill.artifacts import preparation
from matekd_bench.distill.artifacts.preparation import Preparation
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.artifacts.teacher import FineTunedTeacher
from matekd_bench.distill.settings import Budget, GeneratorSettings, Optimizer
from matekd_bench.distill.training import checkpoint_saver
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.events import Progress
from matekd_bench.files.durable import CheckpointFolder
from rig import Kept, toy_data


class Interrupted:
    """Assets on toy text, a cache of their own, that are asked to stop after so many updates."""

    def __init__(self, recipe, after: int | None = None) -> None:
        self.left, self.sink = after or -1, Kept()
        settings = GeneratorSettings(
            checkpoint="tiny", optimizer=Optimizer(lr=3e-3, batch_size=16), budget=Budget(limit=5)
        )
        self.assets = TaskAssets(
            toy_data(), recipe(updates=6, generator_settings=settings), self.sink, self._asked
        )

    def _asked(self) -> bool:
        self.left -= 1
        return self.left == 0


def weights(part: str, assets: TaskAssets) -> dict[str, torch.Tensor]:
    model = assets.teacher.model if part == "teacher" else assets.generator.network
    return model.state_dict()


@pytest.mark.parametrize("part", ["teacher", "generator"])
def test_it_goes_on_to_the_same_bits(part, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "whole"))
    whole = Interrupted(recipe)
    expected = weights(part, whole.assets)
    limit = 6 if part == "teacher" else 5
    assert [(event.done, event.limit) for event in whole.sink.of(Progress)] == [
        (update, limit) for update in range(1, limit + 1)
    ]
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "parts"))
    for after in (2, 1):
        with pytest.raises(PausedError) as paused:
            weights(part, Interrupted(recipe, after).assets)
        assert (paused.value.what, paused.value.problem) == (f"{part} for toy-single", None)
    last = Interrupted(recipe)
    found = weights(part, last.assets)
    assert next(iter(last.sink.of(Progress))).done == 4
    assert any("update 3" in text for text in last.sink.texts("stage"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    if part == "teacher":
        assert last.assets.teacher.train_flops == whole.assets.teacher.train_flops > 0
        assert last.assets.teacher.checkpoint.sha256 == whole.assets.teacher.checkpoint.sha256
    else:
        assert last.assets.generator.accuracy == whole.assets.generator.accuracy
        assert last.assets.generator.warm_up_flops == whole.assets.generator.warm_up_flops > 0
    assert not list((tmp_path / "parts").glob("*/.*"))


def test_it_is_saved_by_the_clock_and_the_disk_may_refuse(recipe, tmp_path: Path, monkeypatch):
    def train(place: Path, seconds: float, **options):
        monkeypatch.setattr(checkpoint_saver, "SAVE_SECONDS", seconds)
        folder = CheckpointFolder(place)
        Preparation("the teacher", folder, **options).train(artifact.session())
        return [path.name for path in folder.folders()]

    artifact = FineTunedTeacher(toy_data(), recipe(updates=3))
    assert train(tmp_path / "patient", 3600.0) == []
    assert train(tmp_path / "hasty", 0.0) == ["000000002", "000000001"]
    (tmp_path / "file").touch()
    with pytest.raises(PausedError) as paused:
        train(tmp_path / "file" / "kept", 0.0, stopping=lambda: True)
    assert paused.value.problem == "Not a directory"


def test_only_training_counts_as_its_time(recipe, monkeypatch):
    """Work before the training, such as encoding the rows of a teacher, does not count."""
    now = [0.0]
    monkeypatch.setattr(preparation, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    session, made = FineTunedTeacher(toy_data(), recipe(updates=2)).session(), Preparation("the teacher")
    now[0] = 100.0
    losses = session.losses

    def timed():
        for loss in losses():
            now[0] += 3.0
            yield loss

    monkeypatch.setattr(session, "losses", timed)
    made.train(session)
    assert made.seconds == 6.0


def test_a_checkpoint_of_another_start_is_left_aside(recipe, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(checkpoint_saver, "SAVE_SECONDS", 0.0)
    artifact, folder = FineTunedTeacher(toy_data(), recipe(updates=2)), CheckpointFolder(tmp_path)
    Preparation("the teacher", folder).train(artifact.session())
    for changed, updates in ((False, [2]), (True, [1, 2])):
        sink, session = Kept(), artifact.session()
        if changed:
            next(session.parts.student.parameters()).data.add_(1)
        Preparation("the teacher", folder, sink=sink).train(session)
        assert [event.done for event in sink.of(Progress)] == updates
        assert len(sink.texts("stage")) == 1

"""Teachers and generators that are interrupted in their training go on to the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from matekd_bench.distill.artifacts import preparation
from matekd_bench.distill.artifacts.preparation import PreparationCheckpoints
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.settings import Budget, GeneratorSettings, Optimizer
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.files.durable import CheckpointFolder
from rig import toy_data


class Interrupted:
    """Assets on toy text, a cache of their own, that are asked to stop after so many updates."""

    def __init__(self, recipe, after: int | None = None) -> None:
        self.left, self.stages = after or -1, []
        self.assets = TaskAssets(
            toy_data(), recipe(updates=6, generator_settings=GeneratorSettings(
                checkpoint="tiny", optimizer=Optimizer(lr=3e-3, batch_size=16), budget=Budget(limit=5)
            )),
            self.stages.append, lambda *progress: None, stopping=self._asked,
        )  # fmt: skip

    def _asked(self) -> bool:
        self.left -= 1
        return self.left == 0


def weights(part: str, assets: TaskAssets) -> dict[str, torch.Tensor]:
    model = assets.teacher.model if part == "teacher" else assets.generator.network
    return model.state_dict()


@pytest.mark.parametrize("part", ["teacher", "generator"])
def test_it_goes_on_to_the_same_bits(part, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "whole"))
    whole = Interrupted(recipe).assets
    expected = weights(part, whole)
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "parts"))
    for after in (2, 1):
        with pytest.raises(PausedError) as paused:
            weights(part, Interrupted(recipe, after).assets)
        assert (paused.value.what, paused.value.problem) == (f"{part} for toy-single", None)
    last = Interrupted(recipe)
    found = weights(part, last.assets)
    assert f"{part} for toy-single: resuming after update 3" in last.stages
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    if part == "teacher":
        assert last.assets.teacher.train_flops == whole.teacher.train_flops > 0
        assert last.assets.teacher.checkpoint.sha256 == whole.teacher.checkpoint.sha256
    else:
        assert last.assets.generator.accuracy == whole.generator.accuracy
        assert last.assets.generator.warm_up_flops == whole.generator.warm_up_flops > 0
    assert not list((tmp_path / "parts").glob("*/.*"))


def test_it_is_saved_by_the_clock_and_the_disk_may_refuse(tmp_path: Path, monkeypatch):
    module, folder = torch.nn.Linear(2, 2), CheckpointFolder(tmp_path / "kept")
    monkeypatch.setattr(preparation, "SAVE_SECONDS", 3600.0)
    patient = PreparationCheckpoints("the teacher", folder)
    assert patient.begin(module) is None
    patient.after_update(1, module, dict)
    assert not folder.folder.exists()
    monkeypatch.setattr(preparation, "SAVE_SECONDS", 0.0)
    patient.after_update(2, module, dict)
    assert [place.name for place in folder.folders()] == ["000000002"]
    (tmp_path / "file").touch()
    blocked = PreparationCheckpoints(
        "the teacher", CheckpointFolder(tmp_path / "file" / "kept"), stopping=lambda: True
    )
    blocked.begin(module)
    with pytest.raises(PausedError) as paused:
        blocked.after_update(3, module, dict)
    assert paused.value.problem == "Not a directory"


def test_a_checkpoint_of_another_start_is_left_aside(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(preparation, "SAVE_SECONDS", 0.0)
    folder, said = CheckpointFolder(tmp_path), []
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    one = PreparationCheckpoints("the teacher", folder)
    one.begin(first)
    one.after_update(1, first, dict)
    assert PreparationCheckpoints("the teacher", folder, notify=said.append).begin(second) is None
    assert said == ["the teacher: checkpoint from other versions skipped; it starts over"]
    assert PreparationCheckpoints("the teacher", folder, notify=said.append).begin(first)["update"] == 1

"""A student that starts from the fine-tuned teacher: before the first update it answers as its layers and head do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.distill.settings import Optimizer, StudentSettings, Training
from matekd_bench.distill.student_run import Job, initial_student
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.plugins.host import Host
from rig import toy_data

KD = Host.load(only_builtin=True).method("kd").record
JOB = Job("kd", KD, KD.params(), 3, Training(optimizer=Optimizer(lr=1e-3)), ("student_updates", 2))


def started(
    recipe, tiny_checkpoint: Path, layers: tuple[int, ...], kind: str = "single", **parts
) -> TaskAssets:
    """Assets of a study whose students start from these layers of a teacher that has learned a little."""
    source = parts.pop("source", describe(tiny_checkpoint, id="tiny"))
    return TaskAssets(toy_data(kind), recipe(updates=8, student=ModelSource(source, layers, True), **parts))


def on_dev(assets: TaskAssets, model) -> torch.Tensor:
    return predict(model, assets.dev[0], assets.student_encoder.tokens.pad)


def test_all_layers_of_the_teacher_answer_as_the_teacher(recipe, tiny_checkpoint, cache):
    assets = started(recipe, tiny_checkpoint, (0, 1, 2, 3))
    student = initial_student(JOB, assets)
    assert on_dev(assets, student).equal(assets.teacher_dev_logits[0])
    source = replace(assets.recipe.student, from_teacher=False)
    pretrained = initial_student(JOB, TaskAssets(assets.data, replace(assets.recipe, student=source)))
    assert not on_dev(assets, pretrained).allclose(assets.teacher_dev_logits[0], atol=1e-2)


def test_some_layers_are_the_teachers_and_so_is_the_head(recipe, tiny_checkpoint, cache):
    assets = started(recipe, tiny_checkpoint, (0, 2))
    student, teacher = initial_student(JOB, assets), assets.teacher.model
    pairs = zip((0, 1), (0, 2), strict=True)
    for own, kept in pairs:
        for mine, theirs in zip(
            student.bert.encoder.layer[own].parameters(),
            teacher.bert.encoder.layer[kept].parameters(),
            strict=True,
        ):
            assert mine.equal(theirs)
    assert student.classifier.weight.equal(teacher.classifier.weight)


def test_a_regression_starts_from_the_teachers_scores_in_standardized_units(recipe, tiny_checkpoint, cache):
    assets = started(recipe, tiny_checkpoint, (0, 1, 2, 3), "regression")
    student = initial_student(JOB, assets)
    expected = assets.units.standardize(assets.teacher_dev_logits[0])
    assert torch.allclose(on_dev(assets, student), expected, rtol=0, atol=1e-5)


def test_outputs_of_a_given_teacher_are_in_the_order_of_the_task(recipe, tiny_checkpoint, cache, tmp_path):
    tiny = ModelSource(describe(tiny_checkpoint, id="tiny"))
    labels = toy_data("single").task.labels
    model = load_classifier(tiny, 2, tuple(reversed(labels)), seed=5)
    model.save_pretrained(tmp_path / "given")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "given" / file).write_bytes((tiny_checkpoint / file).read_bytes())
    assets = started(
        recipe,
        tiny_checkpoint,
        (0, 1, 2, 3),
        teacher=tmp_path / "given",
        source=describe(tmp_path / "given", id="given"),
    )
    assert assets.teacher.order == (1, 0)
    assert on_dev(assets, initial_student(JOB, assets)).equal(assets.teacher_dev_logits[0])


def test_only_layers_of_the_teacher_can_start_so():
    with pytest.raises(ValidationError, match="'org/small'"):
        StudentSettings(checkpoint="org/small", start="teacher")
    assert StudentSettings(checkpoint="layers:0,2", start="teacher").start == "teacher"


def test_the_start_is_part_of_the_identity_and_of_the_name(tiny_checkpoint):
    pretrained = ModelSource(describe(tiny_checkpoint, id="tiny"), (0, 2))
    assert "start" not in pretrained.identity  # ids from before the setting stay the same
    assert replace(pretrained, from_teacher=True).identity == {**pretrained.identity, "start": "teacher"}
    assert replace(pretrained, from_teacher=True).name == "fine-tuned tiny[layers:0,2]"

"""What the runs on one task share."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from matekd_bench.distill.artifacts import teacher as teacher_module
from matekd_bench.distill.artifacts.generator import masked_texts
from matekd_bench.distill.artifacts.generator_warm_up import GeneratorWarmUp
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.masked_lm import load_masked_lm
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.errors import CheckpointError
from matekd_bench.events import Message, Progress
from rig import toy_data


def test_the_students_rows_carry_labels_and_the_teachers_logits(assets):
    made = assets("pairs")
    corpus, rows = made.train, made.data.train
    assert (len(corpus), corpus.uids, corpus.labels.dtype) == (64, rows.uids, torch.long)
    assert corpus.labels.tolist() == list(rows.labels)
    assert corpus.teacher_logits.shape == (64, 2)
    assert corpus.lengths == [len(row.ids) for row in corpus.encoded]
    assert made.train is corpus  # made once
    assert [len(rows) for rows in made.dev] == [40]


def test_regression_labels_are_standardized_floats(assets):
    corpus = assets("regression").train
    assert corpus.labels.mean().abs() < 1e-6
    assert corpus.labels.dtype == torch.float32
    assert corpus.teacher_logits.shape == (64, 1)


def test_what_takes_long_is_announced(assets):
    made = assets()
    _ = made.train, made.generator
    stages = [stage for stage in made.sink.texts("stage") if "toy-single" in stage]
    for part in ("fine-tuning teacher", "teacher logits", "warming up generator"):
        assert any(part in stage for stage in stages)


def test_what_takes_long_is_counted(assets):
    made = assets()
    _ = made.train, made.generator
    counts, stage = {}, ""
    for event in made.sink.events:
        if isinstance(event, Message) and event.kind == "stage":
            stage = event.text
            assert event.counted
        elif isinstance(event, Progress):
            assert event.preparing
            counts[stage] = (event.done, event.limit)
    assert len(counts) >= 3
    assert [stage for stage, (done, limit) in counts.items() if done != limit] == []
    assert counts["teacher logits for toy-single"] == (64, 64)


def test_an_untrained_generator_is_warmed_up_once(assets, cache):
    first = assets().generator
    assert 0 <= first.accuracy <= 1
    assert first.warm_up_flops > 0
    again = assets().generator
    assert (again.accuracy, again.warm_up_seconds) == (first.accuracy, first.warm_up_seconds)
    assert all(
        value.equal(again.network.state_dict()[name]) for name, value in first.network.state_dict().items()
    )
    assert len(list((cache / "generators").glob("*/generator.json"))) == 1
    assert len(first.network.model.bert.encoder.layer) == 2


def test_tasks_may_share_a_generator_and_its_cost(assets, cache):
    """Warmed up on the texts of both; each of the tasks bears half of the cost."""
    texts = (toy_data("single"), toy_data("pairs"))
    shared = [assets(kind, generator_texts=texts).generator for kind in ("single", "pairs")]
    assert len(list((cache / "generators").glob("*/generator.json"))) == 1
    first, second = (generator.network.state_dict() for generator in shared)
    assert all(value.equal(second[name]) for name, value in first.items())
    facts = json.loads(next((cache / "generators").glob("*/generator.json")).read_text())
    assert [generator.warm_up_flops for generator in shared] == [facts["flops"] // 2] * 2
    own = assets("single").generator
    assert not all(value.equal(own.network.state_dict()[name]) for name, value in first.items())


def test_the_perplexity_of_a_uniform_generator_is_its_vocabulary(recipe, cache):
    made = recipe()
    encoder = made.student_encoder
    network, _ = load_masked_lm(made.generator, 0)
    with torch.no_grad():
        for weight in network.model.get_output_embeddings().parameters():
            weight.zero_()  # all logits are 0
    warm_up = GeneratorWarmUp(
        network, masked_texts([toy_data("single"), toy_data("pairs")], encoder), made.generator_settings,
        encoder.tokens, task="both", device=made.device, precision="float32",
    )  # fmt: skip
    assert warm_up.held_out()["perplexity"] == pytest.approx(encoder.tokens.size, rel=1e-5)


def test_a_trained_generator_is_taken_as_it_is(assets, recipe, cache):
    folder = next(iter([assets().generator])) and next((cache / "generators").glob("*/generator.json")).parent
    trained = ModelSource(describe(folder, id="warm"))
    made = assets(generator=trained).generator
    assert (made.accuracy, made.warm_up_flops) == (None, 0)
    expected, _ = load_masked_lm(trained, 0)
    assert all(value.equal(made.network.state_dict()[name]) for name, value in expected.state_dict().items())


def test_a_study_without_generator_or_training_rows_says_so(recipe, cache):
    data = toy_data()
    with pytest.raises(CheckpointError, match="no generator"):
        _ = TaskAssets(data, recipe(generator=None)).generator
    with pytest.raises(CheckpointError, match="'toy-single' has no training data"):
        _ = TaskAssets(replace(data, train=None), recipe()).train
    with pytest.raises(CheckpointError, match="'toy-single' have no labels"):
        _ = TaskAssets(replace(data, train=replace(data.train, labels=None)), recipe()).train


def test_the_folders_of_a_task_are_known_from_its_recipe_once_they_are_made(assets, cache):
    """Another object for the same task: what the first one made it finds, and asks for nothing but the cache."""
    first, other = assets(), assets()
    for generator in (False, True):
        assert other.cached_folders(generator=generator) is None
    _ = first.train, first.teacher_dev_logits
    assert other.cached_folders(generator=True) is None
    assert {folder.parent.name for folder in other.cached_folders(generator=False)} == {"teachers", "logits"}
    _ = first.generator
    made = {folder for folder in cache.glob("*/*") if folder.is_dir()}
    assert set(other.cached_folders(generator=True)) == made
    assert other.sink.events == []


def test_a_given_teacher_and_a_trained_generator_need_only_logits(assets, cache, recipe):
    made = assets()
    _ = made.generator
    trained = ModelSource(describe(next(cache.glob("generators/*/")), id="warm"))
    given = made.teacher.checkpoint.path
    first = assets(teacher=given, generator=trained)
    made = [first.train.teacher_logits, *first.teacher_dev_logits]
    folders = assets(teacher=given, generator=trained).cached_folders(generator=True)
    for folder, logits in zip(folders, made, strict=True):
        assert load_file(folder / "logits.safetensors")["logits"].equal(logits)


def test_a_teacher_in_the_cache_answers_nothing_twice(assets, monkeypatch):
    first, other = assets(), assets()
    made = (first.train.teacher_logits, *first.teacher_dev_logits)
    monkeypatch.setattr(teacher_module, "predict", None)  # a call would fail
    assert all(map(torch.equal, made, (other.train.teacher_logits, *other.teacher_dev_logits)))

"""The teacher: fine-tuned once, or given; its label order and its cached logits."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fake_gpu import CPU, GPU, FakeGPU
from matekd_bench.distill.artifacts import teacher as teachers
from matekd_bench.distill.artifacts.given_teacher import check_labels, load_given_teacher
from matekd_bench.distill.artifacts.teacher import CleanLogits, FineTunedTeacher, Teacher
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.errors import CheckpointError
from matekd_bench.tasks.sources.example_ids import split_digest, take
from matekd_bench.tasks.task import Examples
from rig import toy_data, toy_task


@pytest.fixture(scope="session")
def accurate(tmp_path_factory, recipe):
    """A folder with a teacher that knows the toy task, fine-tuned by the suite itself."""
    from matekd_bench.distill.artifacts.task_assets import TaskAssets

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATEKD_BENCH_CACHE", str(tmp_path_factory.mktemp("teachers")))
        assets = TaskAssets(toy_data("single", 128, 60), recipe(updates=60))
        assert accuracy(assets.teacher, assets) == 1.0
        yield assets.teacher.checkpoint.path


@pytest.fixture
def variant(accurate, tmp_path):
    """A copy of the accurate teacher with other label names and its output columns in another order."""

    def make(names=None, columns=None):
        folder = Path(shutil.copytree(accurate, tmp_path / f"variant-{len(list(tmp_path.iterdir()))}"))
        if names is not None:
            config = json.loads((folder / "config.json").read_text())
            config["id2label"] = {str(index): name for index, name in enumerate(names)}
            config["label2id"] = {name: index for index, name in enumerate(names)}
            (folder / "config.json").write_text(json.dumps(config))
        if columns is not None:
            weights = load_file(folder / "model.safetensors")
            for part in ("classifier.weight", "classifier.bias"):
                weights[part] = weights[part][columns].contiguous()
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return make


def accuracy(teacher, assets):
    rows = assets.teacher_encoder(assets.data.dev[0].texts)
    predicted = predict(teacher.model, rows, 0).argmax(-1)
    return float((predicted == torch.tensor(assets.data.dev[0].labels)).float().mean())


def test_a_teacher_is_fine_tuned_once_and_then_taken_from_the_cache(assets, cache):
    first = assets()
    state = torch.random.get_rng_state()
    made = first.teacher
    assert torch.random.get_rng_state().equal(state)
    assert (made.given, made.train_flops > 0, made.train_seconds > 0) == (False, True, True)

    def written():
        kept = (path for path in cache.rglob("*") if path.is_file() and path.name != "manifest.json")
        return {path: path.stat().st_mtime_ns for path in kept}  # the manifest's time is that of the last use

    files = written()
    assert {path.name for path in files} >= {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "teacher.json",
    }
    again = assets().teacher
    assert again.checkpoint.sha256 == made.checkpoint.sha256
    assert (again.train_flops, again.train_seconds) == (made.train_flops, made.train_seconds)
    assert written() == files
    rows = first.teacher_encoder(first.data.dev[0].texts)
    assert predict(again.model, rows, 0).equal(predict(made.model, rows, 0))
    assert not any(weight.requires_grad for weight in again.model.parameters())
    assert not again.model.training


def test_a_teacher_does_not_depend_on_where_things_lie(assets, tiny_checkpoint, tmp_path, monkeypatch):
    made = assets().teacher.checkpoint
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "elsewhere"))
    other = Path(shutil.copytree(tiny_checkpoint, tmp_path / "another-place"))
    again = assets(teacher=other).teacher.checkpoint
    assert again.path.parent.parent == tmp_path / "elsewhere"
    assert again.sha256 == made.sha256


def test_other_data_or_settings_make_another_teacher(assets):
    others = ({}, {"train": 63}, {"updates": 2}, {"max_length": 16})
    places = [assets(**{"updates": 1, **other}).teacher.checkpoint.path for other in others]
    assert len(set(places)) == len(others)


def test_a_given_teacher_is_used_as_it_is(assets, accurate, cache):
    made = assets(train=128, dev=60, teacher=accurate)
    assert (made.teacher.given, made.teacher.label_map_checked, made.teacher.order) == (True, True, None)
    assert accuracy(made.teacher, made) == 1.0
    made.warn_of_weak_teacher()
    assert made.sink.texts("warning") == []
    assert not (cache / "teachers").exists()


@pytest.mark.parametrize("names", [("good", "bad"), ("Good", "BAD")])
def test_columns_are_mapped_by_label_name(assets, accurate, variant, names):
    """Its first column is "good", which the task has as class 1."""
    folder = variant(names, columns=[1, 0])
    made = assets(train=128, dev=60, teacher=folder)
    assert made.teacher.order == (1, 0)
    assert accuracy(made.teacher, made) == 1.0
    straight = assets(train=128, dev=60, teacher=accurate)
    assert made.teacher_dev_logits[0].equal(straight.teacher_dev_logits[0])
    assert made.train.teacher_logits.equal(straight.train.teacher_logits)
    assert not any(weight.requires_grad for weight in made.teacher.model.parameters())


def test_a_permuted_head_without_names_is_stopped_by_the_gate(assets, variant):
    folder = variant(("LABEL_0", "LABEL_1"), columns=[1, 0])
    with pytest.raises(CheckpointError, match=r"'given'.*100\.0 points.*bad as good, good as bad"):
        _ = assets(train=128, dev=60, teacher=folder).teacher


def test_a_permuted_head_with_the_names_of_the_task_is_told(assets, variant):
    made = assets(train=128, dev=60, teacher=variant(("bad", "good"), columns=[1, 0]))
    assert accuracy(made.teacher, made) == 0.0
    (warning,) = made.sink.texts("warning")
    assert "'given'" in warning
    assert "'toy-single'" in warning


@pytest.mark.parametrize("names", [("LABEL_0", "LABEL_1"), ("0", "1")])
def test_names_that_say_nothing_are_taken_in_order(assets, variant, names):
    made = assets(train=128, dev=60, teacher=variant(names))
    assert made.teacher.order is None
    assert accuracy(made.teacher, made) == 1.0


def test_a_task_may_opt_out_of_the_gate(variant):
    task = replace(toy_task(), label_gate=False)
    teacher = load_given_teacher(describe(variant(("LABEL_0", "LABEL_1"), [1, 0]), id="x"), task, CPU)
    assert check_labels(task, teacher, [torch.eye(2)], [examples([1, 0])]) is None


def test_names_of_another_task_are_refused(assets, variant):
    with pytest.raises(CheckpointError, match=r"'given' \(yes, no\).*\(bad, good\)"):
        _ = assets(teacher=variant(("yes", "no"))).teacher


def saved_head(tiny, folder, outputs, labels, seed=0, **config):
    """A folder with a classifier of an untrained head."""
    model = load_classifier(ModelSource(describe(tiny, id="tiny")), outputs, labels, seed)
    model.config.update(config)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny / name, folder)
    return folder


@pytest.mark.parametrize(("kind", "outputs"), [("regression", 2), ("single", 1), ("single", 3)])
def test_a_wrong_number_of_outputs_is_refused(tiny_checkpoint, tmp_path, kind, outputs):
    labels = tuple(f"l{index}" for index in range(outputs)) if outputs > 1 else ()
    wide, task = saved_head(tiny_checkpoint, tmp_path / "wide", outputs, labels), toy_task(kind)
    with pytest.raises(CheckpointError, match=f"'wide' has {outputs} outputs.*{task.outputs}"):
        load_given_teacher(describe(wide, id="wide"), task, CPU)


def test_a_given_regression_teacher_passes(tiny_checkpoint, tmp_path, assets):
    made = assets("regression", teacher=saved_head(tiny_checkpoint, tmp_path / "scores", 1, ()))
    assert (made.teacher.given, made.teacher.label_map_checked) == (True, False)
    assert made.teacher_dev_logits[0].shape == (40, 1)


def examples(labels):
    uids = tuple(f"u{row}" for row in range(len(labels)))
    return Examples("dev", uids, tuple(("x",) for _ in labels), tuple(labels), len(labels))


def test_clean_logits_are_the_teachers_on_every_row_and_are_cached(assets, cache, monkeypatch):
    made = assets()
    logits = made.train.teacher_logits
    rows = made.teacher_encoder(made.data.train.texts)
    assert logits.equal(predict(made.teacher.model, rows, 0))
    assert logits.dtype == torch.float32
    assert len(list((cache / "logits").glob("*/logits.safetensors"))) == 1
    monkeypatch.setattr(teachers, "predict", lambda *args: pytest.fail("computed again"))
    assert assets().train.teacher_logits.equal(logits)


def test_the_teachers_own_tokenizer_makes_its_logits(assets, other_vocabulary):
    made = assets(teacher=other_vocabulary)
    assert not made.one_vocabulary
    own = Encoder(describe(other_vocabulary, id="x"), 32)
    assert made.train.teacher_logits.equal(predict(made.teacher.model, own(made.data.train.texts), 0))
    assert made.train.encoded == made.student_encoder(made.data.train.texts)
    assert made.train.encoded != own(made.data.train.texts)


def test_the_keys_and_facts_of_what_is_cached_are_pinned(assets, cache):
    """Another key makes every user fine-tune their teachers again: it must come with a new ENGINE."""
    made = assets()
    teacher = FineTunedTeacher(made.data, replace(made.recipe, teacher=fixed(made.recipe.teacher)))
    assert list(teacher.facts) == [
        "engine",
        "base",
        "settings",
        "task",
        "data",
        "max_length",
        "precision",
        "device",
    ]
    assert teacher.key == "toy-single-9b812fc74950b380"
    described = Teacher(None, fixed(made.recipe.teacher), given=False)
    rows = {"examples": made.data.train, "read": list}
    logits = CleanLogits(made.data, made.recipe, teacher=described, **rows)
    assert logits.key == "81d9f1c30965cd48"


def test_on_a_gpu_the_precision_is_part_of_the_logits_key(assets, cache):
    made = assets()
    described = Teacher(None, fixed(made.recipe.teacher), given=False)

    def key(device, precision):
        recipe = replace(made.recipe, device=device, precision=precision)
        return CleanLogits(made.data, recipe, teacher=described, examples=made.data.train, read=list).key

    assert key(CPU, "bf16") == key(CPU, "float32")
    assert len({key(CPU, "float32"), key(GPU, "float32"), key(GPU, "bf16")}) == 3


def test_on_a_gpu_the_teacher_answers_in_the_runs_precision_and_in_large_passes(
    tiny_checkpoint, tmp_path, assets
):
    folder = saved_head(tiny_checkpoint, tmp_path / "head", 2, ("bad", "good"))
    plain = load_given_teacher(describe(folder, id="x"), toy_task(), CPU)
    made = assets(train=80, teacher=folder, device=GPU, precision="bf16")
    with FakeGPU():
        [logits] = made.teacher_dev_logits
    rows, passes = made.teacher_encoder(made.data.dev[0].texts), []
    assert logits.equal(predict(plain.model, rows, 0, precision="bf16"))
    assert made.teacher.model.bert.encoder.layer[0].attention.self.query.weight.dtype == torch.bfloat16
    made.teacher.model.register_forward_pre_hook(lambda *inputs: passes.append(1))
    with FakeGPU():
        _ = made.train
    assert len(passes) == 1  # on a CPU 80 rows take two


def fixed(checkpoint):
    """The checkpoint as if its files were always the same."""
    return replace(checkpoint, sha256="0" * 64)


def test_rows_without_a_label_neither_change_nor_train_the_teacher(recipe, cache):
    """The teacher of half of the rows, whether the others are there without a label or not at all."""
    data = toy_data("single", 32)
    known = range(0, 32, 2)
    half = take(data.train, list(known))
    labels = tuple(label if row in known else None for row, label in enumerate(data.train.labels))

    def teacher(rows):
        digests = {**data.digests, "train": split_digest(rows)}
        return FineTunedTeacher(replace(data, train=rows, digests=digests), recipe(updates=3))

    with_others, without = teacher(replace(data.train, labels=labels)), teacher(half)
    assert with_others.key == without.key
    session, reference = with_others.session(), without.session()
    assert session.parts.corpus.uids == list(half.uids)
    assert session.parts.corpus.labels.equal(reference.parts.corpus.labels)
    assert list(session.losses()) == list(reference.losses())

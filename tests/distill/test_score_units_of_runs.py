"""A regression's run does not depend on the units of its scores, and gives everything in those units."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from matekd_bench.distill.artifacts.kept_student import KeptStudent, StudentCard, save_student
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier, weights_digest
from matekd_bench.distill.models.score_units import change_units, task_units
from matekd_bench.distill.settings import Optimizer, Training
from matekd_bench.distill.student_run import Job, initial_student, student_session, train
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.files.hashing import digest
from matekd_bench.plugins.host import Host
from rig import toy_data

KD = Host.load(only_builtin=True).method("kd").record
JOB = Job(
    "kd", KD, KD.params(), 3, Training(optimizer=Optimizer(lr=1e-3, batch_size=16), evaluations=2, max_length=32),
    ("student_updates", 6),
)  # fmt: skip


@pytest.fixture
def scaled(recipe, cache):
    """Assets of the toy regression with all scores times a factor; teachers of four updates."""

    def make(factor: float = 1.0, **parts) -> TaskAssets:
        data = toy_data("regression")

        def times(rows):
            return replace(rows, labels=tuple(factor * score for score in rows.labels))

        parts_of_data = [times(data.train), times(data.dev[0])]
        digests = {rows.split: digest([rows.uids, rows.texts, rows.labels]) for rows in parts_of_data}
        scaled_data = replace(data, train=parts_of_data[0], dev=(parts_of_data[1],), digests=digests)
        return TaskAssets(scaled_data, recipe(updates=4, **parts))

    return make


def logits_of(assets):
    return [evaluation.logits["dev"] for evaluation in train(JOB, assets).evaluations]


def test_a_power_of_two_changes_no_bit(scaled):
    first, other = scaled(), scaled(4.0)
    assert all(a.equal(b / 4) for a, b in zip(logits_of(first), logits_of(other), strict=True))
    assert first.teacher_dev_logits[0].equal(other.teacher_dev_logits[0] / 4)
    assert first.train.labels.equal(other.train.labels)
    assert first.train.teacher_logits.equal(other.train.teacher_logits)


@pytest.mark.parametrize("factor", [20.0, 1000.0])
def test_any_factor_changes_rounding_only(scaled, factor):
    first, other = train(JOB, scaled()), train(JOB, scaled(factor))
    assert [one.score for one in other.evaluations] == pytest.approx(
        [one.score for one in first.evaluations], abs=2e-3
    )
    answers = first.evaluations[-1].logits["dev"]
    assert torch.allclose(other.evaluations[-1].logits["dev"] / factor, answers, rtol=0, atol=1e-4)


def test_everything_outside_of_training_is_in_the_units_of_the_task(scaled):
    assets = scaled(1000.0)
    scores = np.array(assets.data.train.labels)
    assert assets.train.labels.double().mean() == pytest.approx(0.0, abs=1e-6)
    assert assets.train.labels.double().std(correction=0) == pytest.approx(1.0, abs=1e-6)
    (on_dev,) = assets.teacher_dev_logits
    assert abs(float(on_dev.mean()) - scores.mean()) < scores.std()
    for logits in logits_of(assets):
        assert abs(float(logits.mean()) - scores.mean()) < scores.std()


def test_soft_targets_are_standardized(scaled):
    """The cached ones and those of a pass; dropout is off in the teacher."""
    assets = scaled(20.0)
    encoder = assets.teacher_encoder
    raw = predict(assets.teacher.model, encoder(assets.data.train.texts), encoder.tokens.pad)
    mean, sd = np.mean(assets.data.train.labels), np.std(assets.data.train.labels)
    expected = torch.from_numpy((raw.double().numpy() - mean) / sd).float()
    assert torch.allclose(assets.train.teacher_logits, expected, rtol=0, atol=1e-5)
    with contained_randomness(torch.device("cpu")):
        session = student_session(JOB, assets, initial_student(JOB, assets))
    batch = session.batch([4, 7, 9])
    passed = session.models.teacher_logits(batch.clean)
    assert torch.allclose(passed, expected[[4, 7, 9]], rtol=0, atol=1e-5)


def test_a_kept_student_gives_the_scored_answers(scaled, tmp_path):
    """Bit by bit, and so does plain transformers. An offset in the card is added by the suite alone."""
    from transformers import AutoModelForSequenceClassification

    assets = scaled(1000.0)
    outcome = train(JOB, assets)
    scored = outcome.evaluations[-1].logits["dev"]
    for folder, further in ((tmp_path / "kept", 0.0), (tmp_path / "offset", 500.0)):
        folder.mkdir()
        with task_units(outcome.student, assets.units) as offset:
            assert offset == 0.0
            card = StudentCard("r1", "toy", (), 32, "float32", 64, weights_digest(outcome.student), further)
            save_student(folder, outcome.student, assets.student_encoder, card)
        kept = KeptStudent(folder, "r1", torch.device("cpu"))
        assert kept.logits(assets.data.dev[0].texts).equal(scored + further)
        plain = AutoModelForSequenceClassification.from_pretrained(folder)
        assert predict(plain, assets.dev[0], assets.student_encoder.tokens.pad).equal(scored)


def test_a_student_that_has_a_head_starts_from_its_answers(scaled, tiny_checkpoint, tmp_path):
    folder = tmp_path / "scorer"
    model = load_classifier(ModelSource(describe(tiny_checkpoint, id="tiny")), 1, (), 5)
    assets = scaled(20.0)
    change_units(model, assets.units)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_checkpoint / name, folder)
    assets = scaled(20.0, student=ModelSource(describe(folder, id="scorer")))
    rows, pad = assets.dev[0], assets.student_encoder.tokens.pad
    student = initial_student(JOB, assets)
    with task_units(student, assets.units):
        answers = predict(student, rows, pad)
    assert torch.allclose(answers, predict(model, rows, pad), rtol=0, atol=1e-3)
    assert predict(student, rows, pad).abs().mean() < 1

"""Runs whose teacher answered beforehand: they learn from its file what they would have learned from the teacher."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from matekd_bench import NoParams, TextPerturbation
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.settings import Optimizer, Training
from matekd_bench.distill.student_run import Job, initial_student, student_session, train
from matekd_bench.errors import CheckpointError, DataError, PluginError
from matekd_bench.methods.perturbation import method_of
from matekd_bench.plugins.host import Host
from matekd_bench.tasks.teacher_answers import read_teacher_answers

HOST = Host.load(only_builtin=True)


class Louder(TextPerturbation[NoParams]):
    """A new text, to which a file has the answers."""

    name, version = "louder", "1"

    def perturb(self, text, rng):
        return f"{text} movie"


def job(method=None):
    record = HOST.method("kd").record if method is None else method_of(method)
    training = Training(optimizer=Optimizer(lr=1e-3, batch_size=16), evaluations=2, max_length=32)
    return Job(record.name, record, record.params(), 3, training, ("student_updates", 4))


@pytest.fixture
def answered(assets, tmp_path):
    """Makes the assets of a teacher, and those of its answers in a file to the rows and to some texts."""

    def make(kind="single", *, dev=True, texts=(), **parts):
        taught = assets(kind)
        labels, fields = taught.task.labels, taught.task.fields
        file = tmp_path / "a.jsonl"

        def answer(logits):
            return {"logits": dict(zip(labels, logits, strict=True))} if labels else {"answer": logits[0]}

        def lines():
            logits = taught._train_artifact(taught.teacher, list).get()  # in the task's units
            yield from zip(({"id": uid} for uid in taught.data.train.uids), logits.tolist(), strict=True)
            if dev:
                uids = taught.data.dev[0].uids
                yield from zip(
                    ({"id": uid} for uid in uids), taught.teacher_dev_logits[0].tolist(), strict=True
                )
            yield from ((dict(zip(fields, row, strict=True)), logits) for row, logits in texts)

        _ = taught.train
        file.write_text("".join(json.dumps({**key, **answer(logits)}) + "\n" for key, logits in lines()))
        return taught, assets(kind, teacher=read_teacher_answers(file), **parts)

    return make


@pytest.mark.parametrize("kind", ["single", "pairs", "regression"])
def test_the_file_gives_what_the_teacher_gave(kind, answered):
    taught, told = answered(kind)
    assert told.train.teacher_logits.equal(taught.train.teacher_logits)
    assert told.teacher_scores == taught.teacher_scores
    assert told.cached_folders(generator=False) == []


def test_students_are_the_same_to_the_last_bit(answered):
    taught, told = answered()
    outcomes = [train(job(), assets) for assets in (taught, told)]
    first, second = (outcome.evaluations[-1].logits["dev"] for outcome in outcomes)
    assert first.equal(second)
    assert outcomes[0].meter.flops == outcomes[1].meter.flops
    assert outcomes[1].evaluations[0].train_loss > 0


def test_without_answers_to_dev_there_is_no_score(answered):
    _, told = answered(dev=False)
    assert told.teacher_scores == []
    told.warn_of_weak_teacher()
    assert told.sink.texts("warning") == []


def test_the_students_tokenizer_is_the_only_one(answered, other_vocabulary):
    _, told = answered(student=ModelSource(describe(other_vocabulary, id="other")))
    assert told.one_vocabulary
    assert told.teacher_encoder.tokens == told.student_encoder.tokens
    assert told.student_encoder.tokens != answered()[1].student_encoder.tokens


def test_answers_to_perturbed_texts_are_found_by_the_texts(answered):
    rows = answered()[0].data.train
    texts = [((f"{text} movie",), [0.0, float(at)]) for at, (text,) in enumerate(rows.texts)]
    _, told = answered(texts=texts)
    outcome = train(job(Louder), told)
    assert outcome.spent.perturbed_examples == 4 * 16
    assert "teacher" not in outcome.meter.forwards()
    with contained_randomness(told.recipe.device):
        session = student_session(job(Louder), told, initial_student(job(Louder), told))
        batch = session.batch([5, 2])
        _, view = list(session.method.views(batch, session.models))
    assert view.teacher.tolist() == [[0, 5], [0, 2]]


def test_scores_of_perturbed_texts_are_standardized(answered):
    _, told = answered("regression", texts=[(("a", "b"), [3.0])])
    assert told.answer_to(("a", "b")).equal(told.units.standardize(torch.tensor([3.0])))


def test_other_input_has_no_answer(answered):
    _, told = answered()
    with pytest.raises(DataError, match="movie"):
        train(job(Louder), told)
    with contained_randomness(told.recipe.device):
        session = student_session(job(), told, initial_student(job(), told))
        with pytest.raises(PluginError, match="--teacher"):
            session.models.teacher_logits(session.batch([0]).clean)


def test_there_is_no_checkpoint_to_start_from(answered):
    _, told = answered()
    for ask in (lambda: told.teacher.checkpoint, lambda: told.recipe.teacher_checkpoint):
        with pytest.raises(CheckpointError, match=r"a\.jsonl"):
            ask()
    started = replace(told.recipe, student=replace(told.recipe.student, from_teacher=True))
    told.recipe = started
    with pytest.raises(CheckpointError, match=r"a\.jsonl"):
        initial_student(job(), told)

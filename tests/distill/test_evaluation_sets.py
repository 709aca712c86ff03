"""Further sets: whose classes mean what, rows perturbed once for all, and the scores of student and teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from matekd_bench import Method, NoParams, TextPerturbation
from matekd_bench.distill.evaluation_sets import EvaluationSet, SetEvaluator, perturbed_data
from matekd_bench.distill.settings import Optimizer, Training
from matekd_bench.distill.student_run import Job, initial_student
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.errors import PluginError
from matekd_bench.plugins.host import Host
from matekd_bench.tasks.metrics import score_split
from matekd_bench.tasks.task import TaskData
from rig import Given, kd, toy_data

HOST = Host.load(only_builtin=True)
TRAINING = Training(optimizer=Optimizer(lr=1e-3, batch_size=16), max_length=32)


def job(method: str | Callable[..., Any], seed: int = 0) -> Job:
    record = (
        HOST.method(method).record
        if isinstance(method, str)
        else Method(name="tested", summary="", factory=method, level="text", version="1")
    )
    return Job(record.name, record, record.params(), seed, TRAINING, ("student_updates", 1))


def further(
    data: TaskData, classes: tuple[int, ...] = (0, 1), perturbation: Job | None = None
) -> EvaluationSet:
    return EvaluationSet("toy/more", ("more",), replace(data, train=None), classes, perturbation)


def test_of_classes_that_mean_one_label_the_most_likely_counts() -> None:
    logits = torch.tensor([[1.0, 0.5, 2.0], [3.0, 0.5, 2.0], [0.0, 0.4, 0.3]])
    answers = further(toy_data(), (0, 1, 1)).in_classes_of_set(logits)
    assert answers.tolist() == torch.tensor([[1.0, 2.0], [3.0, 2.0], [0.0, 0.4]]).tolist()
    assert answers.argmax(1).tolist() == [(0, 1, 1)[best] for best in logits.argmax(1).tolist()]
    swapped = further(toy_data(), (1, 0)).in_classes_of_set(logits[:, :2])
    assert torch.equal(swapped, logits[:, [1, 0]])
    assert torch.equal(further(toy_data("regression"), ()).in_classes_of_set(logits[:, :1]), logits[:, :1])


@pytest.mark.parametrize("kind", ["single", "pairs", "regression"])
def test_student_and_teacher_are_scored_on_the_rows(assets: Callable[..., Any], kind: str) -> None:
    shared = assets(kind)
    student = initial_student(job("kd"), shared)
    classes = () if kind == "regression" else (0, 1)
    [answers] = SetEvaluator([further(shared.data, classes)], shared, shared.sink).answers(student, 16)
    split = shared.data.dev[0]
    assert answers.teacher == tuple(shared.teacher_scores)
    if kind != "regression":
        rows = shared.student_encoder(split.texts)
        logits = predict(student, rows, shared.student_encoder.tokens.pad, batch_size=16)
        assert torch.equal(answers.logits["dev"], logits)
        assert answers.scores == (score_split(shared.task, split.gold, logits.numpy(), "dev"),)
    else:  # scores in the task's units, which the labels have
        assert answers.logits["dev"].shape == (len(split), 1)


def test_a_student_without_usable_answers_has_no_scores_and_the_teacher_has(
    assets: Callable[..., Any],
) -> None:
    shared = assets()
    [answers] = SetEvaluator([further(shared.data)], shared).answers(None, 16)
    assert (answers.logits, answers.scores) == ({}, ())
    assert answers.teacher == tuple(shared.teacher_scores)


@pytest.mark.parametrize("method", ["aeda", "nlpaug:keyboard", "tinybert-aug"])
def test_rows_are_perturbed_alike_every_time_and_keep_ids_and_labels(
    assets: Callable[..., Any], method: str
) -> None:
    shared = assets("pairs", dev=8)
    first = perturbed_data(shared.data, job(method), shared)
    [clean], [dev] = shared.data.dev, first.dev
    assert (dev.uids, dev.labels, first.train) == (clean.uids, clean.labels, None)
    assert sum(a != b for a, b in zip(dev.texts, clean.texts, strict=True)) > 4
    assert first.digests != {"dev": shared.data.digests["dev"]}
    state = torch.get_rng_state()
    assert perturbed_data(shared.data, job(method), shared) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_are_perturbed_once_for_all_students(assets: Callable[..., Any]) -> None:
    made: list[int] = []

    class Counted(TextPerturbation[NoParams]):
        def prepare(self, texts: Any) -> None:
            made.append(len(texts))

        def perturb(self, text: str, rng: Any) -> str:
            return f"{text} film"

    shared = assets("pairs", dev=8)
    asked = further(shared.data, perturbation=job(Counted))
    evaluator = SetEvaluator([asked], shared)
    evaluator.prepare()
    answers = [evaluator.answers(initial_student(job("kd", seed), shared), 16)[0] for seed in (0, 1)]
    assert made == [16]  # both segments of eight rows, once
    assert {row for given in answers for split in given.data.dev for row in split.texts} == {
        (f"{one} film", f"{two} film") for one, two in shared.data.dev[0].texts
    }
    assert not torch.equal(*(given.logits["dev"] for given in answers))


def test_a_method_that_fails_or_rewrites_no_text_is_named(assets: Callable[..., Any]) -> None:
    class Failing(TextPerturbation[NoParams]):
        def perturb(self, text: str, rng: Any) -> str:
            raise ValueError("no such word")

    shared = assets(dev=4)
    with pytest.raises(PluginError, match=r"'tested'.*no such word"):
        perturbed_data(shared.data, job(Failing), shared)
    with pytest.raises(PluginError, match=r"'tested'.*text"):
        perturbed_data(shared.data, job(lambda params, context: Given(context, kd)), shared)

"""One run from initial weights to the last evaluation."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from matekd_bench import Method, NoParams, TextPerturbation
from matekd_bench.distill import student_run
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.data.order import DataOrder
from matekd_bench.distill.models.networks import load_classifier, parameter_count, weights_digest
from matekd_bench.distill.settings import Optimizer, Training
from matekd_bench.distill.student_run import Job, train
from matekd_bench.distill.training import session, trainer
from matekd_bench.distill.training.frozen_weights import hold_in_precision
from matekd_bench.distill.training.optimizer import FiniteChecks
from matekd_bench.distill.training.trainer import Trainer
from matekd_bench.events import Evaluated, Message, Progress
from matekd_bench.plugins.host import Host
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import score_split
from matekd_bench.tasks.sources.example_ids import split_digest
from rig import Given, Kept, kd, toy_data

HOST = Host.load(only_builtin=True)
LABELS = ("bad", "good")


def job(name_or_factory, *, budget=("student_updates", 6), evaluations=3, seed=3, **optimizer):
    """A job for a registered method, or for one whose factory a test brings."""
    if isinstance(name_or_factory, str):
        method = HOST.method(name_or_factory).record
    else:
        method = Method(name="tested", summary="", factory=name_or_factory, level="none", version="1")
    training = Training(
        optimizer=Optimizer(**{"lr": 1e-3, "batch_size": 16, **optimizer}),
        evaluations=evaluations,
        max_length=32,
    )
    return Job(method.name, method, method.params(), seed, training, budget)


def given(views):
    return lambda params, context: Given(context, views)


@pytest.fixture(scope="module")
def shared(recipe):
    """Assets on toy text with a teacher of two updates, all made before the first run."""
    made = TaskAssets(toy_data(), recipe())
    assert len(made.train) == 64
    assert made.generator.accuracy >= 0
    return made


def test_a_run_evaluates_at_equal_intervals_and_keeps_every_prediction(shared):
    sink = Kept()
    outcome = train(job("kd"), shared, sink)
    assert outcome.status in ("ok", "collapsed")
    assert [(one.number, one.update) for one in outcome.evaluations] == [(1, 2), (2, 4), (3, 6)]
    for evaluation in outcome.evaluations:
        assert evaluation.logits["dev"].shape == (40, 2)
        scored = score_split(shared.task, shared.data.dev[0].labels, evaluation.logits["dev"].numpy())
        assert (evaluation.splits["dev"], evaluation.score) == (scored, scored.score)
    losses = {event.done: event.loss for event in sink.of(Progress)}
    assert sink.of(Evaluated) == [
        Evaluated(
            number=one.number, total=3, score=one.score, spent=one.update, limit=6, loss=losses[one.update]
        )
        for one in outcome.evaluations
    ]
    assert [(event.done, event.limit) for event in sink.of(Progress)] == [(done, 6) for done in range(1, 7)]
    first, *others, last = [event.seconds_left for event in sink.of(Progress)]
    assert first is None  # it does not count: it is slower than the others
    assert all(seconds > 0 for seconds in others)
    assert last == 0.0
    assert [point["update"] for point in outcome.history] == [1, 2, 3, 4, 5, 6]
    losses = [point["loss"] for point in outcome.history]
    assert outcome.evaluations[1].train_loss == pytest.approx((losses[2] + losses[3]) / 2)


def test_the_history_has_equal_parts_of_any_budget(shared, monkeypatch):
    monkeypatch.setattr(student_run, "HISTORY_POINTS", 3)
    flops = train(job("kd"), shared).meter.flops
    budgets = (("student_updates", 6), ("clean_examples", 96), ("train_flops", flops))
    outcomes = [train(job("kd", budget=budget), shared) for budget in budgets]
    updates = [[point["update"] for point in outcome.history] for outcome in outcomes]
    assert updates[:2] == [[2, 4, 6]] * 2
    assert (len(updates[2]), updates[2][-1]) == (
        3,
        6,
    )  # updates differ in length, so in their share of the budget
    assert outcomes[0].history == outcomes[1].history


def test_what_a_run_spent_is_counted(shared):
    outcome = train(job("kd"), shared)
    spent = outcome.spent
    assert outcome.spent_budget == spent.student_updates == 6
    assert (spent.clean_examples, spent.perturbed_examples) == (6 * 16, 0)
    # the teacher's clean logits are cached
    assert (outcome.meter.forwards(), outcome.meter.backwards()) == ({"student": 6}, {"student": 6})
    assert min(outcome.meter.flops, outcome.train_seconds, outcome.eval_seconds) > 0
    assert outcome.student_parameters == parameter_count(load_classifier(shared.recipe.student, 2, LABELS, 0))
    assert outcome.diagnostics.keys() == {"divergence_clean"}


@pytest.mark.parametrize(
    ("name", "student", "teacher", "perturbed"),
    [("finetune", 6, 0, 0), ("random-mask", 12, 6, 96), ("eda", 12, 6, 96)],
)
def test_the_passes_of_each_method(shared, name, student, teacher, perturbed):
    outcome = train(job(name), shared)
    assert outcome.meter.forwards() == {"student": student, **({"teacher": teacher} if teacher else {})}
    assert outcome.meter.backwards() == {"student": student}
    assert outcome.spent.perturbed_examples == perturbed


def test_the_passes_of_matekd(shared):
    """Ten auxiliary updates before the six of the student: a pass of all three networks each, backward through all."""
    sink = Kept()
    outcome = train(job("matekd"), shared, sink)
    assert outcome.spent.auxiliary_updates == 10
    reports = [event for event in sink.of(Progress) if event.auxiliary_limit]
    assert [(one.auxiliary_done, one.auxiliary_limit) for one in reports] == [(n, 10) for n in range(1, 11)]
    assert outcome.meter.forwards() == {"generator": 10 + 6, "student": 10 + 2 * 6, "teacher": 10 + 6}
    assert outcome.meter.backwards() == {"generator": 10, "student": 10 + 2 * 6, "teacher": 10}
    assert outcome.perturber_parameters == outcome.perturber_trainable > 0
    assert 0 < outcome.diagnostics["generator_moved"] < 0.01
    assert 0 < outcome.diagnostics["tokens_changed"] < 0.35


def uids_seen(name, shared, monkeypatch):
    """The batches of a run by phase, as ids, and the digest of its initial student."""
    seen, original = {"student": [], "own": []}, Trainer.update

    def watched(self, batch):
        seen[batch.phase].append(tuple(batch.uids))
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", watched)
        outcome = train(job(name), shared)
    return seen["student"], seen["own"], outcome.student_sha256


def test_initial_student_and_batches_are_the_same_under_every_method(shared, monkeypatch):
    batches, own, student = uids_seen("kd", shared, monkeypatch)
    order = iter(DataOrder(shared.train.lengths, 16, 3, "toy-single", "data-order"))
    assert batches == [tuple(shared.train.uids[row] for row in next(order)[1]) for _ in range(6)]
    assert own == []
    for name in ("finetune", "random-mask", "eda"):
        assert uids_seen(name, shared, monkeypatch) == (batches, [], student)
    same, own, its = uids_seen("matekd", shared, monkeypatch)
    assert (same, its) == (batches, student)
    assert len(own) == 10
    assert own[:6] != batches  # from a stream of its own


@pytest.mark.parametrize("name", ["eda", "matekd"])
def test_a_run_repeated_is_bit_identical(shared, name):
    torch.manual_seed(1)
    one = train(job(name), shared)
    torch.manual_seed(2)
    random.seed(2)
    state = torch.random.get_rng_state()
    other = train(job(name), shared)
    assert torch.random.get_rng_state().equal(state)
    assert one.history == other.history
    assert one.diagnostics == other.diagnostics
    for first, second in zip(one.evaluations, other.evaluations, strict=True):
        assert first.logits["dev"].equal(second.logits["dev"])


@pytest.mark.parametrize(
    ("budget", "updates", "evaluations"),
    [
        (("clean_examples", 70), 5, [2, 3, 5]),
        (("student_updates", 2), 2, [1, 2]),
        (("student_updates", 1), 1, [1]),
    ],
)
def test_evaluations_fit_any_budget(shared, budget, updates, evaluations):
    outcome = train(job("kd", budget=budget), shared)
    assert outcome.spent.student_updates == updates
    assert [evaluation.update for evaluation in outcome.evaluations] == evaluations


def test_a_budget_of_flops_ends_with_a_look(shared):
    limit = train(job("kd", evaluations=1), shared).meter.flops
    outcome = train(job("random-mask", budget=("train_flops", limit)), shared)
    assert outcome.spent.student_updates < 6
    assert outcome.spent_budget >= limit
    assert outcome.evaluations[-1].update == outcome.spent.student_updates


def test_every_dev_split_is_looked_at_under_its_own_name(shared):
    matched = shared.data.dev[0]
    other = replace(matched, split="dev-mismatched", texts=matched.texts[::-1], labels=matched.labels[::-1])
    dev = (replace(matched, split="dev-matched"), other)
    digests = {**shared.data.digests, **{split.split: split_digest(split) for split in dev}}
    data = replace(shared.data, dev=dev, digests=digests)
    twofold = TaskAssets(data, shared.recipe)
    (evaluation,) = train(job("kd", evaluations=1), twofold).evaluations
    assert set(evaluation.logits) == {"dev-matched", "dev-mismatched"}
    assert {name: split.split for name, split in evaluation.splits.items()} == {
        name: name for name in evaluation.logits
    }
    assert evaluation.logits["dev-mismatched"].allclose(evaluation.logits["dev-matched"].flip(0), atol=1e-5)
    assert evaluation.score == pytest.approx(evaluation.splits["dev-matched"].score)


@pytest.fixture
def late_checks(monkeypatch):
    """Losses and gradients are looked at one update later, as on a GPU."""
    monkeypatch.setattr(trainer, "FiniteChecks", lambda *, late: FiniteChecks(late=True))


@pytest.mark.parametrize("method", ["kd", "matekd"])
def test_late_checks_move_no_number(shared, method, late_checks):
    sink = Kept()
    late = train(job(method), shared, sink)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "FiniteChecks", FiniteChecks)
        at_once = train(job(method), shared)
    assert late.history == at_once.history
    assert late.spent == at_once.spent
    for one, other in zip(late.evaluations, at_once.evaluations, strict=True):
        assert one.logits["dev"].equal(other.logits["dev"])
    reported = [event.loss for event in sink.of(Progress) if not event.auxiliary_limit]
    # each update reports the loss of the one before, or after an evaluation no newer one
    assert reported[0] is None
    assert set(reported[1:]) <= {point["loss"] for point in at_once.history}
    assert [event.loss for event in sink.of(Evaluated)] == [point["loss"] for point in at_once.history[1::2]]


def test_late_checks_name_the_update_and_let_nothing_into_the_weights(shared, late_checks):
    def exploding(batch, models):
        yield batch.clean if batch.update < 4 else replace(batch.clean, soft=math.nan)

    outcome = train(job(given(exploding)), shared)
    assert (outcome.status, "nan at update 5" in outcome.reason) == ("diverged", True)
    assert f"{outcome.history[-1]['loss']:.4g}" in outcome.reason
    assert [evaluation.update for evaluation in outcome.evaluations] == [2, 4]
    assert outcome.spent.student_updates == 5  # noticed in the sixth
    assert all(bool(weight.isfinite().all()) for weight in outcome.student.parameters())


def test_a_frozen_generator_is_held_in_the_precision_of_the_run(recipe, monkeypatch):
    made = TaskAssets(toy_data(), recipe(precision="bf16"))
    held = []

    def hold(network, precision):
        hold_in_precision(network, precision)
        held.append({module.weight.dtype for module in network.modules() if type(module) is nn.Linear})

    def outcome(hold):
        monkeypatch.setattr(session, "hold_in_precision", hold)
        return train(job("frozen-generator", budget=("student_updates", 2), evaluations=1), made)

    as_it_was, now = outcome(lambda *_: None), outcome(hold)
    assert held == [{torch.bfloat16, torch.float32}]  # the vocabulary's matrix is tied to the embeddings
    assert now.evaluations[0].logits["dev"].equal(as_it_was.evaluations[0].logits["dev"])
    assert now.history == as_it_was.history


def test_a_loss_that_is_no_number_ends_the_run_as_diverged(shared):
    def exploding(batch, models):
        yield batch.clean if batch.update < 4 else replace(batch.clean, soft=math.nan)

    outcome = train(job(given(exploding)), shared)
    assert outcome.status == "diverged"
    assert "nan at update 5" in outcome.reason
    assert f"{outcome.history[-1]['loss']:.4g}" in outcome.reason
    assert [evaluation.update for evaluation in outcome.evaluations] == [2, 4]
    assert outcome.spent.student_updates == 4
    assert outcome.train_seconds > 0
    assert all(bool(weight.isfinite().all()) for weight in outcome.student.parameters())
    assert all(math.isfinite(value) for value in outcome.diagnostics.values())
    assert all(math.isfinite(point["loss"]) for point in outcome.history)


def test_a_teacher_that_says_nan_leaves_no_nan_in_the_diagnostics(shared):
    def poisoned(batch, models):
        yield replace(batch.clean, teacher=batch.teacher_logits * math.nan)

    outcome = train(job(given(poisoned)), shared)
    assert outcome.status == "diverged"
    assert all(math.isfinite(value) for value in outcome.diagnostics.values())


def test_one_class_for_every_example_is_flagged_as_collapsed(shared):
    def always_bad(batch, models):
        yield replace(batch.clean, labels=torch.zeros_like(batch.labels), teacher=None)

    outcome = train(job(given(always_bad), lr=5e-3, budget=("student_updates", 20), evaluations=1), shared)
    assert outcome.status == "collapsed"
    assert outcome.evaluations[-1].logits["dev"].argmax(-1).sum() == 0
    assert "the same value" in outcome.reason


@pytest.mark.parametrize(
    ("budget", "rows"),
    [
        (("student_updates", 2), 32),
        (("clean_examples", 9), 16),
        (("student_updates", 20), 64),
        (("train_flops", 10**6), 64),  # how many updates these are is not known before
    ],
)
def test_text_methods_see_what_they_will_perturb_once_before_they_do(budget, rows, shared):
    asked, perturbed = [], []

    class Careful(TextPerturbation[NoParams]):
        notices = ("the thesaurus is small",)

        def prepare(self, texts):
            asked.append(list(texts))

        def perturb(self, text, rng):
            assert len(asked) == 1
            perturbed.append(text)
            return text

    sink = Kept()
    train(job(Careful, budget=budget, evaluations=1), shared, sink)
    every = [text for texts in shared.data.train.texts for text in texts]
    segments = len(shared.data.train.texts[0])
    assert len(asked[0]) == rows * segments
    assert [text for text in every if text in asked[0]] == asked[0]  # in the order of the rows
    assert set(perturbed) <= set(asked[0])
    assert sink.texts("note") == ["the thesaurus is small"]


def test_a_module_that_a_method_makes_itself_starts_alike_in_every_run(shared):
    weights = []

    def own(params, context):
        weights.append(torch.nn.Linear(3, 3).weight.detach().clone())
        return Given(context, kd)

    for seed in (3, 3, 4):
        torch.manual_seed(len(weights))
        train(job(own, seed=seed, budget=("student_updates", 1)), shared)
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


def test_teacher_and_student_may_have_different_tokenizers(assets, other_vocabulary):
    shared = assets(teacher=other_vocabulary)
    outcome = train(job("eda"), shared)
    assert outcome.meter.forwards() == {"student": 12, "teacher": 6}
    assert outcome.diagnostics["divergence_perturbed"] > 0


def test_the_initial_student_is_that_of_its_seed(shared):
    student = load_classifier(shared.recipe.student, 2, LABELS, seed_of(3, "toy-single", "init"))
    assert train(job("kd", evaluations=1), shared).student_sha256 == weights_digest(student)


def test_regression_runs_to_the_end(assets):
    outcome = train(job("random-mask", evaluations=1), assets("regression"))
    assert outcome.evaluations[0].logits["dev"].shape == (40, 1)
    assert "teacher_flip_rate" not in outcome.diagnostics


def test_a_teacher_at_the_majority_class_is_told_before_a_student_is_trained(recipe, cache):
    data, sink = toy_data(), Kept()
    (dev,), majority = data.dev, max(set(data.train.labels), key=data.train.labels.count)
    one_class = replace(data, dev=(replace(dev, labels=(majority,) * len(dev)),))  # no teacher can be better
    train(job("kd"), TaskAssets(one_class, recipe(), sink), sink)
    [warning] = [event for event in sink.of(Message) if event.kind == "warning"]
    assert "teacher for toy-single" in warning.text
    assert "(100.0)" in warning.text
    students = [event for event in sink.of(Progress) if not event.preparing]
    assert sink.events.index(warning) < sink.events.index(students[0])

"""What an update learns, against losses and gradients written out densely: every row alone, without padding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from matekd_bench import Joint, NoParams, Perturbation, PluginError
from matekd_bench.distill.data.corpus import NO_CLASS
from matekd_bench.distill.settings import Objective
from rig import ROWS, Given, SameText, SameTokens, gap, kd, update


def dense(lab, weigh):
    """Loss and gradients of `weigh(student logits, teacher logits, labels)`, row by row and without padding."""
    total = 0
    for number in ROWS:
        row, label = lab.corpus.encoded[number], lab.corpus.labels[number : number + 1]
        inputs = {"input_ids": torch.tensor([row.ids]), "token_type_ids": torch.tensor([row.types])}
        with torch.no_grad():
            teacher = lab.teacher(**inputs).logits
        total = total + weigh(lab.student.train()(**inputs).logits, teacher, label)
    loss = total / len(ROWS)
    names = [name for name, _ in lab.student.named_parameters() if not name.endswith("key.bias")]
    grads = torch.autograd.grad(loss, [lab.student.get_parameter(name) for name in names])
    return float(loss.detach()), {f"student.{name}": grad for name, grad in zip(names, grads, strict=True)}


def kl(student, teacher, tau=1.0):
    p, q = (teacher / tau).softmax(-1), (student / tau).softmax(-1)
    return (p * (p / q).log()).sum() * tau**2


@pytest.mark.parametrize(("kind", "cached"), [("single", True), ("pairs", False)])
@pytest.mark.parametrize(("gold", "soft", "tau"), [(1 / 3, 2 / 3, 1.0), (0.5, 0.25, 3.0)])
def test_kd_is_its_definition(rig, kind, cached, gold, soft, tau):
    objective = Objective(gold=gold, soft=soft, temperature=tau)
    loss, grads = update(rig(kind, cached=cached, objective=objective), kd)
    expected, reference = dense(
        rig(kind), lambda s, t, y: gold * F.cross_entropy(s, y) + soft * kl(s, t, tau)
    )
    assert loss == pytest.approx(expected, rel=1e-12)
    assert gap(reference, grads) < 1e-10


def test_regression_is_its_definition(rig):
    loss, grads = update(rig("regression"), kd)
    expected, reference = dense(
        rig("regression"), lambda s, t, y: ((s[0, 0] - y[0]) ** 2 + 2 * (s[0, 0] - t[0, 0]) ** 2) / 3
    )
    assert loss == pytest.approx(expected, rel=1e-12)
    assert gap(reference, grads) < 1e-10


@pytest.mark.parametrize("kind", ["single", "regression"])
def test_rows_without_a_label_are_learned_from_the_teacher_alone(rig, kind):
    """2/3 D for every row, and 1/3 of the gold loss for those that have a label."""
    lab, missing = rig(kind), float("nan") if kind == "regression" else NO_CLASS
    unlabeled = torch.isin(torch.arange(len(lab.corpus)), torch.tensor(ROWS[::2]))
    lab.corpus = replace(lab.corpus, labels=lab.corpus.labels.masked_fill(unlabeled, missing))
    loss, grads = update(lab, kd)
    labels = iter(number in ROWS[::2] for number in ROWS)

    def weigh(s, t, y):
        without = next(labels)
        if kind == "regression":
            return (0 if without else (s[0, 0] - y[0]) ** 2 / 3) + 2 / 3 * (s[0, 0] - t[0, 0]) ** 2
        return (0 if without else F.cross_entropy(s, y) / 3) + 2 / 3 * kl(s, t)

    expected, reference = dense(rig(kind), weigh)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert gap(reference, grads) < 1e-10


def test_several_perturbed_views_share_a_third(rig):
    """(CE(x) + D(x) + mean_j D(x'_j)) / 3, here with swapped-in other rows as perturbed text."""

    def perturbed(ids, by):
        return torch.where(ids > 30, ids - by, ids)

    def three(batch, models):
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        for by in (1, 2, 3):
            yield replace(
                batch.clean, ids=perturbed(batch.ids, by), teacher="same", labels=None, gold=0.0, soft=1 / 6
            )

    loss, grads = update(rig(), three)
    lab = rig()
    total = 0
    for number in ROWS:
        ids, label = torch.tensor([lab.corpus.encoded[number].ids]), lab.corpus.labels[number : number + 1]

        def both(ids):
            with torch.no_grad():
                teacher = lab.teacher(ids).logits
            return lab.student.train()(ids).logits, teacher

        s, t = both(ids)
        total = total + (
            F.cross_entropy(s, label) + kl(s, t) + sum(kl(*both(perturbed(ids, by))) for by in (1, 2, 3)) / 3
        )
    (total / 3 / len(ROWS)).backward()
    reference = {name: lab.student.get_parameter(name.removeprefix("student.")).grad for name in grads}
    assert loss == pytest.approx(float(total.detach()) / 3 / len(ROWS), rel=1e-12)
    assert gap(reference, grads) < 1e-10


KINDS = ("single", "pairs", "regression")
CASES = [
    *(
        pytest.param(identity, kind, cached, False, id=f"{identity.__name__} {kind} {cached}")
        for identity in (SameText, SameTokens, type("TwiceSameText", (SameText,), {"variants": 2}))
        for kind in KINDS
        for cached in (True, False)
    ),
    pytest.param(SameText, "single", True, True, id="two vocabularies"),
]


@pytest.mark.parametrize(("identity", "kind", "cached", "other"), CASES)
def test_the_identity_as_perturbation_is_kd(rig, identity, kind, cached, other, other_vocabulary):
    """The teacher's cached logits and its live ones on the same text meet here."""
    lab, plain = (rig(kind, cached=cached, teacher=other_vocabulary if other else None) for _ in range(2))
    loss, grads = update(plain, kd)
    method = identity(NoParams(), lab.context)
    assert lab.update(method, lab.batch(method, ROWS)) == pytest.approx(loss, rel=1e-12)
    assert gap(grads, lab.grads) < 1e-12


def test_the_teacher_never_reads_the_students_ids_of_another_vocabulary(rig, other_vocabulary):
    lab = rig(teacher=other_vocabulary)
    method = SameTokens(NoParams(), lab.context)
    with pytest.raises(PluginError, match=r"'tested'.*one-vocabulary"):
        lab.update(method, lab.batch(method, ROWS))


def test_a_soft_target_may_be_given_or_another_view(rig):
    def three(batch, models):
        other = replace(batch.clean, ids=batch.ids.flip(0), mask=batch.mask.flip(0))
        yield replace(batch.clean, teacher=other, gold=0.0)
        yield replace(batch.clean, teacher=batch.teacher_logits.flip(0), gold=0.0)
        yield replace(batch.clean, teacher=None, gold=0.0)

    lab = rig()
    method = Given(lab.context, three)
    loss = lab.update(method, lab.batch(method, ROWS))
    one, other, none = method.seen
    assert torch.allclose(one.loss, other.loss, rtol=0, atol=1e-13)
    assert none.teacher is None
    assert none.loss.abs().max() == 0
    assert loss == pytest.approx(float((one.loss + other.loss).mean()), rel=1e-12)
    assert lab.context.diagnostics().keys() == {"divergence_perturbed", "teacher_flip_rate"}


def test_a_method_is_told_what_the_trainer_saw(rig):
    def both(batch, models):
        yield batch.clean
        yield batch.clean, replace(batch.clean, teacher=None)

    lab = rig()
    method = Given(lab.context, both)
    batch = lab.batch(method, ROWS)
    lab.update(method, batch)
    single, pair = method.seen
    assert (single.student.shape, single.loss.shape) == ((16, 2), (16,))
    assert single.teacher.equal(batch.teacher_logits)
    assert (single.student.requires_grad, single.loss.requires_grad) == (False, False)
    assert isinstance(pair.student, tuple)
    assert pair.teacher[1] is None
    gold = F.cross_entropy(single.student, batch.labels, reduction="none") / 3
    assert torch.allclose(pair.loss, single.loss + gold, rtol=0, atol=1e-14)


def test_views_at_once_and_one_by_one_are_the_same(rig):
    def one_by_one(batch, models):
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        yield batch.clean.weighted(gold=0.0, soft=0.5)

    def at_once(batch, models):
        yield batch.clean.weighted(gold=1.0, soft=0.5), batch.clean.weighted(gold=0.0, soft=0.5)

    loss, grads = update(rig(), one_by_one)
    other, its = update(rig(), at_once)
    assert other == pytest.approx(loss, rel=1e-14)
    assert gap(grads, its) < 1e-14


def test_a_common_term_is_added_and_learned_from(rig):
    """R-Drop and R3F work so: a divergence between the student's own logits on two views."""

    def joint(batch, models):
        moved = replace(
            batch.clean, ids=torch.where(batch.ids > 30, batch.ids - 1, batch.ids), teacher=None, gold=0.0
        )
        yield Joint((batch.clean, moved), term=lambda s, m: (s - m).square().sum(dim=1))

    loss, grads = update(rig(), joint)
    lab = rig()
    total = 0
    for number in ROWS:
        ids, label = torch.tensor([lab.corpus.encoded[number].ids]), lab.corpus.labels[number : number + 1]
        lab.student.train()
        s, m = lab.student(ids).logits, lab.student(torch.where(ids > 30, ids - 1, ids)).logits
        with torch.no_grad():
            t = lab.teacher(ids).logits
        total = total + (F.cross_entropy(s, label) + 2 * kl(s, t)) / 3 + ((s - m) ** 2).sum()
    (total / len(ROWS)).backward()
    reference = {name: lab.student.get_parameter(name.removeprefix("student.")).grad for name in grads}
    assert loss == pytest.approx(float(total.detach()) / len(ROWS), rel=1e-12)
    assert gap(reference, grads) < 1e-10
    pieces, its = update(rig(), joint, micro_batch=5)
    assert pieces == pytest.approx(loss, rel=1e-12)
    assert gap(grads, its) < 1e-10


class Shifted(Perturbation[NoParams]):
    """Two passes on shifted embeddings, the second shift made from the first one's gradient, as FreeLB does."""

    def __init__(self, context):
        super().__init__(NoParams(), context)
        self.grads = []

    def views(self, batch, models):
        delta = self.context.draw(batch, "shift", width=32).double() * 0.01
        for _ in range(2):
            delta = delta.detach().requires_grad_()
            yield batch.clean.shifted(delta, weight=0.5)
            self.grads.append(delta.grad.clone())
            delta = delta + 0.1 * delta.grad / delta.grad.norm(dim=(1, 2), keepdim=True)


def test_the_gradient_of_a_shift_is_each_rows_own_in_whatever_piece(rig):
    lab, pieces = rig(), rig()
    whole, cut = Shifted(lab.context), Shifted(pieces.context)
    batch = lab.batch(whole, ROWS)
    lab.update(whole, batch)
    pieces.update(cut, batch, micro_batch=5)
    assert gap(lab.grads, pieces.grads) < 1e-10
    for passed in (0, 1):
        together = torch.cat(cut.grads[passed::2])
        assert torch.allclose(together, whole.grads[passed], rtol=0, atol=1e-13)
    row = batch.rows(2, 3)
    alone = rig()
    shift = (alone.context.draw(row, "shift", width=32).double() * 0.01).requires_grad_()
    view = row.clean.shifted(shift, 0.5)
    logits = alone.models.student_logits(view)
    loss = 0.5 * (F.cross_entropy(logits, row.labels) + 2 * kl(logits, row.teacher_logits)) / 3
    (expected,) = torch.autograd.grad(loss, shift)
    assert torch.allclose(whole.grads[0][2:3], expected, rtol=0, atol=1e-13)


def test_a_shift_used_twice_holds_the_gradient_of_the_last_pass(rig):
    lab = rig()
    found = []

    def twice(batch, models):
        shift = torch.zeros(*batch.ids.shape, 32, dtype=torch.float64, requires_grad=True)
        for _ in range(2):
            yield batch.clean.shifted(shift)
            found.append(shift.grad.clone())
        yield batch.clean.shifted(shift), batch.clean.shifted(shift)
        found.append(shift.grad.clone())

    update(lab, twice)
    assert found[0].equal(found[1])
    assert torch.allclose(found[2], 2 * found[0], rtol=0, atol=1e-14)

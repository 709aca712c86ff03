"""The two loss terms against their definitions, written out."""

from __future__ import annotations

import math

import pytest
import torch

from matekd_bench.distill.training.loss import divergence, gold_loss, upcast

STUDENT = torch.tensor([[0.3, -1.2, 2.0], [4.0, 0.0, -3.0]], dtype=torch.float64)
TEACHER = torch.tensor([[1.0, 0.5, -2.0], [-1.0, 3.0, 0.2]], dtype=torch.float64)


def softmax(row):
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


@pytest.mark.parametrize("tau", [1.0, 2.0, 0.5])
def test_the_divergence_is_kl_from_teacher_to_student_times_tau_squared(tau):
    for student, teacher, got in zip(
        STUDENT.tolist(),
        TEACHER.tolist(),
        divergence(STUDENT, TEACHER, temperature=tau, regression=False),
        strict=True,
    ):
        t, s = softmax([value / tau for value in teacher]), softmax([value / tau for value in student])
        kl = sum(p * math.log(p / q) for p, q in zip(t, s, strict=True))
        assert float(got) == pytest.approx(kl * tau**2, rel=1e-13)


def test_at_tau_one_the_gradient_is_that_of_cross_entropy_with_soft_targets():
    """d/ds = softmax(s) - softmax(t)."""
    student = STUDENT.clone().requires_grad_()
    divergence(student, TEACHER, temperature=1.0, regression=False).sum().backward()
    assert torch.allclose(student.grad, STUDENT.softmax(-1) - TEACHER.softmax(-1), rtol=0, atol=1e-15)


def test_the_divergence_can_be_differentiated_in_the_teacher_too():
    """MATE-KD's generator step needs it: d/dt_i = p_i (log(p_i / q_i) - KL)."""
    teacher = TEACHER.clone().requires_grad_()
    divergence(STUDENT, teacher, temperature=1.0, regression=False).sum().backward()
    p, ratio = TEACHER.softmax(-1), TEACHER.log_softmax(-1) - STUDENT.log_softmax(-1)
    assert torch.allclose(teacher.grad, p * (ratio - (p * ratio).sum(-1, keepdim=True)), rtol=0, atol=1e-15)


def entropy(logits):
    return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)


@pytest.mark.parametrize("tau", [1.0, 2.0])
def test_cross_entropy_is_kl_plus_the_teachers_entropy_and_so_are_its_gradients(tau):
    """In the student nothing changes; in the teacher the entropy's gradient is added, which MATE-KD's code climbs."""
    options = {"temperature": tau, "regression": False}
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    ce = divergence(student, teacher, form="cross-entropy", **options)
    kl = divergence(student, teacher, **options)
    h = entropy(teacher / tau) * tau**2
    assert torch.allclose(ce, kl + h, rtol=1e-14)
    assert float(h.min().detach()) > 0.05
    of_ce, of_kl = (torch.autograd.grad(one.sum(), (student, teacher), retain_graph=True) for one in (ce, kl))
    (of_h,) = torch.autograd.grad(h.sum(), teacher)
    assert torch.allclose(of_ce[0], of_kl[0], rtol=0, atol=1e-15)
    assert torch.allclose(of_ce[1], of_kl[1] + of_h, rtol=0, atol=1e-14)
    assert not torch.allclose(of_ce[1], of_kl[1], rtol=0, atol=1e-3)


@pytest.mark.parametrize("form", ["kl", "cross-entropy"])
def test_for_regression_both_terms_are_squared_errors(form):
    student, teacher = torch.tensor([[1.5], [-2.0]]), torch.tensor([[1.0], [1.0]])
    assert divergence(student, teacher, temperature=3.0, regression=True, form=form).tolist() == [0.25, 9.0]
    assert gold_loss(student, torch.tensor([2.5, 0.0]), regression=True).tolist() == [1.0, 4.0]


def test_gold_labels_may_be_ids_or_distributions():
    ids = torch.tensor([2, 0])
    wanted = [
        -math.log(softmax(row)[label]) for row, label in zip(STUDENT.tolist(), ids.tolist(), strict=True)
    ]
    assert gold_loss(STUDENT, ids, regression=False).tolist() == pytest.approx(wanted, rel=1e-13)
    mixed = torch.tensor([[0.25, 0.0, 0.75], [1.0, 0.0, 0.0]])  # float32, as a method would make it
    expected = -(mixed.double() * STUDENT.log_softmax(-1)).sum(-1)
    assert torch.allclose(gold_loss(STUDENT, mixed, regression=False), expected, rtol=1e-14)


def test_half_precision_is_widened_and_double_stays_double():
    assert upcast(STUDENT.bfloat16()).dtype == torch.float32
    assert upcast(STUDENT.float()).dtype == torch.float32
    assert upcast(STUDENT) is STUDENT


def test_cached_single_precision_logits_cost_a_double_precision_student_nothing():
    single = TEACHER.float()
    got = divergence(STUDENT, single, temperature=1.0, regression=False)
    assert got.equal(divergence(STUDENT, single.double(), temperature=1.0, regression=False))


def test_large_logits_stay_finite():
    extreme = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = divergence(extreme, extreme.detach().flip(1), temperature=1.0, regression=False)
    loss.sum().backward()
    assert loss.tolist() == [2e4, 2e4]
    assert bool(extreme.grad.isfinite().all())

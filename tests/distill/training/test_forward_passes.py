"""Teacher and student behind one door: dropout masks, graphs, casts and what is booked."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from matekd_bench import NoParams, Perturbation, PluginError

ROWS = range(6)


@pytest.fixture
def lab(rig):
    return rig(dropout=True)


def clean(lab, **where):
    """The clean view of a batch, which is also where the run now is."""
    batch = lab.batch(Perturbation(NoParams(), lab.context), ROWS, **where)
    lab.scope.batch = batch
    return batch.clean


def test_views_with_one_dropout_number_share_their_masks(lab):
    view = clean(lab)
    first, second = lab.models.student_logits(view, view)
    assert first.equal(second)
    assert not first.equal(lab.models.student_logits(replace(view, dropout=1)))


def test_masks_depend_on_update_phase_and_place_in_the_update_alone(lab):
    base = lab.models.student_logits(clean(lab))
    torch.manual_seed(123)
    torch.rand(7)
    assert lab.models.student_logits(clean(lab)).equal(base)
    assert not lab.models.student_logits(clean(lab, update=1)).equal(base)
    assert not lab.models.student_logits(clean(lab, phase="own")).equal(base)
    view = clean(lab)
    lab.scope.batch = replace(lab.scope.batch, offset=6)
    assert not lab.models.student_logits(view).equal(base)


def test_masks_depend_on_the_seed(rig):
    one, other = rig(dropout=True, seed=1), rig(dropout=True, seed=2)
    assert not one.models.student_logits(clean(one)).equal(other.models.student_logits(clean(other)))


def test_without_train_mode_there_is_no_dropout(lab):
    view = clean(lab)
    scored = lab.models.student_logits(view, train=False)
    assert scored.equal(lab.models.student_logits(replace(view, dropout=9), train=False))
    assert not lab.student.training
    lab.models.student_logits(view)
    assert lab.student.training


def test_the_teacher_has_neither_dropout_nor_gradient(lab):
    view = clean(lab)
    first = lab.models.teacher_logits(view)
    assert first.equal(lab.models.teacher_logits(replace(view, dropout=3)))
    assert (first.requires_grad, lab.teacher.training) == (False, False)


def test_embeddings_given_and_shifted_reach_the_model(rig):
    """embed replaces the look-up; shift is added before position, type and layer norm."""
    lab = rig()
    view = clean(lab)
    plain = lab.models.student_logits(view)
    looked_up = replace(view, embed=lambda table: table(view.ids))
    assert torch.allclose(lab.models.student_logits(looked_up), plain, rtol=0, atol=1e-14)
    assert torch.allclose(
        lab.models.teacher_logits(looked_up), lab.models.teacher_logits(view), rtol=0, atol=1e-14
    )
    shift = torch.randn(*view.ids.shape, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shifted = lab.models.student_logits(replace(view, shift=shift))
    by_hand = lab.models.student_logits(replace(view, embed=lambda table: table(view.ids) + shift))
    assert shifted.equal(by_hand)
    assert not torch.allclose(shifted, plain, atol=1e-2)
    assert lab.models.teacher_logits(replace(view, shift=shift)).equal(lab.models.teacher_logits(view))


def test_gradients_reach_given_embeddings_through_both_models(lab):
    view = clean(lab)
    embedded = lab.student.get_input_embeddings()(view.ids).detach().requires_grad_()
    given = replace(view, embed=lambda table: embedded)
    for logits in (lab.models.teacher_logits(given), lab.models.student_logits(given)):
        (grad,) = torch.autograd.grad(logits.sum(), embedded)
        assert float(grad.norm()) > 0


def test_every_pass_is_booked_with_its_kind(lab):
    view = clean(lab)
    rows, length = view.ids.shape
    shifted = replace(view, shift=torch.zeros(rows, length, 32, dtype=torch.float64, requires_grad=True))
    lab.models.student_logits(view)
    with torch.no_grad():
        lab.models.student_logits(view)
    with lab.models.frozen_student():
        lab.models.student_logits(shifted)
        lab.models.student_logits(view)
    lab.models.teacher_logits(view)
    assert lab.meter.forwards() == {"student": 4, "teacher": 1}
    assert lab.meter.backwards() == {"student": 2}
    costs = {kind: lab.meter.cost("student", kind, rows, length) for kind in ("forward", "train", "inputs")}
    teacher = lab.meter.cost("teacher", "forward", rows, length)
    assert lab.meter.flops == costs["train"] + 2 * costs["forward"] + costs["inputs"] + teacher


def test_a_frozen_student_gets_no_gradient_and_thaws_whatever_happens(lab):
    view = clean(lab)

    def fail():
        with lab.models.frozen_student():
            assert lab.models.frozen
            assert not lab.models.student_logits(view).requires_grad
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not lab.models.frozen
    assert lab.models.student_logits(view).requires_grad


def test_clean_logits_are_the_cached_ones_or_a_fresh_pass(rig):
    cached, live = rig(), rig(cached=False)
    batches = [lab.batch(Perturbation(NoParams(), lab.context), ROWS) for lab in (cached, live)]
    assert cached.models.clean_logits(batches[0]) is batches[0].teacher_logits
    assert cached.meter.forwards() == {}
    fresh = live.models.clean_logits(batches[1])
    assert live.meter.forwards() == {"teacher": 1}
    assert not fresh.requires_grad
    assert torch.allclose(fresh, batches[0].teacher_logits, rtol=0, atol=1e-13)


def test_half_precision_comes_back_in_single_and_precise_passes_are_exact(rig):
    from matekd_bench.distill.training.forward_passes import RunModels

    lab = rig(dtype=torch.float32)
    half = RunModels(
        lab.student, lab.teacher, objective=lab.objective, regression=False, precision="bf16", scope=lab.scope,
        meter=lab.meter,
    )  # fmt: skip
    view = clean(lab)
    exact = lab.models.student_logits(view)
    rough = half.student_logits(view)
    assert rough.dtype == torch.float32
    assert 1e-5 < float((rough - exact).detach().abs().max()) < 1
    assert half.student_logits(view, precise=True).equal(exact)
    one, other = half.student_logits(replace(view, precise=True), view)
    assert one.equal(exact)
    assert other.equal(rough)


def test_a_run_without_a_teacher_says_so(lab):
    view = clean(lab)
    lab.models.teacher = None
    with pytest.raises(PluginError, match="--teacher"):
        lab.models.teacher_logits(view)

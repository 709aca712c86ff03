"""FreeLB against a plain float64 reference, and the facts that its specification names."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from matekd_bench import UsageError
from matekd_bench.methods.grammar import parse
from matekd_bench.methods.params import resolve
from matekd_plugins.freelb import FreeLBParams, matekd_bench_methods
from matekd_plugins.freelb.ascent import FreeLB
from matekd_plugins.freelb.published import TABLES
from rig import ROWS, Watched, at_shift, gap, kd, reference, update, yielded

SIZES = {"adv_lr": 0.3, "init_mag": 0.4, "max_norm": 0.5, "relative": False}


def made(lab, **params):
    return FreeLB(FreeLBParams(**params), lab.context)


def kl(student, teacher):
    p = teacher.softmax(-1)
    return (p * (teacher.log_softmax(-1) - student.log_softmax(-1))).sum(-1)


def losses_of(lab, batch, logits):
    """(CE + 2 D) / 3 for each example, D against the teacher's clean logits."""
    if not lab.task.labels:
        answers, targets = logits.squeeze(1), batch.teacher_logits.squeeze(1)
        return ((answers - batch.labels).square() + 2 * (answers - targets).square()) / 3
    gold = F.cross_entropy(logits, batch.labels, reduction="none")
    return (gold + 2 * kl(logits, batch.teacher_logits)) / 3


def reference_passes(lab, batch, passes, norm):
    """The losses [B] of every pass, in one graph, and the perturbations, example by example."""
    drawn = 2 * lab.context.draw(batch, "freelb", width=32).double() - 1
    shifts = []
    for row, length in enumerate(batch.lengths):
        start = torch.zeros(batch.ids.shape[1], 32, dtype=torch.float64)
        start[:length] = drawn[row, :length] * 0.4 / (1.0 if norm == "linf" else (length * 32) ** 0.5)
        shifts.append(start)
    history, losses = [], []
    for _ in range(passes):
        shift = torch.stack(shifts).requires_grad_()
        loss = losses_of(lab, batch, at_shift(lab, batch, shift))
        history.append(shift.detach())
        losses.append(loss)
        (grad,) = torch.autograd.grad(loss.sum(), shift, retain_graph=True)
        shifts = [climbed(one, step, norm) for one, step in zip(shift.detach(), grad, strict=True)]
    return losses, history


def climbed(shift, grad, norm):
    order = 2 if norm == "l2" else float("inf")
    shift = shift + 0.3 * grad / torch.linalg.vector_norm(grad, order)
    if norm == "linf":
        return shift.clamp(-0.5, 0.5)
    size = torch.linalg.vector_norm(shift)
    return shift * (0.5 / size) if size > 0.5 else shift


@pytest.mark.parametrize("kind", ["single", "pairs", "regression"])
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize(("passes", "count"), [("transformers", 3), ("fairseq", 4)])
def test_the_gradient_is_that_of_the_mean_loss_over_passes(rig, kind, norm, passes, count):
    lab = rig(kind)
    method = made(lab, norm=norm, passes=passes, **SIZES)
    batch = lab.batch(method, ROWS, update=4)
    losses, _ = reference_passes(lab, batch, count, norm)
    loss = torch.stack(losses).mean()
    expected = reference(lab, loss)
    assert lab.update(method, batch) == pytest.approx(float(loss.detach()), rel=1e-10)
    assert gap(expected, lab.grads) < 1e-8
    assert lab.meter.forwards() == lab.meter.backwards() == {"student": count}


@pytest.mark.parametrize(("norm", "passes", "count"), [("l2", "transformers", 3), ("linf", "fairseq", 4)])
def test_single_precision_agrees_with_the_reference(rig, norm, passes, count):
    lab, exact = rig(dtype=torch.float32), rig()
    method = made(lab, norm=norm, passes=passes, **SIZES)
    losses, _ = reference_passes(exact, exact.batch(method, ROWS), count, norm)
    loss = torch.stack(losses).mean()
    expected = reference(exact, loss)
    assert lab.update(method, lab.batch(method, ROWS)) == pytest.approx(float(loss.detach()), rel=1e-3)
    assert gap(expected, {name: grad.double() for name, grad in lab.grads.items()}) < 1e-3


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_perturbations_are_the_references(rig, norm):
    lab = rig("pairs")
    method = made(lab, norm=norm, **SIZES)
    batch = lab.batch(method, ROWS)
    _, expected = reference_passes(lab, batch, 3, norm)
    for view, shift in zip(yielded(lab, method, batch), expected, strict=True):
        assert torch.allclose(view.shift, shift, rtol=1e-9, atol=1e-12)
        assert bool((view.shift[batch.mask == 0] == 0).all())
    assert bool((batch.mask == 0).any())


def test_padding_is_left_alone_even_by_networks_that_evaluation_at_it(rig):
    lab = rig("pairs")
    method = made(lab, adv_lr=0.25, max_norm=0.0, relative=False)
    batch = lab.batch(method, ROWS)
    shift = torch.zeros(*batch.ids.shape, 32, dtype=torch.float64, requires_grad=True)
    shift.grad = torch.ones_like(shift)
    moved = method._climb(batch, shift)
    assert bool((moved[batch.mask == 0] == 0).all())
    assert torch.linalg.vector_norm(moved.flatten(1), dim=1).tolist() == pytest.approx([0.25] * 16)


def sizes_of(views):
    return [torch.linalg.vector_norm(view.shift.detach().flatten(1), dim=1) for view in views]


def test_the_first_perturbation_has_its_size_over_the_root_of_three(rig):
    lab = rig("pairs", rows=256)
    method = made(lab, init_mag=0.7, relative=False)
    first, *_ = sizes_of(yielded(lab, method, lab.batch(method, range(256))))
    assert float(first.mean()) == pytest.approx(0.7 / 3**0.5, rel=0.005)
    assert float(first.std()) < 0.02


def test_the_bound_holds_and_zero_is_none(rig):
    free, bound = rig(), rig()
    long = {"adv_lr": 2.0, "init_mag": 1.0, "relative": False}
    for lab, limit in ((free, 0.0), (bound, 0.6)):
        method = made(lab, max_norm=limit, **long)
        *_, last = sizes_of(yielded(lab, method, lab.batch(method, ROWS)))
        assert float(last.min()) > 1.5 if limit == 0 else last.tolist() == pytest.approx([0.6] * 16)


def test_losses_rise_along_the_ascent(rig):
    lab = rig()
    watched = Watched(made(lab, steps=5, adv_lr=0.05, init_mag=0.05, max_norm=0.0))
    batch = lab.batch(watched, ROWS)
    lab.update(watched, batch)
    means = [float(seen.loss.mean()) * 5 for seen in watched.seen]
    assert means == sorted(means)
    assert means[-1] > means[0] * 1.01
    told = lab.context.diagnostics()
    assert told["loss_rise"] == pytest.approx(means[-1] - means[0])
    assert told["perturbation_norm"] == pytest.approx(float(sizes_of(watched.given)[-1].mean()))


def test_without_perturbation_it_is_kd(rig):
    base, its = update(rig(), kd)
    lab = rig()
    method = made(lab, adv_lr=0.0, init_mag=0.0)
    assert lab.update(method, lab.batch(method, ROWS)) == pytest.approx(base, rel=1e-12)
    assert gap(its, lab.grads) < 1e-12


@pytest.mark.parametrize("shared", [True, False])
def test_passes_share_their_dropout_masks_or_not(rig, shared):
    lab = rig(dropout=True)
    watched = Watched(made(lab, adv_lr=0.0, init_mag=0.0, share_dropout=shared))
    lab.update(watched, lab.batch(watched, ROWS))
    first, second, third = (seen.student for seen in watched.seen)
    assert first.equal(second) is shared
    assert second.equal(third) is shared


def test_sizes_are_multiples_of_the_median_norm_of_the_embeddings(rig):
    lab = rig()
    table = lab.student.get_input_embeddings().weight.detach()
    unit = float(torch.linalg.vector_norm(table, dim=1).median())
    assert made(lab).sizes == pytest.approx((3, 0.03 * unit, 0.06 * unit, 0.09 * unit))
    per_coordinate = unit / 32**0.5
    linf = made(lab, norm="linf", passes="fairseq", steps=2)
    assert linf.sizes == pytest.approx(
        (3, 0.03 * per_coordinate, 0.06 * per_coordinate, 0.09 * per_coordinate)
    )
    assert made(lab, relative=False).sizes == (3, 0.03, 0.06, 0.09)


@pytest.mark.parametrize(
    ("table", "task", "sizes"),
    [
        ("roberta", "cola", (4, 0.025, 0.4, 0.3)),
        ("roberta", "qqp", (3, 0.2, 0.32, 0.7)),
        ("albert", "rte", (3, 0.1, 0.0, 0.0)),
        ("albert", "sst2", (2, 0.1, 0.6, 0.0)),
    ],
)
def test_published_sizes_are_taken_as_they_are(rig, monkeypatch, table, task, sizes):
    lab = rig()
    monkeypatch.setattr(lab.context, "task", replace(lab.task, name=task))
    assert made(lab, published=table).sizes == sizes


def test_a_task_without_published_sizes_is_one_clear_line(rig, monkeypatch):
    lab = rig()
    monkeypatch.setattr(lab.context, "task", replace(lab.task, name="rte"))
    with pytest.raises(UsageError, match=r"published=roberta .*cola, mnli, mrpc, qnli, qqp, sst2, stsb"):
        made(lab, published="roberta")


def test_the_tables_name_tasks_of_the_suite():
    from matekd_bench.plugins.host import Host

    assert {task for table in TABLES.values() for task in table} <= set(Host.load(only_builtin=True).tasks)


def test_a_published_table_and_sizes_of_ones_own_contradict_each_other():
    (record,) = matekd_bench_methods()
    (ref,) = parse("freelb[published=albert,adv_lr=0.2]")
    with pytest.raises(UsageError, match=r"published=albert .*adv_lr"):
        resolve(ref, record, {})
    (ref,) = parse("freelb[published=albert,share_dropout=true]")
    assert resolve(ref, record, {}).variant == "freelb[share_dropout=true,published=albert]"


def test_a_view_that_nobody_learned_from_is_an_error(rig):
    lab = rig()
    method = made(lab)
    with pytest.raises(RuntimeError, match="was not trained on"):
        list(method.views(lab.batch(method, ROWS), lab.models))

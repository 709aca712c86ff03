"""Cutoff: what is erased, that it is erased, and the loss against a plain float64 reference."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import jensenshannon

from matekd_plugins.cutoff import (
    Cutoff,
    CutoffParams,
    chosen_features,
    chosen_span,
    chosen_tokens,
    jensen_shannon,
    without_features,
)
from rig import ROWS, at_shift, gap, reference, yielded

KINDS = ["token", "span", "feature"]


def made(lab, **params):
    return Cutoff(CutoffParams(**params), lab.context)


def batch_of(lab, rows=ROWS, **where):
    return lab.batch(made(lab), rows, **where)


def kl(student, teacher):
    p = teacher.softmax(-1)
    return (p * (teacher.log_softmax(-1) - student.log_softmax(-1))).sum(-1)


@pytest.mark.parametrize("choose", [chosen_tokens, chosen_span])
@pytest.mark.parametrize("ratio", [0.05, 0.3, 0.9])
def test_the_share_is_rounded_down_and_at_least_one_token(rig, choose, ratio):
    lab = rig("pairs")
    batch = batch_of(lab, range(32))
    cut = choose(lab.context, batch, ratio)
    assert not cut[batch.special].any()
    for row, special in zip(cut, batch.special, strict=True):
        tokens = int((~special).sum())
        assert int(row.sum()) == max(1, int(tokens * ratio))


def test_a_span_is_a_run_of_tokens_and_starts_anywhere(rig):
    lab = rig(rows=256)
    batch = batch_of(lab, range(256))
    starts = set()
    for row, length in zip(chosen_span(lab.context, batch, 0.3), batch.lengths, strict=True):
        places = row.nonzero().flatten().tolist()
        assert places == list(range(places[0], places[0] + len(places)))
        starts.add((places[0] - 1) / max(1, length - 2 - len(places)))
    assert {min(starts), max(starts)} == {0.0, 1.0}


def test_every_token_is_as_likely_as_any_other(rig):
    lab = rig()
    counts = torch.zeros(32)
    batch = batch_of(lab, [3])
    tokens = batch.lengths[0] - 2
    draws = 600
    for update in range(draws):
        cut = chosen_tokens(lab.context, replace(batch, update=update), 0.4)[0]
        counts[: len(cut)] += cut
    expected = draws * max(1, int(tokens * 0.4)) / tokens
    assert counts[1 : tokens + 1].tolist() == pytest.approx([expected] * tokens, rel=0.25)


@pytest.mark.parametrize("choose", [chosen_tokens, chosen_span])
def test_what_is_erased_does_not_depend_on_padding_or_piece(rig, choose):
    lab = rig("pairs")
    whole = batch_of(lab, range(32))
    cut = choose(lab.context, whole, 0.3)
    alone = choose(lab.context, batch_of(lab, [7]), 0.3)
    assert cut[7, : alone.shape[1]].equal(alone[0])
    assert choose(lab.context, whole.rows(4, 9), 0.3).equal(cut[4:9])
    assert not choose(lab.context, batch_of(lab, range(32), update=1), 0.3).equal(cut)


@pytest.mark.parametrize("kind", ["token", "span"])
def test_nothing_of_an_erased_token_reaches_the_answers(rig, kind):
    lab = rig("pairs")
    batch = batch_of(lab)
    clean, view = yielded(lab, made(lab, kind=kind, ratio=0.3), batch)
    cut = (batch.mask == 1) & (view.mask == 0)
    assert cut.any(dim=1).all()
    assert clean.mask.equal(batch.mask)
    other = replace(view, ids=view.ids.masked_fill(cut, 17))
    for logits in (lab.models.student_logits, lab.models.teacher_logits):
        assert torch.allclose(logits(other), logits(view), rtol=0, atol=1e-12)
        assert not torch.allclose(logits(view), logits(clean), atol=1e-4)
    share = float(cut.sum()) / float((~batch.special).sum())
    told = lab.context.diagnostics()
    assert (told["tokens_changed"], told["texts_unchanged"]) == (pytest.approx(share), 0.0)


def test_features_are_erased_at_all_tokens_alike(rig):
    lab = rig()
    batch = batch_of(lab)
    cut = chosen_features(lab.context, batch, 0.2)
    assert cut.sum(dim=1).tolist() == [6] * len(batch)  # of 32
    assert len({tuple(row) for row in cut.tolist()}) > 1
    table = lab.student.get_input_embeddings()
    erased = without_features(batch, cut)(table)
    assert bool((erased.transpose(1, 2)[cut] == 0).all())
    assert erased.transpose(1, 2)[~cut].equal(table(batch.ids).transpose(1, 2)[~cut])
    assert chosen_features(lab.context, batch.rows(2, 6), 0.2).equal(cut[2:6])


def test_a_text_without_tokens_passes_through(rig):
    lab = rig()
    batch = batch_of(lab)
    bare = replace(batch, special=torch.ones_like(batch.special))
    for kind in ("token", "span"):
        clean, view = yielded(lab, made(lab, kind=kind), bare)
        assert view.mask.equal(clean.mask)
    assert lab.context.diagnostics()["texts_unchanged"] == 1.0


def test_the_jensen_shannon_divergence_is_scipys():
    one, other = (
        torch.randn(9, 3, generator=torch.Generator().manual_seed(seed)).double() for seed in (0, 1)
    )
    expected = jensenshannon(one.softmax(-1).numpy(), other.softmax(-1).numpy(), axis=1) ** 2
    assert jensen_shannon(one, other).tolist() == pytest.approx(expected.tolist(), rel=1e-10)
    assert jensen_shannon(one, one).tolist() == pytest.approx([0.0] * 9, abs=1e-15)


def cut_logits(lab, batch, method):
    """Logits of student and teacher on the cut input, by the bare models."""
    ratio = method.params.ratio
    if method.params.kind == "feature":
        cut = chosen_features(lab.context, batch, ratio)
        embedded = lab.student.get_input_embeddings().weight[batch.ids]
        return at_shift(lab, batch, -embedded * cut.unsqueeze(1)), batch.teacher_logits
    choose = chosen_tokens if method.params.kind == "token" else chosen_span
    hidden = replace(batch, mask=batch.mask * ~choose(lab.context, batch, ratio))
    inputs = {"attention_mask": hidden.mask, "token_type_ids": batch.types}
    with torch.no_grad():
        teacher = lab.teacher(input_ids=batch.ids, **inputs).logits
    return at_shift(lab, hidden), teacher


@pytest.mark.parametrize("task", ["pairs", "regression"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("consistency", [0.0, 1.5])
def test_loss_and_gradient_are_the_references(rig, task, kind, consistency):
    lab = rig(task)
    method = made(lab, kind=kind, ratio=0.3, consistency=consistency)
    batch = lab.batch(method, ROWS, update=2)
    whole = at_shift(lab, batch)
    cut, target = cut_logits(lab, batch, method)
    if task == "regression":
        gold = (whole.squeeze(1) - batch.labels).square()
        soft = ((whole - batch.teacher_logits).square() + (cut - target).square()).squeeze(1)
        apart = (whole - cut).square().squeeze(1) / 4
    else:
        gold = F.cross_entropy(whole, batch.labels, reduction="none")
        soft = kl(whole, batch.teacher_logits) + kl(cut, target)
        middle = ((whole.softmax(-1) + cut.softmax(-1)) / 2).log()
        apart = (kl(middle, whole) + kl(middle, cut)) / 2
    loss = ((gold + soft) / 3 + consistency * apart).mean()
    expected = reference(lab, loss)
    assert lab.update(method, batch) == pytest.approx(float(loss.detach()), rel=1e-10)
    assert gap(expected, lab.grads) < 1e-8
    told = lab.context.diagnostics().get("consistency")
    assert told == (pytest.approx(float(apart.detach().mean())) if consistency else None)


@pytest.mark.parametrize(("kind", "teacher"), [("token", 1), ("span", 1), ("feature", 0)])
def test_the_teacher_reads_cut_text_but_not_cut_features(rig, kind, teacher):
    lab = rig()
    method = made(lab, kind=kind)
    trainer = lab.trainer(method)
    trainer.update(lab.batch(method, ROWS))
    assert lab.meter.forwards() == {"student": 2} | ({"teacher": 1} if teacher else {})
    assert trainer.spent.perturbed_examples == len(ROWS)

"""Mixup: who is mixed with whom and how much, and the loss against a plain float64 reference."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import kstest

from matekd_plugins.mixup import Mixup, MixupParams
from rig import ROWS, gap, reference, yielded


def made(lab, **params):
    return Mixup(MixupParams(**params), lab.context)


def answers(model, ids, mask, types, table):
    """Logits of a model that reads `ids` as rows of a matrix, so that its gradient is that of every use of it."""
    return model(inputs_embeds=ids @ table, attention_mask=mask, token_type_ids=types).logits


@pytest.mark.parametrize("kind", ["single", "pairs", "regression"])
def test_the_loss_is_that_of_interpolated_rows_of_the_matrices(rig, kind):
    lab = rig(kind)
    method = made(lab, alpha=0.7)
    batch = lab.batch(method, ROWS, update=5)
    partner, share = method._partners(batch), method._shares(batch)
    size = lab.encoder.tokens.size
    own, other = (F.one_hot(ids, size).double() for ids in (batch.ids, batch.ids[partner]))
    mixed = share * own + (1 - share) * other
    mask = torch.maximum(batch.mask, batch.mask[partner])
    types = batch.types
    if types is not None:
        types = torch.stack(
            [torch.where(m.bool(), t, u) for m, t, u in zip(batch.mask, types, types[partner], strict=True)]
        )
    lab.student.train()
    table = lab.student.get_input_embeddings().weight
    clean = answers(lab.student, own, batch.mask, batch.types, table)
    student = answers(lab.student, mixed, mask, types, table)
    with torch.no_grad():
        table = lab.teacher.get_input_embeddings().weight
        targets = [
            answers(lab.teacher, own, batch.mask, batch.types, table),
            answers(lab.teacher, mixed, mask, types, table),
        ]
    terms = []
    for logits, target in zip((clean, student), targets, strict=True):
        if lab.task.labels:
            p = target.softmax(-1)
            terms.append((p * (p.log() - logits.log_softmax(-1))).sum(-1).mean())
        else:
            terms.append((logits - target).square().mean())
    gold = (
        F.cross_entropy(clean, batch.labels)
        if lab.task.labels
        else F.mse_loss(clean.squeeze(1), batch.labels.double())
    )
    loss = (gold + sum(terms)) / 3
    grads = reference(lab, loss)
    grads["student.bert.embeddings.word_embeddings.weight"][lab.encoder.tokens.pad] = 0
    assert lab.update(method, batch) == pytest.approx(float(loss.detach()), rel=1e-6)
    assert gap(grads, lab.grads) < 1e-6


def test_nobody_is_its_own_partner_and_everybody_is_one(rig):
    lab = rig()
    partners = [
        made(lab)._partners(lab.batch(made(lab), range(32), update=update)).tolist() for update in (0, 1)
    ]
    for row in partners:
        assert sorted(row) == list(range(32))
        assert not any(place == partner for place, partner in enumerate(row))
    assert partners[0] != partners[1]


@pytest.mark.parametrize("alpha", [0.4, 2.0])
def test_shares_have_the_beta_distribution(rig, alpha):
    lab = rig(rows=64)
    method = made(lab, alpha=alpha)
    batch = lab.batch(method, range(64))
    shares = torch.cat([method._shares(replace(batch, update=update)).flatten() for update in range(20)])
    assert kstest(shares.numpy(), "beta", args=(alpha, alpha)).pvalue > 1e-3


def test_pieces_of_an_update_are_mixed_as_the_whole_is(rig):
    lab = rig("pairs")
    method = made(lab)
    whole = lab.batch(method, range(12))
    table = lab.student.get_input_embeddings()
    _, view = yielded(lab, method, whole)
    _, piece = yielded(lab, method, whole.rows(4, 9))
    assert piece.embed(table).equal(view.embed(table)[4:9])
    assert piece.mask.equal(view.mask[4:9])


def test_a_batch_of_one_row_is_left_as_it_is(rig):
    lab = rig()
    method = made(lab)
    batch = lab.batch(method, [3])
    _, view = yielded(lab, method, batch)
    table = lab.student.get_input_embeddings()
    assert torch.allclose(view.embed(table), table(batch.ids), atol=1e-12)

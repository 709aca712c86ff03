"""View and Batch: the words between a method and the trainer."""

from __future__ import annotations

import torch

from matekd_bench import Batch


def make_batch(rows=7, length=5, **fields):
    ids = torch.arange(rows * length).reshape(rows, length)
    return Batch(
        uids=[f"u{row}" for row in range(rows)], lengths=[length] * rows, ids=ids, mask=torch.ones_like(ids),
        special=ids % 5 == 0, types=torch.zeros_like(ids), labels=torch.arange(rows),
        teacher_logits=torch.arange(rows * 2.0).reshape(rows, 2), update=3, epoch=1, phase="student", total=rows,
        **fields,
    )  # fmt: skip


def test_the_clean_view_has_both_shares_labels_and_the_cached_teacher():
    batch = make_batch()
    view = batch.clean
    assert all(getattr(view, name) is getattr(batch, name) for name in ("ids", "mask", "types", "labels"))
    assert (view.gold, view.soft, view.teacher, view.dropout) == (1.0, 1.0, "clean", 0)


def test_rows_cut_every_column_and_remember_where_they_were():
    batch = make_batch(prepared=list("abcdefg"))
    piece = batch.rows(2, 5)
    assert (len(piece), piece.uids, piece.prepared) == (3, ["u2", "u3", "u4"], ["c", "d", "e"])
    for name in ("ids", "mask", "special", "types", "labels", "teacher_logits"):
        assert getattr(piece, name).equal(getattr(batch, name)[2:5])
    assert (piece.offset, piece.total, piece.update, piece.epoch) == (2, 7, 3, 1)
    inner = batch.rows(2, 7).rows(1, 3)
    assert (inner.uids, inner.offset) == (["u3", "u4"], 3)
    assert piece.whole is inner.whole is batch.whole is batch


def test_what_a_batch_lacks_its_pieces_lack():
    batch = Batch(
        ["u"], [2], *[torch.zeros(1, 2, dtype=torch.long)] * 3, None, torch.zeros(1), None, 0, 0, "own", 1
    )
    piece = batch.rows(0, 1)
    assert (piece.types, piece.teacher_logits, piece.prepared) == (None, None, None)


def test_weights_are_replaced_and_shifts_multiply_them():
    view = make_batch().clean
    halved = view.weighted(gold=0.25, soft=0.5)
    assert (halved.gold, halved.soft) == (0.25, 0.5)
    shift = torch.zeros(7, 5, 4)
    third = halved.shifted(shift, weight=1 / 4)
    assert third.shift is shift
    assert (third.gold, third.soft) == (0.0625, 0.125)
    assert (view.gold, view.soft, view.shift) == (1.0, 1.0, None)

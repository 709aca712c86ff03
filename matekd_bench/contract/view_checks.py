"""Promises about what a method yields: shapes, labels, special tokens, padding, and how much of the loss it spends."""

from __future__ import annotations

import torch
from torch import Tensor

from matekd_bench.contract.bench import Bench, Make
from matekd_bench.contract.checks import CheckFailedError, contract_check
from matekd_bench.contract.subject import Subject
from matekd_bench.methods.views import Batch, View

KINDS = (torch.int64, torch.int32)


@contract_check("shapes", "what is yielded are views whose tensors fit the batch in shape, type and device")
def shapes(subject: Subject, make: Make) -> None:
    """Raises BrokenError for the first tensor of the wrong size, type or device."""
    bench = make("pairs")

    def look(view: View, batch: Batch) -> None:
        problem = _misfit(view, batch, bench)
        if problem:
            raise CheckFailedError(problem, "See 'Of a View' in docs/write-a-method.md.")

    done = bench.update(look=look)
    if not done.views:
        raise CheckFailedError(
            "Nothing was yielded in an update of the student's.",
            "Yield at least batch.clean.",
        )


def _misfit(view: View, batch: Batch, bench: Bench) -> str | None:
    rows, (_, length) = len(batch), view.ids.shape if view.ids.ndim == 2 else (0, 0)
    width = bench.shop.context.word_embeddings.width
    wanted: list[tuple[str, Tensor | None, tuple[int, ...]]] = [
        ("ids", view.ids, (rows, length)),
        ("mask", view.mask, (rows, length)),
        ("types", view.types, (rows, length)),
        ("shift", view.shift, (rows, length, width)),
    ]
    if view.embed is not None:
        embedded = view.embed(bench.student.get_input_embeddings())
        wanted.append(("embed", embedded, (rows, length, width)))
    if isinstance(view.teacher, Tensor):
        wanted.append(("teacher", view.teacher, (rows, 2)))
    for name, tensor, shape in wanted:
        if tensor is not None and tuple(tensor.shape) != shape:
            return f"'{name}' of a view has shape {tuple(tensor.shape)} where {shape} is needed."
        if tensor is not None and tensor.device != batch.ids.device:
            return f"'{name}' of a view is on {tensor.device}, the batch is on {batch.ids.device}."
    if view.ids.dtype not in KINDS:
        return f"'ids' of a view are {view.ids.dtype}, not integers."
    if int(view.ids.min()) < 0 or int(view.ids.max()) >= bench.encoder.tokens.size:
        return f"A view has ids outside of the vocabulary, 0 to {bench.encoder.tokens.size - 1}."
    if view.labels is not None and len(view.labels) != rows:
        return f"'labels' of a view has {len(view.labels)} entries for {rows} rows."
    return None


@contract_check("labels", "class labels stay those of the batch's rows")
def labels(subject: Subject, make: Make) -> None:
    """Raises BrokenError where a view that learns from class ids has others than the batch."""
    done = make("single").update()
    for view in done.views:
        learns = bool(view.gold) and view.labels is not None and not view.labels.is_floating_point()
        if learns and view.labels is not None and not view.labels.equal(done.batch.labels):
            raise CheckFailedError(
                "A view with a gold share has class labels that are not batch.labels.",
                "Leave relabelling to the teacher: gold=0 and teacher='same'; mixed labels are floats [B, C].",
            )


@contract_check("weights", "the views of one update spend the study's weights, no more and no less")
def weights(subject: Subject, make: Make) -> None:
    """Raises BrokenError unless gold and soft shares both sum to 1; a control may move weight between them."""
    done = make("single").update()
    gold = sum(view.gold for view in done.views)
    soft = sum(view.soft for view in done.views)
    spent = (gold + 2 * soft) / 3
    if subject.record.control and abs(spent - 1) < 1e-6:
        return
    if abs(gold - 1) > 1e-6 or abs(soft - 1) > 1e-6:
        raise CheckFailedError(
            f"The shares sum to gold={gold:g} and soft={soft:g}; both must sum to 1.",
            "Else the method is compared by the size of its loss: share them out with view.weighted(gold=, soft=).",
        )


@contract_check("special-tokens", "special tokens stay where they are and are seen")
def special_tokens(subject: Subject, make: Make) -> None:
    """Raises BrokenError where a special token of the batch was replaced or hidden."""
    bench = make("pairs")
    done = bench.update()
    for view in done.views:
        if bench.written(view):
            _ends_kept(view, done.batch)
            continue
        special = done.batch.special & (done.batch.mask == 1)
        if not view.ids[special].equal(done.batch.ids[special]):
            raise CheckFailedError(
                "A special token ([CLS], [SEP]) was replaced by another.",
                "Change ids only where `maskable`, or ~batch.special, is true.",
            )
        if not bool(view.mask[special].all()):
            raise CheckFailedError(
                "A special token was hidden from the networks.", "Change the mask only at ~batch.special."
            )


def _ends_kept(view: View, batch: Batch) -> None:
    first, separator = batch.ids[0, 0], batch.ids[0, batch.lengths[0] - 1]
    if not bool((view.ids[:, 0] == first).all()) or not bool(((view.ids == separator).sum(1) == 2).all()):
        raise CheckFailedError(
            "A rewritten pair does not begin with the first special token or has not two separators.",
            "Encode text with context.encode() and context.collate().",
        )


@contract_check("padding", "padding stays padding: its id, a mask of 0, no shift")
def padding(subject: Subject, make: Make) -> None:
    """Raises BrokenError where something was put behind the end of a row."""
    bench = make("single")
    pad = bench.encoder.tokens.pad
    for view in bench.update().views:
        seen = view.mask.flip(1).cumsum(1).flip(1) > 0  # up to the last token that is seen
        if not bool((view.ids[~seen] == pad).all()):
            raise CheckFailedError(
                "An id behind the end of a row is not the padding's.",
                "Change ids only where `maskable`, or ~batch.special, is true.",
            )
        if bool(view.mask[view.ids == pad].any()):
            raise CheckFailedError(
                "The networks are shown padding.", "Leave the mask 0 where batch.mask is 0."
            )
        if view.shift is not None and bool(view.shift.detach()[view.mask == 0].any()):
            raise CheckFailedError(
                "A shift is not zero at padding.", "Multiply it by batch.mask.unsqueeze(-1)."
            )

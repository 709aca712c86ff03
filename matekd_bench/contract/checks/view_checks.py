"""Checks of the views that a method yields: shapes, labels, special tokens, padding, and shares of the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from matekd_bench.contract.bench import Bench, Make
from matekd_bench.contract.registry import CheckFailedError, contract_check
from matekd_bench.contract.subject import Subject
from matekd_bench.methods.views import Batch, View

ID_TYPES = (torch.int64, torch.int32)  # the types that an embedding table takes
SHARES_ATOL = 1e-6  # shares such as 1/3 do not add up to exactly 1 in floating point


@contract_check("shapes", "the method yields views whose tensors fit the batch in shape, type and device")
def shapes(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError for the first tensor of the wrong size, type or device."""
    bench = make("pairs")

    def check_fit(view: View, batch: Batch) -> None:
        problem = _misfit(view, batch, bench)
        if problem:
            raise CheckFailedError(problem, "See 'Fields of a View' in docs/method-views.md.")

    # Checked while views are yielded: later, the trainer would already have raised its own error.
    update = bench.update(on_view=check_fit)
    if not update.views:
        raise CheckFailedError(
            "The method yielded nothing in an update of the student.",
            "Yield at least batch.clean.",
        )


def _misfit(view: View, batch: Batch, bench: Bench) -> str | None:
    rows, (_, length) = len(batch), view.ids.shape if view.ids.ndim == 2 else (0, 0)
    width = bench.session.context.word_embeddings.width
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
        wanted.append(("teacher", view.teacher, (rows, 2)))  # the toy task has two classes
    for name, tensor, shape in wanted:
        if tensor is not None and tuple(tensor.shape) != shape:
            return f"'{name}' of a view has shape {tuple(tensor.shape)}, but {shape} is needed."
        if tensor is not None and tensor.device != batch.ids.device:
            return f"'{name}' of a view is on {tensor.device}, the batch is on {batch.ids.device}."
    if view.ids.dtype not in ID_TYPES:
        return f"'ids' of a view are {view.ids.dtype}, not integers."
    if int(view.ids.min()) < 0 or int(view.ids.max()) >= bench.encoder.tokens.size:
        return f"A view has ids outside of the vocabulary, 0 to {bench.encoder.tokens.size - 1}."
    if view.labels is not None and len(view.labels) != rows:
        return f"'labels' of a view has {len(view.labels)} entries for {rows} rows."
    return None


@contract_check("labels", "class labels stay those of the batch's rows")
def labels(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if a view with a gold share has other class ids than the batch."""
    update = make("single").update()
    for view in update.views:
        # labels of floats are mixtures of classes, which a method may make from several rows
        learns = bool(view.gold) and view.labels is not None and not view.labels.is_floating_point()
        if learns and view.labels is not None and not view.labels.equal(update.batch.labels):
            raise CheckFailedError(
                "A view with a gold share has class labels that are not batch.labels.",
                "Leave relabeling to the teacher, with gold=0 and teacher='same'. Give mixed labels as floats [B, C].",
            )


@contract_check("unlabeled", "rows without a label are learned only from the teacher")
def unlabeled(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if a missing label makes the loss or the gradient infinite or NaN."""
    for kind in ("single", "regression"):
        if not make(kind, unlabeled=True).update().finite:
            raise CheckFailedError(
                "With rows that have no label, the loss or the gradient is not finite.",
                "Use models.gold, which is 0 for these rows. Their label in batch.labels is the class -100 or the "
                "score NaN.",
            )


@contract_check("weights", "the gold shares of an update's views sum to 1, and so do the soft shares")
def weights(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError unless gold and soft shares both sum to 1.

    Baselines and ablations may move weight from one term to the other: `finetune` learns from gold labels alone.
    """
    update = make("single").update()
    gold = sum(view.gold for view in update.views)
    soft = sum(view.soft for view in update.views)
    spent = (gold + 2 * soft) / 3  # the objective's default weights: 1/3 on gold labels, 2/3 on the teacher
    if subject.record.role != "method" and abs(spent - 1) < SHARES_ATOL:
        return
    if abs(gold - 1) > SHARES_ATOL or abs(soft - 1) > SHARES_ATOL:
        raise CheckFailedError(
            f"The shares sum to gold={gold:g} and soft={soft:g}; both must sum to 1.",
            "Divide the shares among the views with view.weighted(gold=, soft=). Otherwise methods differ in the size "
            "of their loss.",
        )


@contract_check("special-tokens", "special tokens keep their places and stay visible")
def special_tokens(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if a special token of the batch was replaced or hidden."""
    bench = make("pairs")
    update = bench.update()
    for view in update.views:
        if bench.is_rewritten(view):  # its positions are not those of the batch
            _check_rewritten_pair(view, update.batch)
            continue
        special = update.batch.special & (update.batch.mask == 1)  # `special` is true at padding too
        if not view.ids[special].equal(update.batch.ids[special]):
            raise CheckFailedError(
                "A special token ([CLS], [SEP]) was replaced by another token.",
                "Change ids only where `maskable`, or ~batch.special, is true.",
            )
        if not bool(view.mask[special].all()):
            raise CheckFailedError(
                "A special token was hidden from the networks.", "Change the mask only at ~batch.special."
            )


def _check_rewritten_pair(view: View, batch: Batch) -> None:
    first, separator = batch.ids[0, 0], batch.ids[0, batch.lengths[0] - 1]
    if not bool((view.ids[:, 0] == first).all()) or not bool(((view.ids == separator).sum(1) == 2).all()):
        raise CheckFailedError(
            "A rewritten pair does not start with the first special token, or does not have two separators.",
            "Encode text with context.encode() and context.collate().",
        )


@contract_check("padding", "padding keeps its id, its mask of 0 and a shift of 0")
def padding(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if something was put after the end of a row."""
    bench = make("single")
    pad = bench.encoder.tokens.pad
    for view in bench.update().views:
        # True up to the last token that is seen: a method may hide tokens inside a row, which does not shorten it.
        inside = view.mask.flip(1).cumsum(1).flip(1) > 0
        if not bool((view.ids[~inside] == pad).all()):
            raise CheckFailedError(
                "An id after the end of a row is not the padding id.",
                "Change ids only where `maskable`, or ~batch.special, is true.",
            )
        if bool(view.mask[view.ids == pad].any()):
            raise CheckFailedError(
                "The mask shows padding to the networks.", "Leave the mask 0 where batch.mask is 0."
            )
        # detached: the values are read here, the graph belongs to the method
        if view.shift is not None and bool(view.shift.detach()[view.mask == 0].any()):
            raise CheckFailedError(
                "A shift is not zero at padding.", "Multiply it by batch.mask.unsqueeze(-1)."
            )

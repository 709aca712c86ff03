"""Checks of a perturbation's effect: it changes the texts or tokens that it is for, and nothing else."""

from __future__ import annotations

from matekd_bench.contract.bench import Bench, Make, Update
from matekd_bench.contract.checks.randomness_checks import DRAW
from matekd_bench.contract.registry import CheckFailedError, CheckSkippedError, contract_check
from matekd_bench.contract.subject import Subject


@contract_check("inputs", "the batch and the teacher stay unchanged")
def inputs(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if the method writes into the batch or changes the teacher's weights or mode."""
    for phase in make("single").phases:
        bench = make("single")
        teacher = bench.teacher
        before = {name: value.clone() for name, value in teacher.state_dict().items()}
        if name := bench.update(phase).overwritten:
            raise CheckFailedError(
                f"The method writes into batch.{name}, which other views use.",
                "Change a copy: use batch.ids.clone(), masked_fill or where, but not masked_fill_.",
            )
        changed = [name for name, value in teacher.state_dict().items() if not value.equal(before[name])]
        if changed or any(weight.requires_grad for weight in teacher.parameters()):
            raise CheckFailedError(
                "The method changes the teacher's weights, or asks for their gradients.", FROZEN
            )
        if any(module.training for module in teacher.modules()):
            raise CheckFailedError("The method puts the teacher into train mode.", FROZEN)


FROZEN = "Ask the teacher with models.teacher_logits(view) and leave it frozen."


@contract_check(
    "effect", "a perturbation of text or tokens changes rows, leaves some text, and differs between epochs"
)
def effect(subject: Subject, make: Make) -> str | None:
    """Return a warning if the perturbation changes nothing, empties all texts or repeats itself: it may be intended."""
    if subject.record.level not in ("text", "token") or subject.record.role == "baseline":
        raise CheckSkippedError("only text-level and token-level methods replace words")
    bench = make("single")
    updates = [bench.update(number=number) for number in (2, 3)]  # in two epochs
    if all(_is_emptied(bench, update) for update in updates):
        return "every text becomes empty: the student learns nothing from them."
    if not any(_changed(update) for update in updates):
        return f"no token of {len(bench.rows)} rows changes in two epochs."
    if _ids(updates[0]) == _ids(updates[1]):
        return f"two epochs perturb the same rows in the same way. If the rule is random: {DRAW}"
    return None


def _is_emptied(bench: Bench, update: Update) -> bool:
    """Return True if the perturbed texts of an update have no words left."""
    texts = [text for view in update.views for row in bench.texts_of(view) or () for text in row]
    return bool(texts) and not any(text.strip() for text in texts)


def _changed(update: Update) -> bool:
    """Return True if a view of the update differs from the clean batch."""
    return any(
        view.shift is not None
        or view.embed is not None
        or view.ids.shape != update.batch.ids.shape
        or not view.ids.equal(update.batch.ids)
        or not view.mask.equal(update.batch.mask)
        for view in update.views
    )


def _ids(update: Update) -> list[object]:
    """Return the ids and masks of all views, as plain values."""
    return [
        (view.ids.tolist(), view.mask.tolist(), view.shift is None and view.embed is None)
        for view in update.views
    ]

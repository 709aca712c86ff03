"""Checks of a method's state: micro-batches and interruptions change neither its numbers nor its state."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from matekd_bench.contract.bench import Bench, Make, Update
from matekd_bench.contract.comparing import first_difference, gap, is_same, tolerance
from matekd_bench.contract.global_random import seeded
from matekd_bench.contract.registry import CheckFailedError, contract_check
from matekd_bench.contract.subject import Subject
from matekd_bench.distill.training.resume import checkpoint_files, read_state
from matekd_bench.files.durable import CheckpointFolder

PIECE = 5  # rows: an update of twelve comes in pieces of 5, 5 and 2, the last one smaller than the others
REPORTS_RTOL = 1e-5  # of diagnostics, which are summed in float32
SAVED_AFTER, RESUMED_FOR = 3, 2  # updates


@contract_check(
    "pieces", "an update in micro-batches has the gradient, state and diagnostics of the whole batch"
)
def pieces(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if micro-batches change the gradient, the method's state or its diagnostics."""
    for phase in make("pairs").phases:
        whole, parts = make("pairs"), make("pairs")
        whole_update = _update(whole, phase)
        parts_update = _update(parts, phase, micro_batch=PIECE)
        difference = gap(whole_update.grads, parts_update.grads)
        allowed = tolerance(whole_update.grads.values())
        if difference > allowed:
            raise CheckFailedError(
                f"In micro-batches of {PIECE} rows, the gradient differs by {difference:.1e} of its norm.",
                "Give losses per example, draw noise with context.draw, count with batch.update, and use batch.whole "
                "where examples are mixed.",
            )
        place = first_difference(_carried(whole), _carried(parts), rtol=max(allowed, REPORTS_RTOL))
        if place is not None:
            raise CheckFailedError(
                f"'{place}' in micro-batches of {PIECE} rows differs from its value for the whole batch.",
                "Report sums with context.report(name, total, count), and count an update only once, where "
                "batch.offset is 0.",
            )


def _update(bench: Bench, phase: Any, number: int = 2, micro_batch: int | None = None) -> Update:
    """Make an update with the global generators in the same state each time; `random-state` checks for their use."""
    with seeded(number):
        return bench.update(phase, number=number, micro_batch=micro_batch)


def _carried(bench: Bench) -> dict[str, Any]:
    """Return the state of a method and its diagnostics."""
    return {
        "state_dict()": bench.method.state_dict(),
        "diagnostics()": bench.method.diagnostics(),
        "context.report": bench.session.context.diagnostics(),
    }


@contract_check("resume", "a run that is saved and loaded continues as if it had not been interrupted")
def resume(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if a new instance that loads a checkpoint differs in any bit."""
    original = make("pairs", dropout=True)
    resumed = make("pairs", dropout=True, warm_up=False)
    for number in range(SAVED_AFTER):
        _each_phase(original, number)
    with tempfile.TemporaryDirectory() as name:
        checkpoints = CheckpointFolder(Path(name))
        checkpoints.save(
            SAVED_AFTER, checkpoint_files(original.session.modules, original.session.state_dict())
        )
        folder = next(checkpoints.folders())
        resumed.session.load_state_dict(read_state(folder), folder)
    for number in range(SAVED_AFTER, SAVED_AFTER + RESUMED_FOR):
        pairs = zip(_each_phase(original, number), _each_phase(resumed, number), strict=True)
        same = all(is_same(first, second) for first, second in pairs)
        place = first_difference(_everything(original), _everything(resumed))
        if not same or place is not None:
            raise CheckFailedError(
                f"Saved after {SAVED_AFTER} updates and loaded into a new instance, the method makes a different "
                f"update {number + 1}{f' ({place} differs)' if same else ''}.",
                "Return what the method remembers from state_dict(), set it in load_state_dict(state), and hand "
                "modules to context.prepare.",
            )


def _each_phase(bench: Bench, number: int) -> list[Update]:
    """Make the auxiliary update and the student's update of this number."""
    return [_update(bench, phase, number) for phase in reversed(bench.phases)]


def _everything(bench: Bench) -> dict[str, Any]:
    """Return everything that a checkpoint holds: states and weights."""
    weights = [module.state_dict() for module in bench.session.modules]
    return {**bench.session.state_dict(), "weights": weights}

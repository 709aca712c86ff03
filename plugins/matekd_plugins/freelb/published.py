"""The sizes that FreeLB's authors published by task, as their launch scripts hold them."""

from __future__ import annotations

from typing import NamedTuple

from matekd_bench import UsageError


class Sizes(NamedTuple):
    """What an update of FreeLB is measured by: passes, ascent step, first perturbation and bound (0: none)."""

    passes: int
    adv_lr: float
    init_mag: float
    max_norm: float


# github.com/zhuchen03/FreeLB, commit d8c1695, fairseq-RoBERTa/launch/FreeLB: the runs that are not commented out. There
# K = 2 or 3 counts ascent steps: one pass more. RTE's only such runs are a baseline without perturbation.
ROBERTA = {
    "cola": Sizes(4, 2.5e-2, 0.4, 0.3),
    "mnli": Sizes(3, 0.1, 0.1, 0.3),
    "mrpc": Sizes(4, 4e-2, 0.64, 0.4),
    "qnli": Sizes(3, 7.5e-2, 0.15, 0.15),
    "qqp": Sizes(3, 0.2, 0.32, 0.7),
    "sst2": Sizes(3, 0.1, 1.0, 0.6),
    "stsb": Sizes(4, 0.1, 0.16, 0.28),
}

# The same, commit f6c2309, huggingface-transformers/launch/run_glue.sh. There K counts passes.
ALBERT = {
    "cola": Sizes(3, 4e-2, 5e-2, 0.0),
    "mnli": Sizes(3, 4e-2, 8e-2, 0.0),
    "mrpc": Sizes(4, 3e-2, 0.0, 0.0),
    "qnli": Sizes(3, 5e-2, 0.1, 0.0),
    "qqp": Sizes(3, 0.2, 0.32, 0.7),
    "rte": Sizes(3, 0.1, 0.0, 0.0),
    "sst2": Sizes(2, 0.1, 0.6, 0.0),
    "stsb": Sizes(3, 0.1, 0.2, 0.0),
}

TABLES = {"roberta": ROBERTA, "albert": ALBERT}


def published(table: str, task: str) -> Sizes:
    """The sizes of `task` in `table`, in absolute units; UsageError where there are none."""
    reason = lacking(table, task)
    if reason is not None:
        raise UsageError(reason)
    return TABLES[table][task]


def lacking(table: str, task: str) -> str | None:
    """Why `table` says nothing about `task`; None where it does."""
    if task in TABLES[table]:
        return None
    return (
        f"published={table} has no sizes for it, only for {', '.join(TABLES[table])}. "
        "Leave 'published' out, or give adv_lr, init_mag and max_norm."
    )

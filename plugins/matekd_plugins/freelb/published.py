"""Tables of the perturbation sizes in the launch scripts of FreeLB's authors, by task."""

from __future__ import annotations

from typing import NamedTuple

from matekd_bench import UsageError


class Sizes(NamedTuple):
    """Sizes of one FreeLB update: passes, ascent step, first perturbation and bound on the norm (0: no bound)."""

    passes: int
    adv_lr: float
    init_mag: float
    max_norm: float


# github.com/zhuchen03/FreeLB, commit d8c1695, fairseq-RoBERTa/launch/FreeLB: the runs that are not commented out.
# Their K counts ascent steps, so there is one more pass. RTE is missing: its only such runs are a baseline without
# perturbation.
ROBERTA = {
    "cola": Sizes(4, 2.5e-2, 0.4, 0.3),
    "mnli": Sizes(3, 0.1, 0.1, 0.3),
    "mrpc": Sizes(4, 4e-2, 0.64, 0.4),
    "qnli": Sizes(3, 7.5e-2, 0.15, 0.15),
    "qqp": Sizes(3, 0.2, 0.32, 0.7),
    "sst2": Sizes(3, 0.1, 1.0, 0.6),
    "stsb": Sizes(4, 0.1, 0.16, 0.28),
}

# The same repository, commit f6c2309, huggingface-transformers/launch/run_glue.sh. Its K counts passes.
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


def published_sizes(table: str, task: str) -> Sizes:
    """Return the sizes of `task` in `table`, in units of the embeddings; UsageError if the table has none."""
    reason = missing_sizes(table, task)
    if reason is not None:
        raise UsageError(reason)
    return TABLES[table][task]


def missing_sizes(table: str, task: str) -> str | None:
    """Explain that `table` has no sizes for `task`; None if it has."""
    if task in TABLES[table]:
        return None
    return (
        f"published={table} has no sizes for this task, only for {', '.join(TABLES[table])}. "
        "Leave 'published' out: adv_lr, init_mag and max_norm then set the sizes."
    )

"""The records of one or several results folders as one collection that holds each run once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matekd_bench.errors import ResultsError
from matekd_bench.gc_pause import gc_paused
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.run_copies import RunCopy, choose_copy

RESULT = (
    "status",
    "scores",
    "also",
)  # fields in which copies must agree; others do not affect a leaderboard's scores


@dataclass(frozen=True)
class Collection:
    """Records of several results folders, sorted by run id.

    `stores` maps each run id to the results folder that holds the record. `damaged` lists the run folders that were
    skipped, each with the reason.
    """

    records: tuple[Record, ...]
    stores: Mapping[str, ResultsStore]
    damaged: tuple[tuple[Path, str], ...]


@gc_paused()
def read_folders(folders: Sequence[Path]) -> Collection:
    """Read every undamaged record in `folders`; a run that is in several of them counts once.

    `choose_copy` says which of two records of one run is taken. Raises ResultsError for a missing folder, and for two
    records of one run with different results.
    """
    copies: dict[str, RunCopy] = {}
    damaged: list[tuple[Path, str]] = []
    for folder in dict.fromkeys(folders):
        if not folder.is_dir():
            raise ResultsError(
                f"there is no results folder '{folder}':", hint="'matekd-bench run' creates one."
            )
        store = ResultsStore(folder)
        for record in store.records():
            copy = RunCopy(store, record)
            known = copies.get(record.run_id)
            copies[record.run_id] = copy if known is None else _choose(known, copy)
        damaged += store.damaged
    records = tuple(copies[run_id].record for run_id in sorted(copies))
    return Collection(records, {run_id: copy.store for run_id, copy in copies.items()}, tuple(damaged))


def _choose(a: RunCopy, b: RunCopy) -> RunCopy:
    try:
        return choose_copy(a, b, only=RESULT)
    except ResultsError as error:
        hint = "read only one of the two folders, or delete the run from one of them."
        raise ResultsError(f"{error.message}:", hint=hint) from None

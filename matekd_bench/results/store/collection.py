"""The records of one or several results folders as one collection that holds each run once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from matekd_bench.errors import ResultsError
from matekd_bench.gc_pause import gc_paused
from matekd_bench.results.records.run_record import Record, to_json
from matekd_bench.results.store.results_store import ResultsStore

LocatedRecord: TypeAlias = tuple[Record, ResultsStore]  # a record and the results folder that holds it


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

    Of two records of one run with the same result, the older is taken: they may differ in seconds, which depend on
    the machine. Raises ResultsError for a missing folder, and for two records of one run with different results.
    """
    located: dict[str, LocatedRecord] = {}
    damaged: list[tuple[Path, str]] = []
    for folder in dict.fromkeys(folders):
        if not folder.is_dir():
            raise ResultsError(
                f"there is no results folder '{folder}':", hint="'matekd-bench run' creates one."
            )
        store = ResultsStore(folder)
        for record in store.records():
            known = located.get(record.run_id)
            located[record.run_id] = (record, store) if known is None else _choose(known, (record, store))
        damaged += store.damaged
    records = tuple(located[run_id][0] for run_id in sorted(located))
    return Collection(records, {run_id: store for run_id, (_, store) in located.items()}, tuple(damaged))


def _choose(a: LocatedRecord, b: LocatedRecord) -> LocatedRecord:
    """Choose one of two records of a run: one with a score before a failed one, then the older."""
    scored = [located for located in (a, b) if located[0].task_score is not None]
    if len(scored) == 1:
        return scored[0]
    if a[0].scores != b[0].scores or a[0].status != b[0].status:
        raise ResultsError(
            f"run '{a[0].run_id}' has one result in {a[1].root} and another in {b[1].root}:",
            hint="read only one of the two folders, or delete the run from one of them.",
        )
    # The text breaks ties, so that the order of the folders does not matter.
    return min(a, b, key=lambda located: (located[0].provenance.created, to_json(located[0])))

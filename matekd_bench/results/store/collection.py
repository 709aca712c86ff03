"""Records of one or several results folders as one collection, each run once and with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matekd_bench.errors import ResultsError
from matekd_bench.gc_pause import gc_paused
from matekd_bench.results.records.run_record import Record, to_json
from matekd_bench.results.store.results_store import ResultsStore


@dataclass(frozen=True)
class Collection:
    """Records by run id, and where each lies; `damaged` are the folders that were left out, with the reason."""

    records: tuple[Record, ...]
    homes: Mapping[str, ResultsStore]
    damaged: tuple[tuple[Path, str], ...]


@gc_paused()
def read_folders(folders: Sequence[Path]) -> Collection:
    """Every whole record in `folders`; a run that lies in several counts once.

    Two records of one run that say the same result are one (the older is kept: machines differ in seconds).
    Raises ResultsError for a folder that is not there, or two records of one run with different results.
    """
    found: dict[str, tuple[Record, ResultsStore]] = {}
    damaged: list[tuple[Path, str]] = []
    for folder in dict.fromkeys(folders):
        if not folder.is_dir():
            raise ResultsError(
                f"there is no results folder '{folder}':", hint="'matekd-bench run' makes one."
            )
        store = ResultsStore(folder)
        for record in store.records():
            known = found.get(record.run_id)
            found[record.run_id] = (record, store) if known is None else _one(known, (record, store))
        damaged += store.damaged
    records = tuple(found[run_id][0] for run_id in sorted(found))
    return Collection(records, {run_id: store for run_id, (_, store) in found.items()}, tuple(damaged))


def _one(a: tuple[Record, ResultsStore], b: tuple[Record, ResultsStore]) -> tuple[Record, ResultsStore]:
    """One of two records of a run: one with a score before a failed one, then the older."""
    scored = [place for place in (a, b) if place[0].task_score is not None]
    if len(scored) == 1:
        return scored[0]
    if a[0].scores != b[0].scores or a[0].status != b[0].status:
        raise ResultsError(
            f"run '{a[0].run_id}' has one result in {a[1].root} and another in {b[1].root}:",
            hint="read one of the two folders, or delete the run from one.",
        )
    return min(a, b, key=lambda place: (place[0].provenance.created, to_json(place[0])))

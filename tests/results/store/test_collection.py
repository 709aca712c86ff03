"""Several folders as one collection that holds each run once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matekd_bench.errors import ResultsError
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.collection import read_folders
from matekd_bench.results.store.results_store import ResultsStore


def folder(place: Path, *records: Record) -> Path:
    store = ResultsStore(place)
    place.mkdir(exist_ok=True)
    for record in records:
        store.write(record)
    return place


def test_several_folders_are_one_collection(tmp_path: Path, make_record: Any) -> None:
    runs = [make_record(seed=seed) for seed in range(4)]
    a, b = folder(tmp_path / "a", *runs[:2]), folder(tmp_path / "b", *runs[2:])
    for folders in ([a, b], [b, a], [a, b, a]):
        found = read_folders(folders)
        assert [run.run_id for run in found.records] == sorted(run.run_id for run in runs)
        assert (found.stores[runs[3].run_id].root, found.damaged) == (b, ())


@pytest.mark.parametrize(
    ("taken", "other"),
    [
        ({"created": "2026-01-01T00:00:00Z"}, {"created": "2026-02-02T00:00:00Z", "train_seconds": 9.0}),
        ({}, {"score": None, "created": "2025-01-01T00:00:00Z"}),  # a score goes before a failure
    ],
)
def test_a_run_in_two_folders_counts_once(taken: Any, other: Any, tmp_path: Path, make_record: Any) -> None:
    record = make_record(**taken)
    a, b = folder(tmp_path / "a", make_record(**other)), folder(tmp_path / "b", record)
    for folders in ([a, b], [b, a]):
        found = read_folders(folders)
        assert (found.records, found.stores[record.run_id].root) == ((record,), b)


def test_two_results_of_one_run_are_refused(tmp_path: Path, make_record: Any) -> None:
    a, b = folder(tmp_path / "a", make_record()), folder(tmp_path / "b", make_record(score=0.71))
    with pytest.raises(ResultsError, match=rf"{make_record().run_id}.*{a.name}.*{b.name}"):
        read_folders([a, b])

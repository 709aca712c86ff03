"""The index: the same records, never instead of a file that has changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.results.records.run_record import to_json
from matekd_bench.results.store import record_index
from matekd_bench.results.store.results_store import ResultsStore

REFERENCE = Path(__file__).resolve().parents[3] / "results" / "reference" / "minilm-first-light"


@pytest.fixture
def store(tmp_path: Path, make_record: Any, monkeypatch: pytest.MonkeyPatch) -> ResultsStore:
    """Some real records, a failed one and a plain one, in a folder that is large enough to be indexed."""
    monkeypatch.setattr(record_index, "MIN_RECORDS", 3)
    found = ResultsStore(tmp_path / "results")
    for run in (*ResultsStore(REFERENCE).records()[:6], make_record(), make_record("eda", score=None)):
        found.write(run.model_copy(update={"predictions": None}))
    return found


@pytest.fixture
def reads(store: ResultsStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the records that are read from their own files."""
    seen: list[str] = []
    read = ResultsStore.read

    def watched(self: ResultsStore, run_id: str) -> Any:
        seen.append(run_id)
        return read(self, run_id)

    monkeypatch.setattr(ResultsStore, "read", watched)
    return seen


def test_records_from_the_index_are_the_same(store: ResultsStore, reads: list[str]) -> None:
    first = store.records()
    assert len(reads) == 8
    second = store.records()
    assert len(reads) == 8
    assert second == first
    assert [to_json(run) for run in second] == [to_json(run) for run in first]
    assert [run.model_dump_json() for run in second] == [run.model_dump_json() for run in first]
    assert len({id(run.teacher) for run in second if run.teacher}) < len(second)  # in memory once


def test_a_changed_record_is_read_again_and_a_lost_one_is_gone(store: ResultsStore, reads: list[str]) -> None:
    before = store.records()
    changed, lost = before[0], before[1]
    path = store.runs / changed.run_id / "record.json"
    stamp = path.stat()
    text = path.read_text()
    plain = json.loads(text)
    plain["compute"]["train_seconds"] += 1000
    path.write_text(json.dumps(plain, indent=1))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (store.runs / lost.run_id / "record.json").unlink()
    reads.clear()
    after = {run.run_id: run for run in store.records()}
    assert reads == [changed.run_id]
    assert after[changed.run_id].compute.train_seconds == changed.compute.train_seconds + 1000
    assert lost.run_id not in after
    assert [(folder.name, "no whole record" in reason) for folder, reason in store.damaged] == [
        (lost.run_id, True)
    ]


def test_a_record_that_was_damaged_after_it_was_indexed_is_named(store: ResultsStore) -> None:
    hurt = store.records()[2].run_id
    path = store.runs / hurt / "record.json"
    path.write_text(path.read_text()[:-50])
    assert hurt not in {run.run_id for run in store.records()}
    assert [folder.name for folder, _ in store.damaged] == [hurt]


@pytest.mark.parametrize("harm", [
    lambda text: text[:-20], lambda text: text.replace(b"0.", b"1.", 1), lambda text: b"", lambda text: b"{}\n[]",
])  # fmt: skip
def test_a_damaged_index_is_made_again(store: ResultsStore, reads: list[str], harm: Any) -> None:
    first = store.records()
    path = store.root / record_index.FILE
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    reads.clear()
    assert store.records() == first
    assert len(reads) == 8
    assert path.read_bytes() == whole


def test_another_versions_index_is_not_read(store: ResultsStore) -> None:
    store.records()
    assert record_index.read(store.root, "0.0.0") == {}


def test_small_folders_have_none(tmp_path: Path, make_record: Any) -> None:
    store = ResultsStore(tmp_path / "results")
    store.write(make_record())
    assert len(store.records()) == 1
    assert not (store.root / record_index.FILE).exists()


def test_a_folder_that_cannot_be_written_goes_without(
    store: ResultsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(record_index.safe_names, "write_atomically", refuse)
    assert len(store.records()) == 8

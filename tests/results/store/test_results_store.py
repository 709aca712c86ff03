"""The store: whole runs or none, damage named, nothing outside the folder touched."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.errors import ResultsError
from matekd_bench.files import safe_names
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.store.results_store import ResultsStore


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    return ResultsStore(tmp_path / "results")


@pytest.fixture
def predictions() -> Predictions:
    rng = np.random.default_rng(0)
    evaluations = tuple({"dev": rng.normal(size=(3, 2)).astype(np.float32)} for _ in range(2))
    return Predictions(evaluations=evaluations, uids={"dev": ("a1", "b2", "ü3")})


def names(store: ResultsStore) -> list[str]:
    return sorted(entry.name for entry in store.runs.iterdir())


def test_a_run_comes_back_as_it_was_written(
    store: ResultsStore, make_record: Any, predictions: Predictions
) -> None:
    history: list[dict[str, Any]] = [
        {"update": 1, "loss": 0.5},
        {"update": 2, "loss": math.nan, "deep": [math.inf, {"x": 1}]},
    ]
    record = make_record()
    assert not store.has(record.run_id)
    stored = store.write(record, predictions, history)
    assert store.has(record.run_id)
    assert store.read(record.run_id) == stored == store.records()[0]
    assert stored.model_copy(update={"predictions": None}) == record
    back: Any = store.read_predictions(stored)
    assert back.uids == predictions.uids
    np.testing.assert_array_equal(
        *([one["dev"] for one in p.evaluations] for p in (back, predictions)), strict=True
    )
    assert store.read_history(record.run_id) == [
        history[0],
        {"update": 2, "loss": None, "deep": [None, {"x": 1}]},
    ]
    with np.load(store.runs / record.run_id / "predictions.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["eval01__dev", "eval02__dev", "uids__dev"]
        assert arrays["eval01__dev"].dtype == np.float32


def test_equal_predictions_are_equal_bytes(predictions: Predictions) -> None:
    assert predictions.to_bytes() == Predictions(predictions.evaluations, dict(predictions.uids)).to_bytes()


def test_a_failed_run_is_not_done_and_is_replaced(store: ResultsStore, make_record: Any) -> None:
    failed = make_record(score=None)
    store.write(failed)
    assert not store.has(failed.run_id)
    assert [record.status for record in store.records()] == ["failed"]
    assert store.read_predictions(failed) is None
    done = make_record(run_id=failed.run_id)
    store.write(done)
    assert store.has(done.run_id)
    assert store.records() == [done]
    assert names(store) == [done.run_id]


@pytest.mark.parametrize("status", ["collapsed", "diverged"])
def test_collapsed_and_diverged_runs_are_done(store: ResultsStore, make_record: Any, status: str) -> None:
    record = make_record(status=status, reason="constant predictions")
    store.write(record)
    assert store.has(record.run_id)


def test_a_whole_record_is_never_replaced(store: ResultsStore, make_record: Any) -> None:
    record = make_record()
    store.write(record)
    with pytest.raises(ResultsError, match=record.run_id):
        store.write(make_record(score=0.1, run_id=record.run_id))
    assert store.records() == [record]


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("files_written", [0, 1, 2])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_crash_between_files_leaves_no_half_run(
    store: ResultsStore,
    make_record: Any,
    predictions: Predictions,
    monkeypatch: pytest.MonkeyPatch,
    files_written: int,
    earlier: bool,
) -> None:
    failed = make_record(score=None)
    if earlier:
        store.write(failed)
    done = make_record(run_id=failed.run_id)
    written = 0
    really_write = safe_names.write_synced

    def crash(path: Path, content: bytes) -> None:
        nonlocal written
        if written == files_written:
            raise Crash
        written += 1
        really_write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(safe_names, "write_synced", crash)
        with pytest.raises(Crash):
            store.write(done, predictions)
    assert store.records() == ([failed] if earlier else [])
    assert store.damaged == []
    store.write(done, predictions)
    assert store.has(done.run_id)


def test_a_crash_before_the_rename_leaves_no_half_run(
    store: ResultsStore, make_record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make_record()
    with monkeypatch.context() as patch:
        patch.setattr(safe_names, "sync_folder", lambda folder: (_ for _ in ()).throw(Crash))
        with pytest.raises(Crash):
            store.write(record)
    assert not store.has(record.run_id)
    assert store.records() == []


def test_a_run_is_on_the_disk_before_it_has_its_name(
    store: ResultsStore, make_record: Any, predictions: Predictions, renamed: list[dict[str, bool]]
) -> None:
    store.write(make_record(), predictions, [{"update": 1}], study={"preset": "mini"})
    files_of_a_run = ("history.jsonl", "predictions.npz", "record.json", "study.json")
    assert renamed == [dict.fromkeys((".", *files_of_a_run), True)]


def test_what_a_killed_process_leaves_is_ignored(store: ResultsStore, make_record: Any) -> None:
    record = make_record()
    left = store.runs / f".tmp-{record.run_id}-00000000"
    left.mkdir(parents=True)
    (left / "history.jsonl").write_text("{}")
    store.write(record)
    assert store.records() == [record]


def test_damaged_records_are_skipped_with_a_reason_and_kept(store: ResultsStore, make_record: Any) -> None:
    whole = [make_record(seed=seed) for seed in range(5)]
    for record in whole:
        store.write(record)
    cut, nan, moved, empty = (store.runs / record.run_id for record in whole[1:])
    (cut / "record.json").write_text((cut / "record.json").read_text()[:100])
    (nan / "record.json").write_text((nan / "record.json").read_text().replace("0.7", "NaN"))
    renamed = moved.rename(store.runs / "another-name")
    (empty / "record.json").unlink()
    assert store.records() == [whole[0]]
    reasons, named = (
        dict(store.damaged),
        {cut: "JSON", nan: "NaN", renamed: whole[3].run_id, empty: empty.name},
    )
    assert set(reasons) == set(named)
    assert [place for place in named if named[place] not in reasons[place] or "\n" in reasons[place]] == []
    store.write(whole[1])
    assert store.has(whole[1].run_id)
    assert [name for name in names(store) if name.startswith(f".damaged-{whole[1].run_id}")]


def test_records_are_sorted_by_run_id(store: ResultsStore, make_record: Any) -> None:
    records = [make_record(seed=seed) for seed in range(6)]
    for record in records:
        store.write(record)
    assert store.records() == sorted(records, key=lambda record: record.run_id)


def test_a_run_without_its_predictions_is_not_done(
    store: ResultsStore, make_record: Any, predictions: Predictions
) -> None:
    record = store.write(make_record(), predictions)
    path = store.runs / record.run_id / "predictions.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ResultsError, match="SHA-256"):
        store.read_predictions(record)
    path.unlink()
    assert not store.has(record.run_id)


def test_pickles_in_predictions_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", uids__dev=np.array([{"a": 1}], dtype=object))
    for content in ((tmp_path / "p.npz").read_bytes(), b"no zip"):
        with pytest.raises(ResultsError, match="damaged predictions"):
            Predictions.from_bytes(content)


@pytest.mark.parametrize(
    ("evaluations", "uid_splits", "error", "named"),
    [
        (({"dev": np.zeros((2, 2), np.float32)},), ["dev"], ValueError, "logits"),
        (({"test": np.zeros((1, 2), np.float32)},), ["dev"], ValueError, "evaluation 1"),
        ((), ["../dev"], ResultsError, r"\.\./dev"),
    ],
)
def test_predictions_must_fit_their_ids(
    evaluations: Any, uid_splits: list[str], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        Predictions(evaluations=evaluations, uids=dict.fromkeys(uid_splits, ("a",)))


@pytest.mark.parametrize("name", ["..", "../a", "a/b", "", "UPPER", "a\nb", "x" + os.sep])
def test_names_that_lead_elsewhere_are_refused(store: ResultsStore, name: str) -> None:
    assert not store.has(name)
    for use in (
        store.read,
        store.under_way,
        partial(store.write_data, task="rte", split="dev", uids=(), labels=()),
    ):
        with pytest.raises(ResultsError, match=re.escape(repr(name))):
            use(name)


def test_links_out_of_the_folder_are_not_followed(
    store: ResultsStore, tmp_path: Path, make_record: Any
) -> None:
    elsewhere = ResultsStore(tmp_path / "elsewhere")
    record = make_record()
    elsewhere.write(record)
    store.runs.mkdir(parents=True)
    (store.runs / record.run_id).symlink_to(elsewhere.runs / record.run_id, target_is_directory=True)
    assert store.records() == []
    assert "not followed" in store.damaged[0][1]
    with pytest.raises(ResultsError, match=record.run_id):
        store.write(record)
    assert elsewhere.records() == [record]


@pytest.mark.parametrize("kind", ["link", "fifo", "large"])
@pytest.mark.parametrize("name", ["record.json", "predictions.npz", "history.jsonl", "study.json", "data"])
def test_only_regular_files_of_usual_size_are_opened(
    store: ResultsStore, make_record: Any, predictions: Predictions, kind: str, name: str
) -> None:
    """A FIFO that is opened would wait for ever; a link leads to a whole file of the same folder."""
    record = store.write(make_record(), predictions, [{"update": 1}], study={"preset": "mini"})
    store.write_data("ab", task="rte", split="dev", uids=["a"], labels=[1])
    path = store.data / "ab.json" if name == "data" else store.runs / record.run_id / name
    path.rename(path.with_name("moved"))
    if kind == "link":
        path.symlink_to(path.with_name("moved"))
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 2**40)
    readers: dict[str, Callable[[], object]] = {
        "record.json": lambda: store.read(record.run_id),
        "predictions.npz": lambda: store.read_predictions(record),
        "history.jsonl": lambda: store.read_history(record.run_id),
        "study.json": lambda: store.read_study(record.run_id),
        "data": lambda: store.read_data("ab"),
    }
    with pytest.raises(ResultsError, match="not followed" if kind == "link" else "not opened"):
        readers[name]()
    assert len(store.records()) == (name != "record.json")


def test_a_dev_set_is_stored_once(store: ResultsStore) -> None:
    digest = "ab" * 32
    store.write_data(digest, task="rte", split="dev", uids=["a", "b"], labels=[1, 0])
    path = store.data / f"{digest}.json"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    store.write_data(digest, task="rte", split="dev", uids=["a", "b"], labels=[1, 0])
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    store.write_data(digest, task="qnli/claims", split="dev", uids=["a", "b"], labels=[1, 0])  # another name
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    found = store.read_data(digest)
    assert (found.task, found.split, found.n, found.uids, found.labels) == (
        "rte",
        "dev",
        2,
        ("a", "b"),
        (1, 0),
    )
    path.write_text(path.read_text()[:20])
    with pytest.raises(ResultsError, match="damaged data set"):
        store.read_data(digest)
    store.write_data(digest, task="rte", split="dev", uids=["a", "b"], labels=[1, 0])
    assert store.read_data(digest) == found
    with pytest.raises(ResultsError, match="no data set"):
        store.read_data("cd")


def test_gold_scores_stay_floats(store: ResultsStore) -> None:
    store.write_data("ef", task="stsb", split="dev", uids=["a", "b"], labels=[5.0, 2.75])
    assert store.read_data("ef").labels == (5.0, 2.75)
    assert json.loads((store.data / "ef.json").read_text())["labels"] == [5.0, 2.75]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, make_record: Any) -> None:
    (tmp_path / "file").write_text("")
    store = ResultsStore(tmp_path / "file")
    for attempt in (store.check_writable, lambda: store.write(make_record()), store.under_way("a").acquire):
        with pytest.raises(ResultsError, match="--results DIR") as caught:
            attempt()
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2


def test_trying_a_folder_leaves_no_trace(tmp_path: Path) -> None:
    ResultsStore(tmp_path / "a" / "b").check_writable()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs").mkdir()
    ResultsStore(tmp_path).check_writable()
    assert [path.name for path in tmp_path.rglob("*")] == ["runs"]

"""What goes to the nodes of a cluster and comes back: orders, results, files, checkpoints and events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawn_values import (
    BYTES,
    EXACT,
    FOLDER_CONTENTS,
    ON_DISK,
    STUDIES,
    TEXTS,
    drawn,
    pickled,
    same,
)
from matekd_bench.distill.artifacts.artifact_cache import cached_folder, import_folders
from matekd_bench.events import Evaluated, Event, Message, Progress, from_json
from matekd_bench.files.durable import MANIFEST
from matekd_bench.results.records.dev_set import from_json as from_text
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.under_way import RunUnderWay
from matekd_bench.study.execute.backends.ray_cluster import _newest_checkpoint
from matekd_bench.study.execute.backends.ray_node import (
    PROGRESS_SECONDS,
    NodeOrder,
    NodeResult,
    NodeSink,
    ReportMailbox,
    _sets_of,
    _with_inputs,
    files_of,
    shared_files,
    write_files,
)
from matekd_bench.study.execute.orders import Order
from matekd_bench.study.execute.study_session import SharedStudy


@given(order=drawn(NodeOrder), result=drawn(NodeResult))
@EXACT
def test_orders_and_results_come_back(order: NodeOrder, result: NodeResult) -> None:
    for sent in (order, result):
        assert same(pickled(sent), sent)


@given(study=STUDIES, plugins=st.lists(BYTES, max_size=3))
@ON_DISK
def test_the_study_of_an_order_names_the_plugin_files_where_they_are_on_the_node(
    tmp_path_factory: pytest.TempPathFactory, study: SharedStudy, plugins: list[bytes]
) -> None:
    named = {Path(f"{number}/ours.py"): content for number, content in enumerate(plugins)}
    study = replace(study, plugins=tuple(named))
    order = pickled(NodeOrder(Order("rte-1", "rte", "rte-1"), study, named, "/nowhere", "key"))
    back = _with_inputs(order, tmp_path_factory.mktemp("node"))
    assert [path.read_bytes() for path in back.plugins] == plugins
    assert [path.name for path in back.plugins] == ["ours.py"] * len(plugins)
    assert replace(back, plugins=study.plugins) == study


@given(files=FOLDER_CONTENTS, deeper=FOLDER_CONTENTS)
@ON_DISK
def test_a_folder_comes_back(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], deeper: dict[str, bytes]
) -> None:
    sent = {**files, **{f"deeper/{name}": content for name, content in deeper.items()}}
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    write_files(one, sent)
    write_files(two, pickled(files_of(one)))
    assert files_of(two) == sent


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "in/../../out"])
def test_a_file_that_leads_out_of_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ValueError, match="out"):
        write_files(folder, {name: b"content"})
    assert list(tmp_path.rglob("out")) == []


@given(update=st.integers(0, 10**8), files=FOLDER_CONTENTS)
@ON_DISK
def test_a_checkpoint_goes_to_the_driver_and_on_to_another_node(
    tmp_path_factory: pytest.TempPathFactory, update: int, files: dict[str, bytes]
) -> None:
    home = tmp_path_factory.mktemp("machines")
    first, driver, second = (RunUnderWay(home / name, "a-run") for name in ("first", "driver", "second"))
    assert _newest_checkpoint(driver) is None
    first.save(update, files)
    driver.save(*pickled((update, files_of(next(first.folders())))))
    newest = pickled(_newest_checkpoint(driver))
    assert newest == (update, files)
    second.save(update, newest[1])
    [folder] = second.folders()
    assert {name: content for name, content in files_of(folder).items() if name != MANIFEST} == files


def test_what_runs_share_goes_from_cache_to_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"weights": bytes(range(256)), "empty": b"", "é.json": b"{}"}
    folders = ["teachers/rte-1", "logits/rte-2"]
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "here"))
    for folder in folders:
        kind, key = folder.split("/")
        cached_folder(kind, key, lambda made, _: write_files(made, files))
    sent = shared_files(folders)
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "there"))
    import_folders(pickled(sent))
    assert shared_files(folders) == sent
    assert {name for name in sent if MANIFEST not in name} == {
        f"{folder}/{name}" for folder in folders for name in files
    }


@given(
    events=st.lists(st.one_of(drawn(Progress), drawn(Evaluated), drawn(Message)), max_size=8),
    gaps=st.lists(st.floats(0, 2), min_size=8, max_size=8),
    run_id=TEXTS,
)
@EXACT
def test_the_mailbox_brings_every_event_but_progress_that_comes_too_soon(
    events: list[Event], gaps: list[float], run_id: str
) -> None:
    now, sink, mailbox = 1000.0, NodeSink(), ReportMailbox()
    put: Any = SimpleNamespace(remote=lambda *report: mailbox.put(*pickled(report)))
    sink.mailbox, sink.run_id = SimpleNamespace(put=put), run_id
    last, expected = 0.0, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matekd_bench.study.execute.backends.ray_node.time.monotonic", lambda: now)
        for event, gap in zip(events, gaps, strict=False):
            now += gap
            sink.emit(event)
            if not isinstance(event, Progress) or now - last >= PROGRESS_SECONDS:
                expected.append(event if event.run_id else replace(event, run_id=run_id))
                last = now if isinstance(event, Progress) else last
    reports = pickled(mailbox.take())
    assert {name for name, _ in reports} <= {run_id}
    assert {kind for _, (kind, _) in reports} <= {"event"}
    assert same([from_json(values) for _, (_, values) in reports], expected)
    assert mailbox.take() == []


def test_labels_of_further_sets_come_with_the_run(tmp_path: Path, make_record: Any) -> None:
    store = ResultsStore(tmp_path)
    scores = {
        "name": "rte@aeda", "source": "own", "revision": None, "state": "own", "state_text": "own",
        "splits": {"dev": {"n": 2, "official_n": 2, "digest": "ab12"}}, "labels": ["no", "yes"], "label_map": {},
        "resources": {}, "notices": [], "majority_score": 0.5, "scores": [], "score": 0.5, "teacher_scores": [],
        "teacher_score": None,
    }  # fmt: skip
    record = store.write(make_record(also=[scores]))
    store.write_data("ab12", task="rte@aeda", split="dev", uids=("a", "b"), labels=(0, 1))
    [(digest, content)] = pickled(_sets_of(record.run_id, store)).items()
    assert from_text(content) == store.read_data(digest)

"""Locks that end with their process, and checkpoints that are whole or absent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from matekd_bench.errors import ResultsError
from matekd_bench.files import durable, safe_names
from matekd_bench.files.durable import KEPT
from matekd_bench.files.hashing import file_digest
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.under_way import (
    STALE_SECONDS,
    RunUnderWay,
    delete_recorded_leftovers,
    delete_stale_files,
)

HOLDER = """
import sys, time
from pathlib import Path
from matekd_bench.results.store.under_way import RunUnderWay

run = RunUnderWay(Path(sys.argv[1]), "a-run")
print(run.acquire(), flush=True)
time.sleep(600)
"""


def content(text: str) -> dict[str, bytes]:
    return {"weights": text.encode()}


def partial(root: Path) -> Path:
    return root / "runs" / ".partial"


def test_a_run_is_one_process_s_until_that_dies(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"True\n"
        mine = RunUnderWay(tmp_path, "a-run")
        assert not mine.acquire()
        assert mine.holder().startswith(f"process {other.pid} on ")
        assert RunUnderWay(tmp_path, "b-run").acquire()
        other.send_signal(signal.SIGKILL)
    assert mine.acquire()
    assert mine.holder().startswith(f"process {os.getpid()} on ")


def test_a_run_that_is_given_back_can_be_taken(tmp_path: Path) -> None:
    first, second = RunUnderWay(tmp_path, "a-run"), RunUnderWay(tmp_path, "a-run")
    assert first.acquire()
    assert not second.acquire()
    first.save(3, content("three"))
    first.release(done=False)
    assert second.acquire()
    assert [folder.name for folder in second.folders()] == ["000000003"]
    second.release(done=True)
    assert not partial(tmp_path).exists()
    assert first.holder() == "another process"


def test_the_last_checkpoints_are_kept_the_newest_first(tmp_path: Path) -> None:
    run = RunUnderWay(tmp_path, "a-run")
    for update in (2, 10, 100):
        run.save(update, content(str(update)))
    assert KEPT == 2
    assert [(folder / "weights").read_text() for folder in run.folders()] == ["100", "10"]
    run.save(100, content("again"))
    assert [(folder / "weights").read_text() for folder in run.folders()] == ["again", "10"]


def test_skipped_checkpoints_of_later_updates_go_once_a_new_one_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of another version of torch, say: a run that starts over is behind them for long."""
    run = RunUnderWay(tmp_path, "a-run")
    for update in (450, 500):
        run.save(update, content("old"))
    with monkeypatch.context() as patch:
        patch.setattr(durable, "seal", lambda folder: (tmp_path / "missing").stat())
        run.save(50, content("not saved"))
    assert [folder.name for folder in run.folders()] == ["000000500", "000000450"]
    kept = []
    for update in (50, 100, 150):
        run.save(update, content("new"))
        kept.append([int(folder.name) for folder in run.folders()])
    assert kept == [[50], [100, 50], [150, 100]]


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, renamed: list[dict[str, bool]]
) -> None:
    RunUnderWay(tmp_path, "a-run").save(1, content("one"))
    assert renamed == [{".": True, "manifest.json": True, "weights": True}]


@pytest.mark.parametrize("damage", ["change", "cut", "remove", "manifest"])
def test_a_damaged_checkpoint_is_none(tmp_path: Path, damage: str) -> None:
    run = RunUnderWay(tmp_path, "a-run")
    run.save(1, content("one"))
    run.save(2, content("two"))
    newest = partial(tmp_path) / "a-run" / "000000002"
    if damage == "remove":
        (newest / "weights").unlink()
    elif damage == "manifest":
        (newest / "manifest.json").write_text("[1")
    else:
        (newest / "weights").write_text("two!" if damage == "change" else "")
    assert [folder.name for folder in run.folders()] == ["000000001"]


def test_a_name_in_a_manifest_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    run = RunUnderWay(tmp_path, "a-run")
    run.save(1, content("one"))
    secret = tmp_path / "secret"
    secret.write_text("x")
    manifest = partial(tmp_path) / "a-run" / "000000001" / "manifest.json"
    manifest.write_text(json.dumps({str(secret): file_digest(secret)}))
    assert list(run.folders()) == []


def test_a_disk_that_refuses_a_checkpoint_keeps_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunUnderWay(tmp_path, "a-run")
    run.save(1, content("one"))

    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "seal", full)
        run.save(2, content("two"))
    assert run.problem == "No space left on device"
    assert [path.name for path in run.folder.iterdir()] == ["000000001"]
    run.save(3, content("three"))
    assert run.problem is None


def test_what_a_kill_leaves_of_a_checkpoint_is_ignored_and_goes_away(tmp_path: Path) -> None:
    run = RunUnderWay(tmp_path, "a-run")
    run.save(1, content("one"))
    half = safe_names.beside(run.folder / "000000002", "tmp")
    half.mkdir()
    (half / "weights").write_text("tw")
    assert [folder.name for folder in run.folders()] == ["000000001"]
    delete_stale_files(tmp_path)
    assert half.exists()  # it may be another process's, under way
    delete_stale_files(tmp_path, now=time.time() + STALE_SECONDS + 60)
    assert [path.name for path in run.folder.iterdir()] == ["000000001"]


def test_what_a_kill_leaves_of_a_recorded_run_is_swept_away(tmp_path: Path) -> None:
    recorded, other = RunUnderWay(tmp_path, "recorded"), RunUnderWay(tmp_path, "other")
    for run in (recorded, other):
        assert run.acquire()
        run.save(1, content("one"))
        run.release(done=False)
    (partial(tmp_path) / "No Name.lock").touch()
    delete_recorded_leftovers(tmp_path, lambda run_id: run_id == "recorded")
    assert {path.name for path in partial(tmp_path).iterdir()} == {"other", "other.lock", "No Name.lock"}
    held = RunUnderWay(tmp_path, "held")
    assert held.acquire()
    delete_recorded_leftovers(tmp_path, lambda run_id: True)
    assert {path.name for path in partial(tmp_path).glob("held*")} == {"held.lock", "held.holder"}
    delete_recorded_leftovers(tmp_path / "nowhere", lambda run_id: True)


def test_tidying_takes_away_old_leftovers_alone(tmp_path: Path) -> None:
    left = [tmp_path / "runs" / f".{kind}-a-run-0a1b2c3d" for kind in ("tmp", "failed", "damaged")]
    for folder in (*left, tmp_path / "runs" / "a-run"):
        folder.mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".tmp-digest.json-0a1b2c3d").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "runs" / ".tmp-link").symlink_to(outside)
    delete_stale_files(tmp_path, now=time.time() + STALE_SECONDS + 60)
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"a-run", left[2].name, ".tmp-link"}
    assert list((tmp_path / "data").iterdir()) == []
    assert outside.is_dir()


@pytest.mark.parametrize("linked", ["students", "data", "runs", "runs/.partial", "runs/.partial/a-run"])
def test_tidying_does_not_go_through_links(linked: str, tmp_path: Path) -> None:
    root, victim = tmp_path / "results", tmp_path / "victim"
    names = (".tmp-notes", ".failed-notes", "worker-1-1-0a1b2c3d.log", "a-run.lock")
    (victim / ".tmp-thesis").mkdir(parents=True)
    for name in names:
        (victim / name).write_text("mine")
    (root / linked).parent.mkdir(parents=True)
    (root / linked).symlink_to(victim)
    later = time.time() + STALE_SECONDS + 60
    delete_stale_files(root, now=later)
    delete_recorded_leftovers(root, lambda run_id: True, now=later)
    assert {path.name for path in victim.iterdir()} == {".tmp-thesis", *names}
    store = ResultsStore(root)
    with pytest.raises(ResultsError, match="not followed"):
        store.under_way("a-run") if linked.endswith("a-run") else store.check_writable()


def test_logs_of_workers_of_killed_processes_go_away(tmp_path: Path) -> None:
    partial(tmp_path).mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    for pid in (dead.pid, os.getpid()):
        (partial(tmp_path) / f"worker-{pid}-1-0a1b2c3d.log").write_text("x")
    delete_stale_files(tmp_path)
    assert len(list(partial(tmp_path).iterdir())) == 2  # a user may want to read it
    delete_stale_files(tmp_path, now=time.time() + STALE_SECONDS + 60)
    assert [path.name for path in partial(tmp_path).iterdir()] == [f"worker-{os.getpid()}-1-0a1b2c3d.log"]


def test_old_locks_without_checkpoints_go_away(tmp_path: Path) -> None:
    for run_id in ("without", "with", "held"):
        run = RunUnderWay(tmp_path, run_id)
        assert run.acquire()
        if run_id == "with":
            run.save(1, content("one"))
        if run_id != "held":
            run.release(done=False)
            (partial(tmp_path) / f"{run_id}.lock").touch()
    later = time.time() + STALE_SECONDS + 60
    delete_recorded_leftovers(tmp_path, lambda run_id: False, now=later)
    assert {path.stem for path in partial(tmp_path).iterdir()} == {"with", "held"}


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_lock_is_a_regular_file(kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    partial(tmp_path).mkdir(parents=True)
    lock = partial(tmp_path) / "a-run.lock"
    lock.symlink_to(victim) if kind == "link" else os.mkfifo(lock)
    with pytest.raises(ResultsError, match="not"):
        RunUnderWay(tmp_path, "a-run").acquire()
    assert victim.read_text() == "mine"


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "results", tmp_path / "outside"
    (root / "runs").mkdir(parents=True)
    outside.mkdir()
    partial(root).symlink_to(outside)
    with pytest.raises(ResultsError, match="not followed"):
        ResultsStore(root).under_way("a-run")

"""The cache of costly things."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from matekd_bench.distill.artifacts.artifact_cache import cache_root, cached_folder
from matekd_bench.distill.artifacts.eviction import LIMIT, cache_limit, clear, entries
from matekd_bench.errors import ResultsError, UsageError
from matekd_bench.files.durable import MANIFEST


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(text):
    return lambda folder, checkpoints: (folder / "made").write_text(text)


def age(entry, days):
    """As if the entry had last been used so many days ago."""
    moment = time.time() - days * 86400
    os.utime(entry / MANIFEST, (moment, moment))


def test_the_cache_is_where_the_environment_says(root, monkeypatch):
    assert cache_root() == root
    monkeypatch.setenv("MATEKD_BENCH_CACHE", "~/here")
    assert cache_root() == Path.home() / "here"
    monkeypatch.delenv("MATEKD_BENCH_CACHE")
    assert cache_root().name == "matekd-bench"


def test_a_folder_is_built_once(root):
    first = cached_folder("teachers", "rte-1", write("first"))
    assert (first.path, first.built) == (root / "teachers" / "rte-1", True)
    again = cached_folder("teachers", "rte-1", write("second"))
    assert (again.path, again.built) == (first.path, False)
    assert (first.path / "made").read_text() == "first"
    assert cached_folder("teachers", "rte-2", write("other")).built


def test_an_interrupted_build_leaves_nothing_behind(root):
    def broken(folder, checkpoints):
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder("teachers", "rte", broken)
    assert [path.name for path in (root / "teachers").iterdir() if path.is_dir()] == []
    assert cached_folder("teachers", "rte", write("whole")).built


def test_two_that_want_the_same_build_it_once(root):
    built, started = [], threading.Barrier(2)

    def want():
        started.wait()
        cached_folder(
            "logits", "key", lambda folder, checkpoints: (built.append(folder), (folder / "x").touch())
        )

    threads = [threading.Thread(target=want) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


@pytest.mark.parametrize("blocked", ["cache", "cache/teachers", "cache/teachers/key.lock/x"])
def test_a_cache_that_cannot_be_written_is_one_clear_line(root, blocked):
    """A file stands where a folder should, or a folder where the lock should."""
    obstacle = root.parent / blocked
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_text("")
    with pytest.raises(ResultsError, match="MATEKD_BENCH_CACHE"):
        cached_folder("teachers", "key", write("x"))


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "manifest", "empty manifest"])
def test_what_is_damaged_is_said_and_made_again(root, damage):
    entry = cached_folder("teachers", "rte", write("whole"))
    file = entry.path / ("made" if "manifest" not in damage else MANIFEST)
    {"changed": lambda: file.write_text("whole!"), "cut": lambda: file.write_text(""), "gone": file.unlink,
     "manifest": file.unlink, "empty manifest": lambda: file.write_text("{}")}[damage]()  # fmt: skip
    said = []
    again = cached_folder("teachers", "rte", write("again"), said.append)
    assert (again.built, (again.path / "made").read_text()) == (True, "again")
    assert len(said) == 1
    assert str(entry.path) in said[0]


def test_a_cache_that_can_only_be_read_serves_what_is_whole(root, monkeypatch):
    entry = cached_folder("teachers", "rte", write("whole"))

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("matekd_bench.distill.artifacts.artifact_cache.FileLock", refuse)
    assert not cached_folder("teachers", "rte", write("again")).built
    (entry.path / "made").write_text("damaged")
    with pytest.raises(ResultsError, match="Read-only file system"):
        cached_folder("teachers", "rte", write("again"))


def test_a_full_disk_in_a_build_is_one_line(root):
    def full(folder, checkpoints):
        raise OSError(28, "No space left on device")

    with pytest.raises(ResultsError, match=r"teachers'.*No space left"):
        cached_folder("teachers", "rte", full)


def test_checkpoints_outlive_an_interruption_and_go_with_the_end(root):
    def build(folder, checkpoints):
        found = [place.name for place in checkpoints.folders()]
        if not found:
            checkpoints.save(7, {"weights": b"seven"})
            raise KeyboardInterrupt
        (folder / "made").write_text(" ".join(found))

    with pytest.raises(KeyboardInterrupt):
        cached_folder("teachers", "rte", build)
    [left] = entries(root)
    assert (left.finished, left.key, left.kind) == (False, "rte", "teachers")
    entry = cached_folder("teachers", "rte", build)
    assert (entry.path / "made").read_text() == "000000007"
    assert [path.name for path in (root / "teachers").iterdir() if path.is_dir()] == ["rte"]


def test_the_least_recently_used_go_first_and_none_in_use(root, monkeypatch):
    held = cached_folder("teachers", "a", write("x" * 1000))
    for key, days in (("b", 5), ("c", 9), ("d", 7)):
        age(cached_folder("teachers", key, write("x" * 1000)).path, days)
    age(held.path, 30)
    monkeypatch.setenv(LIMIT, "3800B")  # of five entries of some 1080 bytes each
    cached_folder("teachers", "e", write("x" * 1000))
    assert {one.path.name for one in entries(root)} == {"a", "b", "e"}
    assert not cached_folder("teachers", "b", write("again")).built
    cached_folder("teachers", "f", write("x" * 1000))
    assert {one.path.name for one in entries(root)} == {"a", "b", "f"}  # b had just been used, e had not


def test_clearing_what_was_not_used_for_long(root):
    held = cached_folder("logits", "held", write("x"))
    age(held.path, 40)
    age(cached_folder("logits", "old", write("x")).path, 40)
    cached_folder("logits", "new", write("x"))
    done = {one.path.name: gone for one, gone in clear(root, older_than=30 * 86400)}
    assert done == {"held": False, "old": True}
    del held
    assert {one.path.name: gone for one, gone in clear(root)} == {"held": True, "new": True}
    assert entries(root) == []
    assert list(clear(root / "nowhere")) == []


def test_another_process_that_uses_an_entry_keeps_it(root):
    path = cached_folder("logits", "key", write("x")).path
    ready, done = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:
        entry = cached_folder("logits", "key", write("y"))
        os.write(ready[1], b"." if not entry.built else b"!")
        os.read(done[0], 1)
        os._exit(0)
    assert os.read(ready[0], 1) == b"."
    assert [gone for _, gone in clear(root)] == [False]
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert [gone for _, gone in clear(root)] == [True]
    assert not path.exists()
    for end in (*ready, *done):
        os.close(end)


@pytest.mark.parametrize(
    ("text", "size"), [("800MB", 800 * 10**6), ("1.5 GB", 1_500_000_000), ("12", 12), ("", 50 * 10**9)]
)
def test_the_limit_is_a_size(text, size, monkeypatch):
    monkeypatch.setenv(LIMIT, text)
    assert cache_limit() == size


@pytest.mark.parametrize("text", ["much", "-3GB", "3 apples"])
def test_a_limit_that_is_no_size_is_one_line(text, monkeypatch):
    monkeypatch.setenv(LIMIT, text)
    with pytest.raises(UsageError, match=f"'{text}'"):
        cache_limit()

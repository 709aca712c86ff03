"""The cache of costly things."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from matekd_bench.distill.cache import cache_root, cached_folder
from matekd_bench.errors import ResultsError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(text):
    return lambda folder: (folder / "made").write_text(text)


def test_the_cache_is_where_the_environment_says(root, monkeypatch):
    assert cache_root() == root
    monkeypatch.setenv("MATEKD_BENCH_CACHE", "~/here")
    assert cache_root() == Path.home() / "here"
    monkeypatch.delenv("MATEKD_BENCH_CACHE")
    assert cache_root().name == "matekd-bench"


def test_a_folder_is_built_once(root):
    folder, made = cached_folder("teachers", "rte-1", write("first"))
    assert (folder, made) == (root / "teachers" / "rte-1", True)
    again, made = cached_folder("teachers", "rte-1", write("second"))
    assert (again, made) == (folder, False)
    assert (folder / "made").read_text() == "first"
    assert cached_folder("teachers", "rte-2", write("other"))[1]


def test_an_interrupted_build_leaves_nothing_behind(root):
    def broken(folder):
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder("teachers", "rte", broken)
    assert [path.name for path in (root / "teachers").iterdir() if path.is_dir()] == []
    assert cached_folder("teachers", "rte", write("whole"))[1]


def test_two_that_want_the_same_build_it_once(root):
    built, started = [], threading.Barrier(2)

    def want():
        started.wait()
        cached_folder("logits", "key", lambda folder: built.append(folder))

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
    with pytest.raises(
        ResultsError, match=r"can't be written: .*Set MATEKD_BENCH_CACHE to a folder that can\.$"
    ):
        cached_folder("teachers", "key", write("x"))

"""Whatever happens to a study, the same command ends with what an undisturbed study leaves."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from matekd_bench.distill.artifacts.artifact_cache import cached_folder
from matekd_bench.errors import ResultsError
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.results.store.results_store import ResultsStore

RUNS = 10  # that four processes share

if not hasattr(os, "fork"):
    pytest.skip("these tests fork", allow_module_level=True)


def test_killed_at_random_moments(driver: ModuleType, study: Any) -> None:
    done = driver.killed(study, kills=6, seed=1)
    assert done["kills"] == 6
    assert done["studies"] >= 1


def test_a_disk_of_20_mb_that_fills_up(driver: ModuleType, study: Any, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    try:
        done = driver.full_disk(study, tmp_path / "disk")
    except PermissionError as error:
        pytest.skip(str(error))
    assert done.get("exit 2", 0) >= 1


@pytest.fixture(scope="module")
def single(driver: ModuleType, study: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run, whose teacher is in a cache that no fault reaches."""
    home = tmp_path_factory.mktemp("single")
    made = driver.tiny(home / "study", "kd", 1)
    made.kept_cache = home / "cache"
    driver.warm(made)
    return made


@pytest.mark.parametrize("onwards", [False, True])
def test_writes_that_fail(driver: ModuleType, single: Any, onwards: bool) -> None:
    done = driver.failing_writes(single, lambda number: number % 23 == 7 + 9 * onwards, onwards=onwards)
    assert done["faults"] >= 2


@pytest.mark.parametrize("kill", [False, True])
def test_four_processes_on_one_folder(driver: ModuleType, single: Any, tmp_path: Path, kill: bool) -> None:
    several = driver.tiny(tmp_path / "several", "kd", RUNS)
    several.kept_cache = single.kept_cache
    done = driver.together(several, 4, kill=kill)
    assert (done["runs"], done["recorded twice"]) == (RUNS, 0)
    assert done["recorded"] in (
        (RUNS - 1, RUNS) if kill else (RUNS,)
    )  # the killed one may die before it says so


def refused(driver: ModuleType, folder: Path, number: int, error: int, do: Any) -> int:
    """Lets a call below a folder fail, in a fork. 0: it went through; 1: refused in a decent way; 2: no such call.

    Anything else is a fault of ours.
    """
    process = os.fork()
    if process == 0:

        def fail(event: str) -> None:
            raise OSError(error, os.strerror(error))

        call = driver.Call(folder, number, fail)
        code = 3
        try:
            call.install()
            do()
            code = 0 if call.count > number else 2
        except ResultsError:
            code = 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_every_single_call_of_a_record_a_checkpoint_and_the_cache_may_fail(
    driver: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(__file__).parents[2] / "results" / "reference" / "minilm"
    record = ResultsStore(source).records()[0]
    predictions = ResultsStore(source).read_predictions(record)
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))

    def content(folder: Path, *_: Any) -> None:
        (folder / "weights").write_bytes(b"x" * 9)

    def store() -> None:
        ResultsStore(tmp_path / "results").write(record, predictions, [{"update": 1}], study={"preset": "x"})

    def check_store(code: int) -> None:
        found = ResultsStore(tmp_path / "results")
        assert found.records() == ([found.read(record.run_id)] if found.has(record.run_id) else [])
        assert found.damaged == []
        assert code == 1 or found.has(record.run_id)

    def checkpoint() -> None:
        CheckpointFolder(tmp_path / "kept").save(2, {"weights": b"x" * 9})

    def check_checkpoint(code: int) -> None:
        assert code in (0, 2)  # never an exception
        assert all(
            (place / "weights").stat().st_size == 9 for place in CheckpointFolder(tmp_path / "kept").folders()
        )

    def cache() -> None:
        cached_folder("logits", "key", content)

    def check_cache(code: int) -> None:
        assert (cached_folder("logits", "key", content).path / "weights").stat().st_size == 9

    for do, check, folder in (
        (store, check_store, "results"), (checkpoint, check_checkpoint, "kept"), (cache, check_cache, "cache"),
    ):  # fmt: skip
        number, code = 0, 0
        while code != 2:  # until nothing fails any more
            code = refused(driver, tmp_path / folder, number, (errno.ENOSPC, errno.EROFS)[number % 2], do)
            assert code in (0, 1, 2), (do, number)
            check(code)
            driver.shutil.rmtree(tmp_path / folder, ignore_errors=True)
            number += 1
        assert number > 5, do


def test_the_driver_sees_what_it_should(driver: ModuleType, study: Any) -> None:
    """A study that leaves something else, a traceback or a strange exit code would be noticed."""
    with pytest.raises(AssertionError):
        driver._same({"a": 1}, {"a": 2})
    with pytest.raises(AssertionError):
        driver._same({}, {"a": 2})
    with pytest.raises(AssertionError):
        driver._decent(driver.Ended(1, "", "Traceback (most recent call last):"))
    ended = study.run(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert ended.code == -signal.SIGKILL

"""Studies of several processes: stopped, killed and going on, or at work on one folder together."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from forked import start
from matekd_bench.cli import main
from matekd_bench.distill.training import checkpoint_saver
from matekd_bench.results.records.run_record import Record, to_json
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute.interrupts import Interruptions

Options = tuple[str, ...]
METHODS = "eda,matekd,freelb"  # and kd, the reference

PLUGIN = """
import os, signal, time
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Plain(Perturbation[NoParams]):
    def views(self, batch, models):
        if batch.update == 1 and "SLOW" in os.environ:
            time.sleep(float(os.environ["SLOW"]))
        if batch.update == 3 and "KILL" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
        if batch.update == 1 and "FAIL" in os.environ and self.context.seed in map(int, os.environ["FAIL"]):
            raise ValueError("no luck")
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="plain", summary="as kd", factory=Plain, level="text", version="1")
"""


@pytest.fixture
def plain(tmp_path: Path, study_options: Options) -> Options:
    """A study of one method whose runs can be slow, fail or kill their process."""
    file = tmp_path / "plain.py"
    file.write_text(PLUGIN)
    options = [option for option in study_options if option != "--quiet"]
    study = ("--methods", "plain", "--reference", "none", "--tasks", "rte", "--plugin", str(file))
    return ("run", *options, *study, "--results", str(tmp_path / "results"))


def stopping(after: int, name: str) -> None:
    """From here on this process gets a signal when it has been asked so many times whether to stop."""
    original, asked = Interruptions.stop_requested, itertools.count(1)

    def counted(self: Interruptions) -> bool:
        original(self)  # from here on a signal is waited for
        if next(asked) == after:
            os.kill(os.getpid(), getattr(signal, name))
        return original(self)

    Interruptions.stop_requested = counted  # type: ignore[method-assign]  # in a fork, and gone with it


def records(results: Path) -> dict[str, Record]:
    """The records by variant and seed."""
    found = ResultsStore(results).records()
    return {f"{one.identity.variant} {one.identity.seed}": one for one in found}


def counts(out: str) -> list[int]:
    """The numbers of the last line: runs trained, already recorded, failed, and not started if it names them."""
    last = out.splitlines()[-1]
    return [int(number) for number in re.findall(r"(\d+) (?:trained|already|failed|not started)", last)]


def lasting(record: Record) -> dict[str, Any]:
    """A record without times and without how often it was resumed; its predictions stay, by their digest."""
    plain: dict[str, Any] = json.loads(to_json(record))
    del plain["provenance"]
    for name in ("train_seconds", "eval_seconds", "precompute_seconds", "peak_memory_bytes", "resumed"):
        plain["compute"].pop(name, None)
    return plain


def test_a_study_that_is_stopped_again_and_again_ends_with_the_same_records(
    study_options: Options, tmp_path: Path
) -> None:
    study = ("run", *study_options, "--methods", METHODS, "--tasks", "sst2", "--results")
    assert main([*study, str(tmp_path / "whole")]) == 0
    parts, codes = tmp_path / "parts", []
    for name in ("SIGTERM", "SIGINT"):  # each after five of the twelve updates that may be interrupted
        stopped = start([*study, str(parts)], before=partial(stopping, 5, name))
        out, err = stopped.communicate()
        codes.append(stopped.returncode)
        assert out == ""
        asked, saved = (line for line in err.splitlines() if not line.startswith("warning: the teacher"))
        assert asked.startswith("stopping")
        assert "saved at update" in saved
    assert codes == [143, 130]
    assert main([*study, str(parts)]) == 0
    whole, resumed = records(tmp_path / "whole"), records(parts)
    assert len(whole) == 4
    assert {name: lasting(run) for name, run in resumed.items()} == {
        name: lasting(run) for name, run in whole.items()
    }
    assert sum(run.compute.resumed for run in resumed.values()) == 2
    assert {run.compute.resumed for run in whole.values()} == {0}
    for name, run in whole.items():
        history = [path / "runs" / run.run_id / "history.jsonl" for path in (tmp_path / "whole", parts)]
        assert history[0].read_bytes() == history[1].read_bytes(), name
    assert not (parts / "runs" / ".partial").exists()


def test_a_study_that_is_killed_continues_from_its_last_checkpoint(
    plain: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_saver, "SAVE_SECONDS", 0.0)
    killed = start(plain, KILL="1")
    killed.communicate(timeout=100)
    assert killed.returncode == -signal.SIGKILL
    assert records(tmp_path / "results") == {}
    again = start(plain)
    _, err = again.communicate(timeout=100)
    assert again.returncode == 0, err
    assert re.search("after update [23]", err)  # the third was on its way to the disk
    assert records(tmp_path / "results")["plain 0"].compute.resumed == 1
    assert main([*plain[:-1], str(tmp_path / "whole")]) == 0
    [whole], [parts] = records(tmp_path / "whole").values(), records(tmp_path / "results").values()
    assert lasting(parts) == lasting(whole)


def test_processes_on_one_folder_divide_the_runs(plain: Options, tmp_path: Path) -> None:
    seeds = (*plain, "--seeds", "6")
    processes = [start(seeds, SLOW="0.5") for _ in range(2)]
    printed = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    assert set(records(tmp_path / "results")) == {f"plain {seed}" for seed in range(6)}
    assert sum(counts(out)[0] for out, _ in printed) == 6  # every run is trained by one of them
    assert printed[0][0].rpartition("\n" + printed[0][0].splitlines()[-1])[0] in printed[1][0]  # one table
    assert not (tmp_path / "results" / "runs" / ".partial").exists()


def test_a_run_of_a_killed_process_is_taken_over(plain: Options, tmp_path: Path) -> None:
    first = start(plain, SLOW="600")
    partial = tmp_path / "results" / "runs" / ".partial"
    while not list(partial.glob("*.holder")):
        assert first.poll() is None
        time.sleep(0.05)
    second = start(plain)
    said = next(line for line in second.stderr if line.startswith("note: plain on rte"))
    assert f"process {first.pid} on" in said
    assert records(tmp_path / "results") == {}
    first.kill()
    first.communicate()
    out, err = second.communicate(timeout=100)
    assert second.returncode == 0, err
    assert counts(out) == [1, 0, 0]


def test_fail_fast_stops_at_the_first_failure(
    plain: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIL", "13")
    seeds = (*plain, "--seeds", "4")
    assert main([*seeds, "--fail-fast"]) == 1
    assert counts(capsys.readouterr().out) == [1, 0, 1, 2]
    failed = {name: run.status == "failed" for name, run in records(tmp_path / "results").items()}
    assert failed == {"plain 0": False, "plain 1": True}
    assert main(list(seeds)) == 1
    assert counts(capsys.readouterr().out) == [1, 1, 2]


def test_a_disk_without_room_for_checkpoints_is_a_warning(
    plain: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matekd_bench.files.durable.seal", full)
    monkeypatch.setattr(checkpoint_saver, "SAVE_SECONDS", 0.0)
    assert main(list(plain)) == 0
    assert capsys.readouterr().err.count("No space left on device") == 1
    assert records(tmp_path / "results")["plain 0"].status != "failed"


def test_a_run_of_another_version_is_skipped_with_a_note(
    study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an older version left half done has another id: the run starts over, and the user is told."""
    left = tmp_path / "runs" / ".partial" / "rte-kd-0-0123456789abcdef" / "000000002"
    left.mkdir(parents=True)
    options = [option for option in study_options if option != "--quiet"]
    study = ["run", *options, "--methods", "kd", "--tasks", "rte", "--results", str(tmp_path)]
    assert main(study) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "rte-kd-0-0123456789abcdef" in line]
    assert ["kd on rte, seed 0" in note for note in notes] == [True]
    assert left.is_dir()  # it may belong to a study with other settings

"""`--offline`: a prepared study asks no other machine for anything, and what is missing is named with the command."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from matekd_bench import BenchError, Study
from matekd_bench.cli import main
from matekd_bench.files.hub.network import FORBIDDEN, offline
from matekd_bench.results.store.results_store import ResultsStore

Options = tuple[str, ...]
CALLING_HOME = """
import socket
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class CallingHome(Perturbation[NoParams]):
    def views(self, batch, models):
        socket.create_connection(("example.org", 443), timeout=1)
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="calling-home", summary="", factory=CallingHome, level="text", version="1")
"""

asked: list[tuple[str, Any]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        asked.append((event, arguments[-1] if event == "socket.connect" else arguments[0]))


sys.addaudithook(_note)


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    asked.clear()


def test_a_prepared_study_asks_nobody(study_options: Options, tmp_path: Path) -> None:
    study = ("--methods", "eda,matekd", "--tasks", "rte", "--results", str(tmp_path), "--offline")
    assert main(["run", *study_options, *study]) == 0
    assert asked == []
    assert len(ResultsStore(tmp_path).records()) == 3


@pytest.mark.parametrize("command", ["run", "prepare"])
def test_what_is_missing_is_named_with_the_command_that_fetches_it(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    options = ["--preset", "paper-bert", "--methods", "kd", "--tasks", "rte", "--offline"]
    assert main([command, *options]) == 2
    printed = capsys.readouterr()
    [error] = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    named = (
        "'matekd-bench prepare --preset paper-bert --methods kd --tasks rte'",
        "google-bert/bert-base-uncased",
    )
    assert [part for part in named if part not in error] == []
    assert asked == []


def test_a_method_that_asks_another_machine_is_refused(
    study_options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "calling.py").write_text(CALLING_HOME)
    study = ("--methods", "calling-home", "--reference", "none", "--tasks", "rte", "--results", str(tmp_path))
    options = ("--plugin", str(tmp_path / "calling.py"), "--offline")
    assert main(["run", *study_options, *study, *options]) == 1
    [record] = ResultsStore(tmp_path).records()
    assert (record.reason or "").startswith(
        f"OSError: [Errno 101] {FORBIDDEN}: 'example.org' (calling.py, line"
    )


def test_this_machine_may_be_asked_and_all_is_as_before_afterwards() -> None:
    before = {name: os.environ.get(name) for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}
    with offline("prepare"), socket.create_server(("127.0.0.1", 0)) as server:
        assert os.environ["TRANSFORMERS_OFFLINE"] == "1"
        socket.create_connection(server.getsockname()).close()
        for host in ("192.0.2.1", "example.org", b"example.org"):
            with pytest.raises(OSError, match=FORBIDDEN):
                socket.getaddrinfo(host, 80)
        with socket.socket() as mine, pytest.raises(OSError, match=FORBIDDEN):
            mine.connect(("192.0.2.1", 80))
    assert {name: os.environ.get(name) for name in before} == before
    with socket.socket() as mine:  # the guard is idle: refused by the system, if at all
        mine.settimeout(0.01)
        assert FORBIDDEN not in str(mine.connect_ex(("127.0.0.1", 1)))


def test_a_study_in_python_is_offline_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    study = Study(methods="kd", tasks="rte", preset="paper-bert", offline=True)
    with pytest.raises(BenchError, match="google-bert/bert-base-uncased"):
        study.run(tmp_path / "results")
    assert asked == []

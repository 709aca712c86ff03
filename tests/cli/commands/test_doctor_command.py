"""What `doctor` and `prepare` print, and how they end."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.cli.ui.console import print_finding


@pytest.fixture
def study(small_glue: Path, tiny_checkpoint: Path) -> list[str]:
    """Options of a study whose parts are all on this machine."""
    return [
        *("--preset", "minilm", "--glue-dir", str(small_glue), "--teacher", str(tiny_checkpoint)),
        *("--student", "layers:2", "--methods", "kd", "--tasks", "rte"),
    ]


def test_doctor_groups_its_lines_and_sums_up(
    small_glue: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path))
    assert main(["doctor", "--glue-dir", str(small_glue)]) == 0
    lines = capsys.readouterr().out.splitlines()
    topics = ["versions", "plugins", "caches", "models", "data", "devices"]
    assert [line for line in lines if line in topics] == topics
    assert "missing  rte: partial: train 64 of 2490, dev 40 of 277" in lines
    assert lines[-1].startswith("Nothing is broken; ")


def test_what_is_broken_makes_the_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("GLUE_DIR", str(tmp_path / "nowhere"))
    assert main(["doctor"]) == 1
    printed = capsys.readouterr()
    assert f"problem  GLUE folder: '{tmp_path / 'nowhere'}' is not a folder" in printed.out
    assert "      -> set MATEKD_BENCH_CACHE to a writable folder" in printed.out
    assert printed.out.splitlines()[-1].startswith("2 broken, ")
    assert main(["doctor", "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)
    assert sum(check["state"] == "problem" for check in checks) == 2
    assert set(checks[0]) == {"topic", "name", "state", "text", "todo"}


def test_prepare_says_what_is_there(study: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", *study]) == 0
    printed = capsys.readouterr()
    model, data, end = printed.out.splitlines()
    assert model.startswith("there    model ")
    assert data.startswith("there    data rte: 64 training and 40 dev rows, partial")
    assert "without a network" in end
    assert printed.err == "reading rte ...\n"


def test_prepare_ends_with_one_error_that_names_what_is_lacking(
    study: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", *study, "--tasks", "rte,cola", "--teacher", "someone/no-such-model"]) == 2
    printed = capsys.readouterr()
    for said in (
        "missing  model someone/no-such-model: ",
        "HF_HOME",
        "missing  data cola: no folder 'CoLA' (cola)",
    ):
        assert said in printed.out
    [error] = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert re.search(r"2 of 3 .*\(model someone/no-such-model, data cola\)", error)


def test_prepare_for_scripts(study: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", *study, "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)
    assert [(part["kind"], part["state"]) for part in parts] == [("model", "there"), ("data", "there")]


def test_a_finding_is_wrapped_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", stream)
    print_finding("missing", "paper-bert: not on this machine: google-bert/bert-base-uncased", "type this")
    assert stream.getvalue().splitlines() == [
        "missing  paper-bert: not on this",
        "         machine:",
        "         google-bert/bert-base-uncased",
        "      -> type this",
    ]

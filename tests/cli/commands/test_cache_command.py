"""`cache info` and `cache clear`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.distill.artifacts.artifact_cache import CacheEntry, cached_folder
from matekd_bench.files.durable import MANIFEST

Options = tuple[str, ...]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path))
    return tmp_path


def cached(key: str, days: float = 0.0) -> CacheEntry:
    entry = cached_folder("teachers", key, lambda folder, _: (folder / "x").write_bytes(bytes(2000)) and None)
    moment = time.time() - days * 86400
    os.utime(entry.path / MANIFEST, (moment, moment))
    return entry


def test_an_empty_cache(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out == f"{root}: 0 kB of at most 50.0 GB\n"
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "0 cleared, 0 kB freed.\n"


def test_what_there_is_and_clearing_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = cached("rte-1", days=50)
    cached("rte-2", days=40)
    cached("rte-3")
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["teachers", "3", "6", "kB", "50", "days"]
    assert main(["cache", "clear", "--older-than", "30d"]) == 0
    assert capsys.readouterr().out == f"kept, because it is in use: {held.path}\n1 cleared, 2 kB freed.\n"
    assert main(["cache", "info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["folder"], found["limit"], len(found["entries"])) == (str(root), 50 * 10**9, 2)
    assert main(["cache", "clear", "--json"]) == 0
    assert [one["cleared"] for one in json.loads(capsys.readouterr().out)] == [False, True]


def test_a_bad_limit_is_said_before_training(
    root: Path, study_options: Options, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE_LIMIT", "plenty")
    study = ("--methods", "kd", "--tasks", "rte", "--results", root / "results")
    refused("run", *study_options, *study, named="'plenty'")
    assert not (root / "results").exists()


def test_a_damaged_teacher_is_noticed_and_made_again(
    root: Path, study_options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    study = (
        "run",
        *study_options,
        "--reference",
        "none",
        "--tasks",
        "rte",
        "--results",
        str(root / "results"),
    )
    assert main([*study, "--methods", "kd"]) == 0
    [weights] = root.glob("teachers/*/model.safetensors")
    before = weights.read_bytes()
    weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    capsys.readouterr()
    assert main([*study, "--methods", "finetune"]) == 0
    assert str(weights.parent) in capsys.readouterr().err.splitlines()[0]
    assert weights.read_bytes() == before

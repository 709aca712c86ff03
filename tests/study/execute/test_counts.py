"""How often a study does what is expensive: files hashed, bytes of checkpoints."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import pytest

from matekd_bench.cli import main
from matekd_bench.distill.models import checkpoint_files
from matekd_bench.distill.training import checkpoint_saver
from matekd_bench.files import hashing


@pytest.fixture
def study(study_options: tuple[str, ...], tmp_path: Path) -> list[str]:
    """Four updates of `kd` and `eda` on RTE with two seeds."""
    methods = ["--methods", "kd,eda", "--tasks", "rte", "--seeds", "2", "--budget", "student_updates=4"]
    return ["run", *study_options, *methods, "--results", str(tmp_path / "results"), "--quiet"]


def test_a_file_is_hashed_once(study: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Counted with a warm cache, whose files are both checked and named in ids, after the process forgot them."""
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    assert main([*study, "--seeds", "1"]) == 0
    hashing._file_digest.cache_clear()
    checkpoint_files.fingerprint.cache_clear()
    hashed: Counter[str] = Counter()
    file_digest = hashlib.file_digest

    def counted(file: BinaryIO, name: str) -> object:
        hashed[file.name] += 1
        return file_digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    assert main(study) == 0
    assert any("teachers" in name and name.endswith(".safetensors") for name in hashed)
    assert [name for name, times in hashed.items() if times > 1] == []


@pytest.mark.parametrize(("seconds", "saves"), [(3600.0, 0), (0.0, 3)])
def test_checkpoints_are_written_by_time(
    study: list[str], monkeypatch: pytest.MonkeyPatch, seconds: float, saves: int
) -> None:
    """None in a run shorter than the time between two, however often it is evaluated; else one after an update."""
    written: list[int] = []
    files = checkpoint_saver.checkpoint_files

    def counted(*arguments: object) -> dict[str, bytes]:
        made = files(*arguments)
        written.append(sum(map(len, made.values())))
        return made

    monkeypatch.setattr(checkpoint_saver, "SAVE_SECONDS", seconds)
    monkeypatch.setattr(checkpoint_saver, "checkpoint_files", counted)
    options = ["--methods", "kd", "--seeds", "1"]
    assert main([*study, *options]) == 0
    assert len(written) == saves
    assert sum(written) == pytest.approx(saves * max(written, default=0), rel=0.02)

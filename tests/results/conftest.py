"""Fixtures that the tests of results share: synthetic records and studies, and what a rename finds on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synthetic import MakeRecord, WriteStudy, make, write


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """A factory of synthetic records."""
    return make


@pytest.fixture(scope="session")
def write_study() -> WriteStudy:
    """A writer of synthetic studies with predictions."""
    return write


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, bool]]:
    """For each folder that a test gives its name: what is in it (and itself, "."), and whether the disk has that."""
    synced: set[int] = set()
    found: list[dict[str, bool]] = []
    sync, rename = os.fsync, Path.rename

    def syncing(handle: int) -> None:
        sync(handle)
        synced.add(os.fstat(handle).st_ino)

    def renaming(path: Path, target: Path) -> Path:
        found.append({name: (path / name).stat().st_ino in synced for name in (".", *os.listdir(path))})
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "rename", renaming)
    return found

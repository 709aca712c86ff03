"""A study that is shown, and what a rename finds on the disk, for the tests of results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from exported import Study, study


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> Study:
    return study(tmp_path_factory.mktemp("study"), write_study)


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

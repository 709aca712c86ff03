"""Temporary folders: gone in the end, and those of killed processes later."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from matekd_bench.files.scratch import YOUNG_SECONDS, scratch_folder

HOLDER = """
import time
from matekd_bench.files.scratch import scratch_folder

with scratch_folder() as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such locks")
def test_what_a_killed_process_leaves_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout is not None
        left = Path(other.stdout.readline().decode().strip())
        before = left.stat().st_mtime - 2 * YOUNG_SECONDS
        os.utime(left, (before, before))
        with scratch_folder() as folder:
            (folder / "file").write_text("x")
            assert left.is_dir()  # it is in use
        assert not folder.exists()
        other.kill()
    (tmp_path / "matekd-bench-scratch-link").symlink_to(tmp_path / "elsewhere")
    with scratch_folder():
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["matekd-bench-scratch-link"]

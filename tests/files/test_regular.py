"""What is opened and deleted, and what is left alone."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from matekd_bench.errors import ResultsError
from matekd_bench.files.durable import settle
from matekd_bench.files.regular import delete, read_at_most, read_file
from matekd_bench.files.safe_names import check_name, inside

posix = pytest.mark.skipif(os.name != "posix", reason="links, FIFOs and modes are POSIX's")


@posix
def test_deleting_follows_no_link(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    for path in (outside, folder):
        path.mkdir()
        (path / "file").write_text("x")
    (folder / "link").symlink_to(outside)
    (tmp_path / "link").symlink_to(outside)
    for path in (folder, tmp_path / "link", tmp_path / "nothing"):
        delete(path)
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "link"}
    assert (outside / "file").read_text() == "x"


@posix
@pytest.mark.parametrize("place", ["linked", "linked/a", "linked/a/b", "../other", "a/../../b"])
def test_a_path_behind_a_link_or_outside_is_refused(place: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "linked").symlink_to(root)  # a link within the folder is one, too
    (tmp_path / "named").symlink_to(root)
    assert inside(tmp_path / "named", tmp_path / "named" / "a") == tmp_path / "named" / "a"
    with pytest.raises(ResultsError, match="not followed"):
        inside(root, root / place)


@posix
def test_only_regular_files_of_usual_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    assert read_file(tmp_path / "file", 5) == b"12345"
    for name, bound in (("file", 4), ("link", 5), ("fifo", 5), (".", 5)):
        with pytest.raises(OSError, match="not"):
            read_file(tmp_path / name, bound)
    with pytest.raises(OSError, match="more than 4"):
        read_at_most(io.BytesIO(b"12345"), 4)


def test_a_name_is_short_enough_for_a_file_system() -> None:
    assert check_name("run id", "a" * 200)
    with pytest.raises(ResultsError, match="201"):
        check_name("run id", "a" * 201)


@posix
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_files_of_libraries_get_the_mode_of_the_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "weights").write_text("x")
        (folder / "weights").chmod(0o600)
        settle(folder)
        assert (folder / "weights").stat().st_mode & 0o777 == 0o666 & ~umask
    finally:
        os.umask(before)

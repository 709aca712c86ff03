"""What cuts a TSV file into rows and cells, and what must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from matekd_bench.errors import DataError
from matekd_bench.files.tsv import read_table


def table(folder: Path, content: bytes, *, header: bool = True) -> tuple[list[str] | None, list[list[str]]]:
    file = folder / "rows.tsv"
    file.write_bytes(content)
    read = read_table(file, header=header)
    return read.header, [cells for _, cells in read.rows]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_marks(tmp_path: Path, end: bytes, mark: bytes, last: bool) -> None:
    content = mark + end.join([b"text\tlabel", b" one . \t1", b"two\t0"]) + (end if last else b"")
    assert table(tmp_path, content) == (["text", "label"], [[" one . ", "1"], ["two", "0"]])


@pytest.mark.parametrize(
    "character", ["\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\r", '"', "'", "\\"]
)
def test_nothing_but_line_feed_and_tab_cuts(tmp_path: Path, character: str) -> None:
    text = f"a{character}b"
    content = f"text\tlabel\n{text}\t1\n".encode()
    assert table(tmp_path, content) == (["text", "label"], [[text, "1"]])


def test_no_header_loses_no_row_and_line_numbers_count_empty_lines(tmp_path: Path) -> None:
    file = tmp_path / "rows.tsv"
    file.write_bytes(b"x\n\ny\n")
    assert read_table(file, header=False).rows == [(1, ["x"]), (3, ["y"])]


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2"):
        table(tmp_path, b"text\n\xff\n")
    for empty in (b"text\tlabel\n", b""):
        with pytest.raises(DataError, match=r"rows\.tsv"):
            table(tmp_path, empty)
    with pytest.raises(DataError, match=r"absent\.tsv"):
        read_table(tmp_path / "absent.tsv", header=True)

"""Streams that escape what commands print, and leave alone what a library colors."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console
from rich.text import Text

from matekd_bench.events import Message
from matekd_bench.screen.bar_screen import BarScreen
from matekd_bench.screen.escaped_streams import EscapedStream, escaped_streams, terminal


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_what_is_printed_is_escaped_within_the_block(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with escaped_streams():
        print("a\x1b[2Jb")
        print("c\x07d", file=sys.stderr)
        sys.stdout.writelines(["e\x9bf\n"])
        assert sys.stdout.isatty() is False  # all else is the stream's own
    assert (sys.stdout, sys.stderr) == before
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("a�[2Jb\ne�f\n", "c�d\n")


def test_colors_reach_a_terminal_and_texts_are_escaped() -> None:
    stream = Terminal()
    console = Console(file=terminal(EscapedStream(stream)), force_terminal=True, color_system="standard")
    console.print(Text("bold", style="bold"))
    assert "\x1b[1m" in stream.getvalue()
    assert terminal(stream) is stream


def test_a_note_on_a_terminal_with_bars_is_escaped() -> None:
    stream = Terminal()
    with BarScreen(EscapedStream(stream), verbose=False) as screen:  # type: ignore[arg-type]
        screen.emit(Message(kind="note", text="a\x1b]0;owned\x07b"))
    assert "a�]0;owned�b" in stream.getvalue()
    assert "\x07" not in stream.getvalue()

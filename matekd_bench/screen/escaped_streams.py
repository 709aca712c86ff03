"""Standard output and error streams in which text from records, folders or data cannot control the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from matekd_bench.files.printable import printable


class EscapedStream:
    """A text stream that writes only printable text and otherwise behaves like the stream it wraps."""

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream

    def write(self, text: str) -> int:
        """Write the text with every character replaced that could control a terminal."""
        return self.terminal.write(printable(text))

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


@contextmanager
def escaped_streams() -> Iterator[None]:
    """Replace standard output and error by escaped streams within the block."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, EscapedStream(stream)) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def terminal(stream: TextIO) -> TextIO:
    """Return the stream for a library that colors its text; the caller must make the text printable."""
    return stream.terminal if isinstance(stream, EscapedStream) else stream

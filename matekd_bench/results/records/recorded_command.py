"""Makes the command in a record safe to paste into a shell, whoever wrote the record."""

from __future__ import annotations

import shlex


def command_words(command: str) -> list[str]:
    """Return the words of a recorded command of matekd-bench; empty for anything else, such as a call in Python."""
    try:
        words = shlex.split(command)
    except ValueError:  # an open quote
        return []
    return words if words[:1] == ["matekd-bench"] else []


def quoted_command(command: str) -> str:
    """Return a recorded command with every word quoted for a shell, or a description of what is none."""
    if words := command_words(command):
        return shlex.join(words)
    place = "in Python" if command.startswith("matekd_bench.Study(") else "no command of matekd-bench"
    return f"({place}: {command!r})"

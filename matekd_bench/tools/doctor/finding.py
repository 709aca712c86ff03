"""What a look at one part of the machine found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of ``matekd-bench doctor``.

    `missing` is something that a study may do without or fetch; `problem` is broken and makes the exit code 1.
    `todo` is what to do about it, often a command; empty where nothing need be done.
    """

    topic: str
    name: str
    state: State
    text: str
    todo: str = ""

"""The result of one check of ``matekd-bench doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of ``matekd-bench doctor``.

    The state `missing` is for something that a study can do without or fetch. `problem` is for something broken; it
    makes the exit code 1. `todo` says what to do, often as a command; it is empty if there is nothing to do.
    """

    topic: str
    name: str
    state: State
    text: str
    todo: str = ""

"""The exceptions that reach the user as one line.

BenchError                 exit code 2: something the user typed, named or installed is wrong
├── UsageError             an option, a name or a parameter
├── DataError              a data folder, file, column or label
├── CheckpointError        a model, tokenizer or vocabulary
├── PluginError            a plugin that clashes with another or breaks the rules of the interface
├── ResultsError           a results folder or a record
└── RunError               exit code 1: a run that started and could not be finished
"""

from __future__ import annotations

import copyreg
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

# What options, keys and hooks of version 0.1 are called now: whoever types an old name is told the new one.
RENAMED: Mapping[str, str] = {
    "--control": "--reference",
    "--no-control": "--reference none",
    "optimiser": "optimizer",
    "looks": "evaluations",
    "own_updates": "auxiliary_updates",
    "licence": "license",
    "labelled": "labeled",
    "matekd_bench_look_done": "matekd_bench_evaluated",
}


class BenchError(Exception):
    """Base of every error shown as one line: what is wrong, then, if known, what to do.

    `message` names the bad value and what is allowed; `hint` is the next thing to do, often a command.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without `__init__`, whose arguments subclasses change: Ray sends errors back pickled."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class UsageError(BenchError):
    """An option, a name or a parameter that cannot be used."""


class DataError(BenchError):
    """A data folder, file, column or label that cannot be used."""


class CheckpointError(BenchError):
    """A model, tokenizer or vocabulary that cannot be used."""


class PluginError(BenchError):
    """A plugin that clashes with another or breaks the rules of the interface."""


class ResultsError(BenchError):
    """A results folder or record that cannot be read or written."""


class RunError(BenchError):
    """A run that was started and could not be finished."""

    exit_code = 1


def unknown(kind: str, name: str, allowed: Iterable[str], *, command: str | None = None) -> UsageError:
    """The error for a name that does not exist: the name, the nearest match or all names, the next command.

    `kind` is the word for what was named ("method", "task", ...); `command` lists what there is.
    """
    if (new := renamed(name)) is not None:
        return UsageError(f"unknown {kind} '{name}': it is called '{new}' now.")
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        known = f"did you mean '{near[0]}'?"
    elif names:
        known = f"there are {', '.join(names)}."
    else:
        known = "there are none."
    return UsageError(
        f"unknown {kind} '{name}': {known}", hint=f"'{command}' lists them." if command else None
    )


def renamed(name: str) -> str | None:
    """What an option or a dotted key of version 0.1 is called now; None for a name that was never another's."""
    new = ".".join(RENAMED.get(part, part) for part in name.split("."))
    return None if new == name else new

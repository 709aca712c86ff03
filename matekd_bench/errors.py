"""The exceptions that the user sees as one line.

BenchError                 exit code 2: something the user typed, named or installed is wrong
├── UsageError             an option, a name or a parameter
├── DataError              a data folder, file, column or label
├── CheckpointError        a model, tokenizer or vocabulary
├── PluginError            a plugin that conflicts with another or breaks the rules of the interface
├── ResultsError           a results folder or a record
└── RunError               exit code 1: a run that started but could not be finished
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable, Mapping
from typing import Any

# Old names of options, keys and hooks (version 0.1) with their new names, for error messages.
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
    """Base class of all errors that are shown as one line: what is wrong and, if known, what to do.

    `message` names the bad value and the allowed ones; `hint` is the next thing to do, often a command.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without calling `__init__`, since its arguments differ in subclasses; Ray sends errors pickled."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class UsageError(BenchError):
    """An option, a name or a parameter that cannot be used."""


class DataError(BenchError):
    """A data folder, file, column or label that cannot be used."""


class CheckpointError(BenchError):
    """A model, tokenizer or vocabulary that cannot be used."""


class PluginError(BenchError):
    """A plugin that conflicts with another or breaks the rules of the interface."""


class ResultsError(BenchError):
    """A results folder or record that cannot be read or written."""


class RunError(BenchError):
    """A run that started but could not be finished."""

    exit_code = 1


def unknown(kind: str, name: str, allowed: Iterable[str], *, command: str | None = None) -> UsageError:
    """Return the error for a name that does not exist, with the nearest match or all allowed names.

    `kind` is the word for the named thing ("method", "task", ...). `command` is the command that lists the names.
    """
    if (new := renamed(name)) is not None:
        return UsageError(f"unknown {kind} '{name}': it is called '{new}' now.")
    names = sorted(allowed)
    import difflib  # only where a name is wrong: every start of the command line would pay for it

    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        suggestion = f"did you mean '{near[0]}'?"
    elif names:
        suggestion = f"there are {', '.join(names)}."
    else:
        suggestion = "there are none."
    return UsageError(
        f"unknown {kind} '{name}': {suggestion}", hint=f"'{command}' lists them." if command else None
    )


def renamed(name: str) -> str | None:
    """Return the new name of an option or dotted key of version 0.1; None if the name was not changed."""
    new = ".".join(RENAMED.get(part, part) for part in name.split("."))
    return None if new == name else new

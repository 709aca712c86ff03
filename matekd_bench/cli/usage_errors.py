"""What Typer complains about, in the form of all other errors: one line, then the next command."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matekd_bench.errors import UsageError, renamed


def as_usage_error(error: Exception) -> UsageError:
    """A UsageError from an error that Typer raised while it parsed the command line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "matekd-bench"
    hint = f"'{command} --help' lists what there is."
    option = getattr(error, "option_name", None)
    if option and type(error).__name__ == "NoSuchOption" and context:
        known = [name for parameter in context.command.params for name in parameter.opts]
        if (new := renamed(option)) is not None:
            return UsageError(f"unknown option '{option}': it is called '{new}' now.", hint=hint)
        near = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
        suggestion = f": did you mean '{near[0]}'?" if near else "."
        return UsageError(f"unknown option '{option}'{suggestion}", hint=hint)
    if type(error).__name__ == "BadParameter" and context and (typed := _typed(error, context)):
        name, value = typed
        return UsageError(f"{name} cannot be '{value}': {_what_it_should_be(error)}.", hint=hint)
    describe = getattr(error, "format_message", error.__str__)
    message = " ".join(str(describe()).split()).rstrip(".")
    stop = "" if message.endswith("?") else "."
    return UsageError(f"{message[:1].lower()}{message[1:]}{stop}", hint=hint)


def _typed(error: Exception, context: Any) -> tuple[str, str] | None:
    """The option that an error is about and the value that was typed for it; None where it was not typed."""
    names = getattr(getattr(error, "param", None), "opts", ())
    words = [part for word in context.find_root().obj or () for part in _split(word, names)]
    found = [(name, value) for name, value in pairwise(words) if name in names]
    return found[-1] if found else None


def _split(word: str, names: Sequence[str]) -> list[str]:
    """`--option=value` as two words."""
    name, equals, value = word.partition("=")
    return [name, value] if equals and name in names else [word]


def _what_it_should_be(error: Exception) -> str:
    said = str(getattr(error, "message", error)).partition(", unable to")[0]
    return said.replace("Input should", "it should").rstrip(".")

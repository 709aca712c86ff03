"""Typer's parsing errors in the form of all other errors: one line, then a hint."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matekd_bench.errors import UsageError, plain_words
from matekd_bench.spelling import nearest, plain


def as_usage_error(error: Exception) -> UsageError:
    """Convert an error that Typer raised while parsing the command line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "matekd-bench"
    hint = f"'{command} --help' lists the options."
    option = getattr(error, "option_name", None)
    if option and type(error).__name__ == "NoSuchOption" and context:
        return UsageError(f"unknown option '{option}'{_suggestion(option, context)}", hint=hint)
    if type(error).__name__ == "BadParameter" and context and (typed := _typed_option(error, context)):
        name, value = typed
        return UsageError(
            f"{name} cannot be '{value}': {plain_words(getattr(error, 'message', str(error)))}.", hint=hint
        )
    describe = getattr(error, "format_message", error.__str__)
    message = " ".join(str(describe()).split()).rstrip(".")
    stop = "" if message.endswith("?") else "."
    return UsageError(f"{message[:1].lower()}{message[1:]}{stop}", hint=hint)


def _suggestion(option: str, context: Any) -> str:
    """Return a suggestion for an unknown option: an option like it, or a setting without an option."""
    options = [name for parameter in context.command.params for name in parameter.opts]
    if near := nearest(option, options):
        return f": did you mean '{near}'?"
    key = _setting_called(option) if "--config" in options else None
    return f": '{key}' is a key of a --config file." if key else "."


def _setting_called(option: str) -> str | None:
    """Return the dotted key of the setting whose last part is an option's name; of several, the student's."""
    from matekd_bench.study.spec.study_spec import setting_keys

    keys = [key for key in setting_keys() if plain(key.rpartition(".")[2]) == plain(option)]
    return next(
        (key for key in keys if not key.startswith(("teacher.", "generator."))), next(iter(keys), None)
    )


def _typed_option(error: Exception, context: Any) -> tuple[str, str] | None:
    """Return the option that an error is about and its typed value; None if it was not typed."""
    names = getattr(getattr(error, "param", None), "opts", ())
    words = [part for word in context.find_root().obj or () for part in _split_option(word, names)]
    pairs = [(name, value) for name, value in pairwise(words) if name in names]
    return pairs[-1] if pairs else None  # the last one: it replaces earlier ones


def _split_option(word: str, names: Sequence[str]) -> list[str]:
    """Split `--option=value` into two words."""
    name, equals, value = word.partition("=")
    return [name, value] if equals and name in names else [word]

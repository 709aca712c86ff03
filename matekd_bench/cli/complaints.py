"""What Typer complains about, in the form of all other errors: one line, then the next command."""

from __future__ import annotations

import difflib

from matekd_bench.errors import UsageError


def as_usage_error(error: Exception) -> UsageError:
    """A UsageError from an error that Typer raised while it parsed the command line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "matekd-bench"
    hint = f"'{command} --help' lists what there is."
    option = getattr(error, "option_name", None)
    if option and type(error).__name__ == "NoSuchOption" and context:
        known = [name for parameter in context.command.params for name in parameter.opts]
        near = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
        suggestion = f": did you mean '{near[0]}'?" if near else "."
        return UsageError(f"unknown option '{option}'{suggestion}", hint=hint)
    describe = getattr(error, "format_message", error.__str__)
    message = " ".join(str(describe()).split()).rstrip(".")
    stop = "" if message.endswith("?") else "."
    return UsageError(f"{message[:1].lower()}{message[1:]}{stop}", hint=hint)

"""Kinds of values in ``--help``, shown as people write them, such as FILE, and without types of Python."""

from __future__ import annotations

from functools import partial
from typing import Any


def show_metavars(command: Any) -> Any:
    """Make the help of a command show its parameters by their metavars alone; return the command.

    Typer shows Python types of flags and arguments, such as ``<bool>``, and encloses arguments in braces in the usage.
    """
    command.get_params = partial(_parameters, command.get_params)
    return command


def _parameters(list_parameters: Any, context: Any) -> list[Any]:
    """Return a command's parameters, ``--help`` included, with metavars in place of types."""
    parameters: list[Any] = list_parameters(context)
    for parameter in parameters:
        metavar = parameter.metavar or ""
        is_argument = parameter.param_type_name == "argument"
        # The table of arguments has the metavar in its first column.
        parameter.display_type_rich = partial(_constant, "" if is_argument else metavar)
        if is_argument:
            parameter.get_usage_pieces = partial(_constant, [metavar])
    return parameters


def _constant(value: Any, ctx: Any) -> Any:
    """Return `value` in any context."""
    return value

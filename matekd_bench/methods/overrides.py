"""The training settings that a method replaces: reading, checking and describing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from matekd_bench.errors import PluginError
from matekd_bench.foreign_code import blamed
from matekd_bench.methods.method import Method, Params


def overrides_of(method: Method, params: Params) -> dict[str, Any]:
    """Return the settings that `method` replaces with these parameters, by dotted name.

    Raises PluginError if the record's function raises or returns names that are not text.
    """
    with blamed(f"method '{method.name}' cannot list its overrides", PluginError):
        overrides = dict(method.overrides(params))
    if bad_names := [name for name in overrides if not isinstance(name, str)]:
        raise PluginError(
            f"method '{method.name}' overrides {bad_names[0]!r}: the name of a setting must be text."
        )
    return dict(sorted(overrides.items()))


def overrides_in_words(method: Method) -> str:
    """Describe what `method` overrides by default, and with each value of a parameter that changes the list."""
    defaults = overrides_of(method, method.params())
    parts = [_listed(defaults)] if defaults else []
    for name, field in method.params.model_fields.items():
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        for choice in choices:
            overrides = overrides_of(method, method.params.model_validate({name: choice}))
            if overrides != defaults:
                parts.append(f"with {name}={choice}: {_listed(overrides) or 'nothing'}")
    return "; ".join(parts)


def _listed(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in overrides.items())

"""Which settings of a study's training a method replaces: asked of its record, checked, and put into words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from matekd_bench.errors import BenchError, PluginError
from matekd_bench.methods.method import Method, Params


def overrides_of(method: Method, params: Params) -> dict[str, Any]:
    """The settings that `method` replaces under these parameters, by dotted name.

    Raises PluginError, before any training, where the record cannot say or says no names.
    """
    try:
        given = dict(method.overrides(params))
    except BenchError:
        raise
    except Exception as error:  # foreign code
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"method '{method.name}' cannot say what it overrides: {reason}.") from error
    if wrong := [name for name in given if not isinstance(name, str)]:
        raise PluginError(f"method '{method.name}' overrides {wrong[0]!r}: name a setting, as text.")
    return dict(sorted(given.items()))


def overrides_in_words(method: Method) -> str:
    """What `method` overrides, with its defaults and for each choice of a parameter that makes a difference."""
    usual = overrides_of(method, method.params())
    said = [_listed(usual)] if usual else []
    for name, field in method.params.model_fields.items():
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        for choice in choices:
            found = overrides_of(method, method.params.model_validate({name: choice}))
            if found != usual:
                said.append(f"with {name}={choice}: {_listed(found) or 'nothing'}")
    return "; ".join(said)


def _listed(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in overrides.items())

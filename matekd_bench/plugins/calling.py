"""Calling one implementation of a hook: it gets the arguments it takes, under old names too.

A hook or an argument that is renamed stays in the specifications under its old name, marked with pluggy's
`warn_on_impl` or `warn_on_impl_args` and a :class:`RenamedWarning`. A plugin that uses it goes on working, and
loading it gives one line that says what to write instead.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import pluggy

from matekd_bench.errors import PluginError


class RenamedWarning(DeprecationWarning):
    """A hook or argument is called `new` now; its old name works until version `until`."""

    def __init__(self, new: str, until: str) -> None:
        super().__init__(new, until)
        self.new, self.until = new, until


def register(manager: pluggy.PluginManager, plugin: object, name: str) -> tuple[str, ...]:
    """Registers a plugin; a sentence for every renamed hook or argument that it still calls by its old name.

    Raises PluginError where an implementation takes an argument that its hook does not give.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            manager.register(plugin, name=name)
        except pluggy.PluginValidationError as error:
            raise PluginError(_misfit(manager, plugin) or str(error)) from error
    return tuple(dict.fromkeys(_sentence(manager, plugin, found.message) for found in caught))


def current_name(caller: pluggy.HookCaller) -> str:
    """The name that a hook has now."""
    renamed = caller.spec.warn_on_impl if caller.spec else None
    return renamed.new if isinstance(renamed, RenamedWarning) else caller.name


def call(implementation: pluggy.HookImpl, caller: pluggy.HookCaller, given: Mapping[str, Any]) -> Any:
    """What one implementation returns for those of the `given` arguments that it takes."""
    renamed = (caller.spec.warn_on_impl_args if caller.spec else None) or {}
    names = (
        new.new if isinstance(new := renamed.get(name), RenamedWarning) else name
        for name in implementation.argnames
    )
    return implementation.function(*(given[name] for name in names))


def refuse_wrappers(implementation: pluggy.HookImpl) -> None:
    """PluginError for pluggy's wrappers: implementations are called one by one, so there is nothing to wrap."""
    if implementation.hookwrapper or implementation.wrapper:
        raise PluginError("hook wrappers are not supported: implement the hook itself.")


def _misfit(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Which hook is implemented with which argument that it does not give."""
    for name, caller in vars(manager.hook).items():
        function = getattr(plugin, name, None)
        if caller.spec is None or not callable(function):
            continue
        given = caller.spec.argnames
        for argument in inspect.signature(function).parameters:
            if argument not in given:
                gives = f"gives {', '.join(given)}" if given else "gives no argument"
                return f"'{name}' is written with the argument '{argument}': the hook {gives}."
    return None


def _sentence(manager: pluggy.PluginManager, plugin: object, message: Warning | str) -> str:
    if not isinstance(message, RenamedWarning):
        return " ".join(str(message).split())
    hooks = {
        caller.name: caller.spec
        for caller in manager.get_hookcallers(plugin) or []
        if caller.spec is not None
    }
    for name, spec in hooks.items():
        if spec.warn_on_impl is message:
            return (
                f"the hook '{name}' is called '{message.new}' now; the old name works until {message.until}"
            )
        for argument, renamed in (spec.warn_on_impl_args or {}).items():
            if renamed is message:
                return (
                    f"the argument '{argument}' of '{name}' is called '{message.new}' now; "
                    f"the old name works until {message.until}"
                )
    return f"something is called '{message.new}' now"

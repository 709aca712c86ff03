"""Registers plugins and calls hook implementations one at a time, under old names of hooks and arguments too.

A renamed hook or argument keeps its old name in the specifications. There it is marked with pluggy's `warn_on_impl`
or `warn_on_impl_args` and a :class:`RenamedWarning`. A plugin that uses the old name still works. Loading it gives
one line that says what to write instead.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import pluggy

from matekd_bench.errors import PluginError


class RenamedWarning(DeprecationWarning):
    """A warning that a hook or argument is now called `new`; its old name works until version `until`."""

    def __init__(self, new: str, until: str) -> None:
        super().__init__(new, until)
        self.new, self.until = new, until


def register(manager: pluggy.PluginManager, plugin: object, name: str) -> tuple[str, ...]:
    """Register a plugin and return one sentence for each renamed hook or argument that it uses by its old name.

    Raises PluginError if an implementation takes an argument that its hook does not pass.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            manager.register(plugin, name=name)
        except pluggy.PluginValidationError as error:
            raise PluginError(_unknown_argument(manager, plugin) or str(error)) from error
    return tuple(dict.fromkeys(_renaming_notice(manager, plugin, warning.message) for warning in caught))


def current_name(caller: pluggy.HookCaller) -> str:
    """Return the current name of a hook."""
    renamed = caller.spec.warn_on_impl if caller.spec else None
    return renamed.new if isinstance(renamed, RenamedWarning) else caller.name


def call(implementation: pluggy.HookImpl, caller: pluggy.HookCaller, arguments: Mapping[str, Any]) -> Any:
    """Call one implementation with those of the `arguments` that it takes, and return its result."""
    renamed = (caller.spec.warn_on_impl_args if caller.spec else None) or {}
    names = (
        new.new if isinstance(new := renamed.get(name), RenamedWarning) else name
        for name in implementation.argnames
    )
    return implementation.function(*(arguments[name] for name in names))


def refuse_wrappers(implementation: pluggy.HookImpl) -> None:
    """Raise PluginError for pluggy's hook wrappers.

    Implementations are called one by one, so there is nothing to wrap.
    """
    if implementation.hookwrapper or implementation.wrapper:
        raise PluginError("hook wrappers are not supported: implement the hook itself.")


def _unknown_argument(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Return a sentence on the first argument that a hook does not pass, or None."""
    for name, caller in vars(manager.hook).items():
        function = getattr(plugin, name, None)
        if caller.spec is None or not callable(function):
            continue
        passed = caller.spec.argnames
        for argument in inspect.signature(function).parameters:
            if argument not in passed:
                gives = f"gives {', '.join(passed)}" if passed else "gives no argument"
                return f"'{name}' is written with the argument '{argument}': the hook {gives}."
    return None


def _renaming_notice(manager: pluggy.PluginManager, plugin: object, message: Warning | str) -> str:
    """Return a sentence for a warning that pluggy gave while registering a plugin."""
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

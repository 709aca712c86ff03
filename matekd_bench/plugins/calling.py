"""Registers plugins and calls hook implementations one at a time, so that one that raises affects no other."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pluggy

from matekd_bench.errors import PluginError


def register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    """Register a plugin.

    Raises PluginError if an implementation takes an argument that its hook does not pass, or wraps a hook.
    """
    try:
        manager.register(plugin, name=name)
    except pluggy.PluginValidationError as error:
        raise PluginError(_unknown_argument(manager, plugin) or str(error)) from error
    for caller in manager.get_hookcallers(plugin) or []:
        for implementation in caller.get_hookimpls():
            # Implementations are called one by one, so there is nothing to wrap.
            if implementation.plugin is plugin and (implementation.hookwrapper or implementation.wrapper):
                raise PluginError("hook wrappers are not supported: implement the hook itself.")


def call(implementation: pluggy.HookImpl, arguments: Mapping[str, Any]) -> Any:
    """Call one implementation with those of the `arguments` that it takes, and return its result."""
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def _unknown_argument(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Return a sentence about the first argument that a hook does not pass, or None."""
    for name, caller in vars(manager.hook).items():
        function = getattr(plugin, name, None)
        if caller.spec is None or not callable(function):
            continue
        passed = caller.spec.argnames
        for argument in inspect.signature(function).parameters:
            if argument not in passed:
                gives = f"passes {', '.join(passed)}" if passed else "passes no argument"
                return f"'{name}' takes the argument '{argument}', but the hook {gives}."
    return None

"""Finds thesauri by name for methods, among the most recently loaded plugins of this process."""

from __future__ import annotations

from matekd_bench.methods.thesaurus import Thesaurus
from matekd_bench.plugins.host import Host


def find_thesaurus(name: str) -> Thesaurus:
    """Return the thesaurus called `name`.

    Raises UsageError with the nearest match for an unknown name, PluginError if two plugins claim the name.
    """
    host = _current_host()
    return host.get("thesaurus", name, host.thesauri).record


def thesaurus_names() -> tuple[str, ...]:
    """Return the names of all thesauri in alphabetical order."""
    return tuple(sorted(_current_host().thesauri))


def _current_host() -> Host:
    """Return the most recently loaded host, or load the installed plugins if there is none, e.g. in a notebook."""
    return Host.latest or Host.load()

"""How a method finds a thesaurus by name: among those of the plugins that were loaded last in this process."""

from __future__ import annotations

from matekd_bench.methods.thesaurus import Thesaurus
from matekd_bench.plugins.host import Host


def find_thesaurus(name: str) -> Thesaurus:
    """The thesaurus called `name`; UsageError with the nearest match, PluginError where two plugins claim it."""
    host = _host()
    return host.get("thesaurus", name, host.thesauri).record


def thesaurus_names() -> tuple[str, ...]:
    """The names of all thesauri, in alphabetical order."""
    return tuple(sorted(_host().thesauri))


def _host() -> Host:
    """The host in force; in a notebook that has made none, that of the installed plugins."""
    return Host.latest or Host.load()

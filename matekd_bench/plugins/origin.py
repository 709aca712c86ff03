"""Describes where a plugin comes from: a distribution, matekd-bench's own or another, or a file."""

from __future__ import annotations

import re
from dataclasses import dataclass

OWN_DISTRIBUTION = "matekd-bench"
OWN_PACKAGES = frozenset({"matekd_bench", "matekd_plugins", "matekd_tasks"})


@dataclass(frozen=True)
class ProvidedBy:
    """The origin of a plugin: an installed distribution, a file, or this process if it defines a method itself."""

    plugin: str
    distribution: str | None = None
    version: str | None = None
    path: str | None = None
    in_process: bool = False

    def __str__(self) -> str:
        if self.in_process:
            return "this process"
        if self.path is not None:
            return f"the file {self.path}"
        return f"{self.distribution} {self.version} (plugin '{self.plugin}')"

    @property
    def built_in(self) -> bool:
        """True for plugins that belong to matekd-bench itself."""
        return normalized(self.distribution or "") == OWN_DISTRIBUTION


def normalized(distribution: str) -> str:
    """Return the name of a distribution in normalized form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()

"""The settings in which several protocols differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from matekd_bench.files.hashing import canonical

ABSENT: Final = "(absent)"


@dataclass(frozen=True)
class DifferingSetting:
    """One setting that differs: its dotted path and its value in each protocol, as JSON."""

    path: str
    values: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.path}: " + ", ".join(f"{value} ({name})" for name, value in self.values.items())


def differing_settings(protocols: Mapping[str, Mapping[str, Any]]) -> tuple[DifferingSetting, ...]:
    """Return the settings in which `protocols` (name -> nested settings) are not all equal, sorted by path.

    Values are plain JSON. Lists are compared as a whole. A setting that a protocol lacks has the value `ABSENT`
    there.
    """
    flat = {name: dict(_leaves(settings, ())) for name, settings in protocols.items()}
    paths = sorted({path for leaves in flat.values() for path in leaves})
    fields = (
        DifferingSetting(".".join(path), {name: leaves.get(path, ABSENT) for name, leaves in flat.items()})
        for path in paths
    )
    return tuple(field for field in fields if len(set(field.values.values())) > 1)


def _leaves(settings: Mapping[str, Any], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """Return path and canonical JSON of every value below `path`; an empty mapping is a value too."""
    leaves: list[tuple[tuple[str, ...], str]] = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            leaves += _leaves(value, (*path, key))
        else:
            leaves.append(((*path, key), canonical(value)))
    return leaves

"""How the flat form of a task file is told from a record, without loading what reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_own(table: Mapping[str, Any]) -> bool:
    """Whether a TOML table has the flat form of one's own data, not that of a `Task` record."""
    return not {"fields", "splits", "folder"} & table.keys()

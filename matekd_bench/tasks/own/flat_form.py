"""Recognizes the flat form of a task file, without importing the modules that read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_flat_form(table: Mapping[str, Any]) -> bool:
    """Return True if a TOML table has the flat form for the user's own data, not the form of a `Task` record."""
    return not {"fields", "splits", "folder"} & table.keys()

"""Canonical JSON and the digests taken of it: the ground of every identity in the project."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def canonical(value: Any) -> str:
    """`value` as JSON with sorted keys, no spaces and no NaN: equal values give equal text.

    Raises ValueError for NaN or infinity, TypeError for what JSON has no word for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def around(value: Mapping[str, Any], key: str) -> tuple[str, str]:
    """What stands before and behind the value of `key` in the canonical JSON of `value`, which has further keys."""
    before = {name: one for name, one in value.items() if name < key}
    behind = {name: one for name, one in value.items() if name > key}
    start = f"{canonical(before)[:-1]}," if before else "{"
    end = f",{canonical(behind)[1:]}" if behind else "}"
    return f"{start}{canonical(key)}:", end


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def short_digest(value: Any, length: int = 16) -> str:
    """The first `length` hexadecimal digits of :func:`digest`: 16 of them are 64 bits."""
    return digest(value)[:length]


def bytes_digest(content: bytes) -> str:
    """SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lines_digest(lines: Iterable[str]) -> str:
    """SHA-256 over strings in order, each closed by a unit separator so that no two lists coincide."""
    state = hashlib.sha256()
    for line in lines:
        state.update(line.encode())
        state.update(b"\x1f")
    return state.hexdigest()

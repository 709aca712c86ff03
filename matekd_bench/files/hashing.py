"""Canonical JSON and SHA-256 digests, from which all ids in the project are computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any


def canonical(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces, so that equal values give equal text.

    Raises ValueError for NaN or infinity, TypeError for a type that JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_around(value: Mapping[str, Any], key: str) -> tuple[str, str]:
    """Return the text before and after the value of `key` in the canonical JSON of `value`.

    A caller can then hash many values of one key without serializing the other keys again.
    """
    before = {name: item for name, item in value.items() if name < key}
    after = {name: item for name, item in value.items() if name > key}
    start = f"{canonical(before)[:-1]}," if before else "{"
    end = f",{canonical(after)[1:]}" if after else "}"
    return f"{start}{canonical(key)}:", end


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def short_digest(value: Any, length: int = 16) -> str:
    """Return the first `length` hexadecimal digits of :func:`digest`; 16 digits are 64 bits."""
    return digest(value)[:length]


def bytes_digest(content: bytes) -> str:
    """Return the SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits.

    The file is read again only if it has changed, because weights are hashed both for their seal and for the ids of
    runs.
    """
    status = path.stat()
    # Unlike the time of the last change of the content, that of the status cannot be set back.
    return _file_digest(
        path.absolute(), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


@lru_cache(maxsize=1024)
def _file_digest(path: Path, *stamp: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lines_digest(lines: Iterable[str]) -> str:
    """Return the SHA-256 of strings in order; a unit separator after each keeps different lists distinct."""
    state = hashlib.sha256()
    for line in lines:
        state.update(line.encode())
        state.update(b"\x1f")
    return state.hexdigest()

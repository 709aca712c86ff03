"""Reads files of text, TOML and JSON; a file that cannot be read is an error of one line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from matekd_bench.errors import BenchError, DataError, file_problem

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

Content = TypeVar("Content")


def read_text(file: Path | Traversable, kind: type[BenchError] = DataError) -> str:
    """Return the text of a UTF-8 file, with or without a byte-order mark, and with its own line ends.

    Raises `kind`, naming the file and the line, if the file cannot be read or is not UTF-8.
    """
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise kind(file_problem(file, error)) from error


def read_toml(file: Path | Traversable, kind: type[BenchError] = DataError) -> dict[str, Any]:
    """Return the tables of a TOML file; raises `kind` as `read_text` does, and if the file is not TOML."""
    return _parsed(file, tomllib.loads, kind)


def read_json(file: Path | Traversable, kind: type[BenchError] = DataError) -> Any:
    """Return the value of a JSON file; raises `kind` as `read_text` does, and if the file is not JSON."""
    return _parsed(file, json.loads, kind)


def _parsed(file: Path | Traversable, parse: Callable[[str], Content], kind: type[BenchError]) -> Content:
    text = read_text(file, kind)
    try:
        return parse(text)
    except (ValueError, RecursionError) as error:
        raise kind(file_problem(file, error)) from error

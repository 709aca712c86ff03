"""Reads files of text, TOML and JSON, and checks records; a problem with a file is an error of one line."""

from __future__ import annotations

import codecs
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from matekd_bench.errors import BenchError, DataError, file_problem, first_problem
from matekd_bench.files.regular import read_at_most

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pydantic import TypeAdapter

Content = TypeVar("Content")
Record = TypeVar("Record")
MAX_SETTINGS_BYTES = 2**24  # TOML and JSON files hold settings: some kB
UTF_8 = "utf-8-sig"  # with or without a byte-order mark
_adapters: dict[type, TypeAdapter[Any]] = {}  # cached, because making one takes longer than reading a file


def read_text(
    file: Path | Traversable,
    kind: type[BenchError] = DataError,
    *,
    encoding: str = UTF_8,
    max_bytes: int | None = None,
) -> str:
    """Return the text of a file, with its own line ends; UTF-8 may begin with a byte-order mark.

    Raises `kind`, naming the file and the line, if the file cannot be read, is not in this encoding, or holds more than
    `max_bytes`. FIFOs and devices are not opened, because reading them may never end.
    """
    try:
        if isinstance(file, Path) and file.exists() and not file.is_file() and not file.is_dir():
            raise OSError("it is not a regular file: not opened")
        with file.open("rb") as stream:
            return read_at_most(stream, max_bytes).decode(encoding)
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, UnicodeDecodeError):
            error.encoding = encoding.removesuffix("-sig")  # Python calls all one-byte encodings "charmap"
        raise kind(file_problem(file, error)) from error


def text_encoding(name: str) -> str:
    """Return Python's name of a text encoding; for UTF-8, the one that skips a byte-order mark.

    Raises DataError for an unknown name and for codecs that do not encode text, such as "base64".
    """
    try:
        b"x".decode(name)
    except UnicodeDecodeError:
        pass  # in an encoding such as UTF-16 a single byte is not text
    except (LookupError, UnicodeError) as error:
        raise DataError(
            f"unknown encoding '{name}': use a name such as utf-8, cp1252, latin-1 or utf-16."
        ) from error
    known = codecs.lookup(name).name
    return UTF_8 if known == "utf-8" else known


def read_toml(file: Path | Traversable, kind: type[BenchError] = DataError) -> dict[str, Any]:
    """Return the tables of a TOML file; raise `kind` as `read_text` does, and if the file is not TOML."""
    return _parsed(file, _toml, kind)


def _toml(text: str) -> dict[str, Any]:
    tables = tomllib.loads(text)
    repr(tables)  # raises for a hexadecimal number beyond Python's limit of 4300 digits, as for a decimal one
    return tables


def read_json(file: Path | Traversable, kind: type[BenchError] = DataError) -> Any:
    """Return the value of a JSON file; raise `kind` as `read_text` does, and if the file is not JSON."""
    return _parsed(file, json.loads, kind)


def read_record(file: Path, model: type[Record], kind: type[BenchError] = DataError) -> Record:
    """Read a JSON file like :func:`checked_record`; raise `kind` also as :func:`read_json` does."""
    return checked_record(read_text(file, kind, max_bytes=MAX_SETTINGS_BYTES), model, file, kind)


def checked_record(plain: str, model: type[Record], file: Path, kind: type[BenchError] = DataError) -> Record:
    """Return JSON text as a pydantic model or a dataclass; values are never converted to another type.

    Raises `kind`, naming `file`, for text that is not JSON, a key that is unknown, missing or of a wrong type, and
    values that contradict each other.
    """
    from pydantic import TypeAdapter, ValidationError  # slow to load, and the command line starts without it

    try:
        if model not in _adapters:
            _adapters[model] = TypeAdapter(model)
        record: Record = _adapters[model].validate_json(plain)
        return record
    except ValidationError as error:
        raise kind(f"'{file}': {first_problem(error, model).sentence()}") from error
    except BenchError as error:
        raise kind(f"'{file}': {error.message}", hint=error.hint) from error


def _parsed(file: Path | Traversable, parse: Callable[[str], Content], kind: type[BenchError]) -> Content:
    text = read_text(file, kind, max_bytes=MAX_SETTINGS_BYTES)
    try:
        return parse(text)
    except (ValueError, RecursionError) as error:
        raise kind(file_problem(file, error)) from error

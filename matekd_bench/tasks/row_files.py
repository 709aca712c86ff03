"""Common parts of files about the rows of a task: a header with a cost, a digest, a name."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field

from matekd_bench.errors import DataError, file_problem
from matekd_bench.files.checked_model import CheckedModel
from matekd_bench.files.hashing import file_digest
from matekd_bench.files.reading import checked_record
from matekd_bench.files.user_tables import TableLine

SHOWN = 60  # characters of a text in a message
LISTED = 3  # ids in a message


class Header(CheckedModel):
    """The header of a file about rows: the cost of its content, by unit, and a note for people."""

    model_config = ConfigDict(strict=True)

    cost: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    note: str = ""


AnyHeader = TypeVar("AnyHeader", bound=Header)


def file_and_digest(path: str | Path) -> tuple[Path, str]:
    """Return a file with the SHA-256 of its content; raise DataError if it does not exist or cannot be read."""
    file = Path(path).expanduser()
    if not file.is_file():  # a pipe would never end
        raise DataError(f"there is no file '{path}'.")
    try:
        return file, file_digest(file)
    except OSError as error:
        raise DataError(file_problem(file, error)) from error


def file_name(file: Path, digest: str) -> str:
    """Return the name of a file in records and tables: without its folder, with the start of its digest."""
    return f"{file.name} (sha256 {digest[:16]})"


def is_header(line: TableLine) -> bool:
    """Return True if a line is a header: `header` is an object, or all that the line holds."""
    return "header" in line.cells and (isinstance(line.cells["header"], dict) or len(line.cells) == 1)


def read_header(line: TableLine, file: Path, model: type[AnyHeader]) -> AnyHeader | None:
    """Return the header that a line holds, None if it holds none; raise DataError for one with other fields."""
    if not is_header(line):
        return None
    try:
        return checked_record(json.dumps(line.cells["header"]), model, file)
    except DataError as error:
        problem = error.message.removeprefix(f"'{file}': ")
        raise DataError(f"'{file}', line {line.number}, 'header': {problem}") from error


def total_cost(headers: Iterable[Header]) -> dict[str, float]:
    """Add up the costs of several headers, by unit."""
    cost: defaultdict[str, float] = defaultdict(float)
    for header in headers:
        for unit, amount in header.cost.items():
            cost[unit] += amount
    return dict(cost)


def named_ids(ids: Sequence[str]) -> str:
    """Return the first few of some ids in quotation marks, for a message; "" if there are none."""
    more = len(ids) - LISTED
    return ", ".join(f"'{uid}'" for uid in ids[:LISTED]) + (f" and {more} more" if more > 0 else "")


def shown(text: str) -> str:
    """Return a text in quotation marks for a message, cut to a readable length."""
    return json.dumps(text if len(text) <= SHOWN else f"{text[:SHOWN]}...", ensure_ascii=False)

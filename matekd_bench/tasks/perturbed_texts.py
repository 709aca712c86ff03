"""Files of perturbed texts: writes the texts of training rows for perturbation, and reads the perturbed texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError, list_available
from matekd_bench.files.user_tables import TableLine, check_column, is_empty, read_lines, text_of, whole_text
from matekd_bench.tasks.row_files import (
    SHOWN,
    Header,
    file_and_digest,
    file_name,
    is_header,
    named_ids,
    read_header,
    shown,
    total_cost,
)
from matekd_bench.tasks.segments import SEGMENTS, Segments, chosen_segments

RowTexts = Mapping[str, tuple[str, ...]]  # the texts of rows by their ids


@dataclass(frozen=True)
class Coverage:
    """The part of the training texts for which a file has a perturbed text.

    `total` counts the chosen segments of all rows, and `found` those with a perturbed text. `missing` describes the
    first segment without one; None if all have one. `unused` counts the entries of the file that belong to no row, and
    `unknown_ids` names the first of their ids; "" if they have none.
    """

    total: int
    found: int
    missing: str | None
    unused: int
    unknown_ids: str = ""


@dataclass
class _Entry:
    """The perturbed texts of one text; `line` is the first line with one.

    `text` is their original, and `text_line` the first line that gives it. `unsegmented` is the first line that names
    no segment. All three are None if there is no such line.
    """

    line: int
    text: str | None = None
    text_line: int | None = None
    unsegmented: int | None = None
    perturbed: list[str] = field(default_factory=list)


_Key = tuple[str, int]  # the id of a row, and the index of a segment


@dataclass(frozen=True)
class PerturbedTexts:
    """Perturbed texts from a file, by the id and segment of a row or by the exact original text.

    `name` is the name of `file` with a digest of its content. `cost` is the cost of the texts, by unit.
    """

    file: Path
    name: str
    cost: Mapping[str, float]
    by_id: Mapping[_Key, _Entry] = field(repr=False)
    by_text: Mapping[str, _Entry] = field(repr=False)

    def of(self, uid: str, index: int, text: str) -> list[str]:
        """Return the perturbed versions of the segment `index` of a row; empty if the file has none.

        Versions for the row come before those for the text.
        """
        entry = self.by_id.get((uid, index)) or self.by_text.get(text)
        return entry.perturbed if entry else []

    def versions(self, uid: str, row: tuple[str, ...], segments: Segments) -> Iterator[tuple[str, ...]]:
        """Yield every perturbed version of a row's texts; a text that is not in the file stays unchanged."""
        chosen = chosen_segments(len(row), segments)
        choices = [
            self.of(uid, index, text) or [text] if index in chosen else [text]
            for index, text in enumerate(row)
        ]
        yield from product(*choices)

    def coverage(self, rows: RowTexts, segments: Segments) -> Coverage:
        """Count the texts of the rows' chosen segments that the file has.

        Raises DataError for an entry with the id of a row but another text, or without the segment of a pair.
        """
        self._check_entries(rows)
        texts = [
            (uid, index, row[index])
            for uid, row in rows.items()
            for index in chosen_segments(len(row), segments)
        ]
        missing = [text for text in texts if not self.of(*text)]
        first = _described(*missing[0]) if missing else None
        unknown = list(dict.fromkeys(uid for uid, _ in self.by_id if uid not in rows))
        return Coverage(
            len(texts), len(texts) - len(missing), first, self._count_unused(rows), named_ids(unknown)
        )

    def _check_entries(self, rows: RowTexts) -> None:
        """Raise DataError for an entry with an id that does not fit its row."""
        for (uid, index), entry in self.by_id.items():
            if (row := rows.get(uid)) is None:
                continue
            if len(row) > 1 and entry.unsegmented is not None:
                segments = " or ".join(SEGMENTS)
                raise self._misfit(entry.unsegmented, uid, f"has two texts: add a 'segment', {segments}")
            if index >= len(row):
                raise self._misfit(entry.line, uid, f"has one text and no segment '{SEGMENTS[index]}'")
            if entry.text_line is not None and entry.text != row[index]:
                given = f"{shown(row[index])} in the data, but {shown(str(entry.text))} in this line"
                raise self._misfit(entry.text_line, uid, f"has the text {given}")

    def _misfit(self, line: int, uid: str, problem: str) -> DataError:
        """Return the error for a line that does not fit the row that it names."""
        return DataError(f"'{self.file}', line {line}: row '{uid}' {problem}.")

    def _count_unused(self, rows: RowTexts) -> int:
        texts = {text for row in rows.values() for text in row}
        return sum(uid not in rows for uid, _ in self.by_id) + sum(text not in texts for text in self.by_text)


def texts_to_perturb(rows: RowTexts, segments: Segments, *, by_id: bool) -> Iterator[dict[str, str]]:
    """Yield a line for each distinct text of the chosen segments; with `by_id` one for each segment of each row."""
    texts = [
        (uid, index, row[index]) for uid, row in rows.items() for index in chosen_segments(len(row), segments)
    ]
    if by_id:
        yield from ({"id": uid, "segment": SEGMENTS[index], "text": text} for uid, index, text in texts)
    else:
        yield from ({"text": text} for text in dict.fromkeys(text for _, _, text in texts))


def read_perturbed_texts(path: str) -> PerturbedTexts:
    """Read a file of perturbed texts; a file that has not changed is read only once.

    A line is ``{"text": ..., "perturbed": ...}`` for every row with exactly this text, or ``{"id": ..., "segment":
    "first", "perturbed": ...}`` for one row. `perturbed` is a text or a list of texts. Lines for the same text add up,
    and a line without a perturbed text counts as absent. ``{"header": {"cost": {"tokens": 120000}}}`` gives the cost of
    the texts; the costs of several headers add up.

    Raises DataError, naming file and line, for a file that cannot be read and for a line in none of these forms.
    """
    return _read(*file_and_digest(path))


@lru_cache(maxsize=4)
def _read(file: Path, digest: str) -> PerturbedTexts:
    lines = read_lines(file)
    headers = [header for line in lines if (header := read_header(line, file, Header))]
    entries = [line for line in lines if not is_header(line)]
    check_column(file, entries or lines, "perturbed")
    check_column(file, entries, "id", "text")
    by_id: dict[_Key, _Entry] = {}
    by_text: dict[str, _Entry] = {}
    for line in entries:
        _add(line, file, by_id, by_text)
    return PerturbedTexts(file, file_name(file, digest), total_cost(headers), by_id, by_text)


def _add(line: TableLine, file: Path, by_id: dict[_Key, _Entry], by_text: dict[str, _Entry]) -> None:
    """Add the perturbed texts of a line to those with the same key."""
    perturbed = _perturbed(line, file)
    uid, segment = _optional(line, "id", file), _optional(line, "segment", file)
    text = text_of(line, "text", file) if line.cells.get("text") is not None else None
    if uid is None and text is None:
        raise DataError(f"'{file}', line {line.number}: needs 'id' or 'text', to identify the original text.")
    if segment not in (None, *SEGMENTS):
        raise DataError(
            f"'{file}', line {line.number}: no segment '{segment}': {list_available(str(segment), SEGMENTS)}"
        )
    if not perturbed:
        return
    entry = _Entry(line.number)
    if uid is None:
        entry = by_text.setdefault(str(text), entry)
    else:
        entry = by_id.setdefault((uid, SEGMENTS.index(segment or SEGMENTS[0])), entry)
        if text and entry.text not in (None, text):
            raise DataError(
                f"'{file}', line {line.number}: row '{uid}' has a different text in line {entry.text_line}."
            )
    if text and entry.text is None:
        entry.text, entry.text_line = text, line.number
    if segment is None and entry.unsegmented is None:
        entry.unsegmented = line.number
    entry.perturbed += perturbed


def _optional(line: TableLine, column: str, file: Path) -> str | None:
    """Return a cell of text; None if it is absent or empty."""
    return text_of(line, column, file) or None if line.cells.get(column) is not None else None


def _perturbed(line: TableLine, file: Path) -> list[str]:
    """Return the perturbed texts of a line; empty if nothing is filled in."""
    value: Any = line.cells.get("perturbed")
    if is_empty(value):
        return []
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise DataError(
                f"'{file}', line {line.number}: 'perturbed' holds {json.dumps(text)[:SHOWN]}: it must be a text or "
                "a list of texts."
            )
        whole_text(text, line, "perturbed", file)
    return texts


def _described(uid: str, index: int, text: str) -> str:
    """Describe a segment of a row in words."""
    return f"the {SEGMENTS[index]} text of row '{uid}', {shown(text)}"

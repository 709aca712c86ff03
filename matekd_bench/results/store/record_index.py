"""A copy of all records of a large results folder in one file that loads fast.

An entry is used only while the record's own file is unchanged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from pydantic import TypeAdapter

from matekd_bench.errors import ResultsError
from matekd_bench.files import safe_names
from matekd_bench.results.records import run_record as records
from matekd_bench.results.records.run_record import Record, RecordPart

FILE, SCHEMA = ".index.json", "matekd.index/3"
MIN_RECORDS = 1000  # fewer are read from their own files in a second
RUNS_PER_LINE = 2000  # a line is in memory twice while it is checked
Stamp: TypeAlias = tuple[int, int, int]  # of a file: size, time of modification, time of change (ns)
Entry: TypeAlias = tuple[Stamp, Record]

# Parts that many records have in common: they are written, checked and held in memory once.
SHARED: Final = ("data", "teacher", "student", "perturber", "selection", "tuning", "hparams", "env")
ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    name: TypeAdapter(cast(Any, Record.model_fields[name].annotation)) for name in SHARED
}


class _IndexedRun(RecordPart):
    """A run in the index: the fields that it does not share, the stamp of its file, and its shared parts by number.

    `parts` has a number for each name in `SHARED`: the place of that part in the list of shared parts.
    """

    stamp: Stamp
    parts: tuple[int, ...]
    run_id: records.Identifier
    status: records.Status
    reason: str | None
    identity: records.Identity
    seeds: records.Counts
    budget: records.BudgetRecord
    compute: records.Compute
    scores: tuple[records.ScoreItem, ...]
    task_score: records.TaskScore | None
    curve: tuple[records.EvaluationRecord, ...]
    diagnostics: dict[str, float | None]
    predictions: records.PredictionsFile | None
    provenance: records.Provenance


OWN_FIELDS: Final = tuple(name for name in _IndexedRun.model_fields if name not in ("stamp", "parts"))
RUN_LIST: Final = TypeAdapter(list[_IndexedRun])
OWN_PARTS: Final = ("identity", "budget", "compute", "task_score", "predictions", "provenance")
FIELD_NAMES: Final[Mapping[type, set[str]]] = {
    kind: set(kind.model_fields)
    for kind in (
        *(
            Record,
            records.Identity,
            records.BudgetRecord,
            records.Compute,
            records.TaskScore,
            records.ScoreItem,
        ),
        *(records.PredictionsFile, records.Provenance, records.EvaluationRecord),
    )
}


def file_stamp(path: str) -> Stamp:
    """Return size and times of a file; they change when a record is rewritten. Raises OSError if it is missing."""
    status = os.lstat(path)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def share_parts(run: Record, pool: dict[str, Any]) -> Record:
    """Return `run` with shared parts from `pool` if an equal part is there; add the others to `pool`.

    This keeps equal parts in memory once, so that many records fit.
    """
    parts = {
        name: pool.setdefault(name + _part_text(part), part)
        for name in SHARED
        if (part := getattr(run, name))
    }
    return _share_field_names(run.model_copy(update=parts))


def _share_field_names(run: Record) -> Record:
    """Give `run` and its parts one common set of field names per class.

    Pydantic holds a set for every instance: half of a record's memory.
    """
    for part in (run, *(getattr(run, name) for name in OWN_PARTS), *run.scores, *run.curve):
        if part is not None:
            object.__setattr__(part, "__pydantic_fields_set__", FIELD_NAMES[type(part)])
    return run


def _part_text(part: Any) -> str:
    return part.model_dump_json() if isinstance(part, RecordPart) else json.dumps(part)


def read(root: Path, version: str) -> dict[str, Entry]:
    """Read the index: run id -> stamp of the record's file, and the record. Empty if the index is missing or damaged.

    `version` is the version of the package: an index that another version wrote is not read.
    """
    try:
        path = safe_names.inside(root, root / FILE)
        with path.open("rb") as file:  # check the digest of all lines before parsing any
            if json.loads(file.readline()) != _header(file, version):
                return {}
        with path.open("rb") as file:
            file.readline()
            return dict(_parse_entries(json.loads(file.readline()), file))
    except (OSError, ValueError, IndexError, ResultsError):
        return {}


def write(root: Path, version: str, entries: Mapping[str, Entry]) -> None:
    """Write the index, or do nothing if the folder cannot be written."""
    lines = [line + b"\n" for line in _format_entries(entries)]
    with suppress(OSError):
        header = json.dumps(_header(lines, version)).encode() + b"\n"
        safe_names.write_atomically(safe_names.inside(root, root / FILE), header + b"".join(lines))


def _header(lines: Iterable[bytes], version: str) -> dict[str, str]:
    """Return the content of an index's first line: schema, version and the digest of all other lines."""
    digest = sha256()
    for line in lines:
        digest.update(line)
    return {"schema": SCHEMA, "version": version, "sha256": digest.hexdigest()}


def _format_entries(entries: Mapping[str, Entry]) -> Iterator[bytes]:
    """Yield lines of JSON: first the list of shared parts, each as text, then lists of runs."""
    numbers: dict[str, int] = {}

    def number(part: Any) -> int:
        return numbers.setdefault(_part_text(part), len(numbers))

    runs = [
        _IndexedRun.model_construct(
            stamp=stamp,
            parts=tuple(number(getattr(run, name)) for name in SHARED),
            **{name: getattr(run, name) for name in OWN_FIELDS},
        )
        for stamp, run in entries.values()
    ]
    yield json.dumps(list(numbers)).encode()
    for start in range(0, len(runs), RUNS_PER_LINE):
        yield RUN_LIST.dump_json(runs[start : start + RUNS_PER_LINE])


def _parse_entries(shared: list[str], lines: Iterable[bytes]) -> Iterator[tuple[str, Entry]]:
    """Yield run id and entry of every run in `lines`; `shared` are the shared parts as text."""
    parsed: dict[tuple[str, int], Any] = {}
    for line in lines:
        for run in RUN_LIST.validate_json(line):
            values = run.__dict__
            for name, number in zip(SHARED, run.parts, strict=True):
                if (name, number) not in parsed:
                    parsed[name, number] = ADAPTERS[name].validate_json(shared[number], strict=True)
                values[name] = parsed[name, number]
            values["schema_"] = records.SCHEMA
            fields = {
                name: values[name] for name in Record.model_fields
            }  # the order in which they are written
            yield run.run_id, (run.stamp, _share_field_names(_unchecked_record(fields)))


def _unchecked_record(fields: dict[str, Any]) -> Record:
    """Make a record of checked parts, faster than `model_construct`, which looks up a default for each field."""
    run = Record.__new__(Record)
    for name, value in (("__dict__", fields), ("__pydantic_extra__", None), ("__pydantic_private__", None)):
        object.__setattr__(run, name, value)
    return run

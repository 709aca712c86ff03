"""A copy of very many records in one file that loads fast; each counts only while its own file is unchanged."""

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
LEAST = 1000  # records; fewer are read in a second
CHUNK = 2000  # runs a line: what is checked at once lies in memory twice
Stamp: TypeAlias = tuple[int, int, int]
Entry: TypeAlias = tuple[Stamp, Record]

# Parts that many records have in common: written, checked and kept in memory once.
SHARED: Final = ("data", "teacher", "student", "perturber", "selection", "tuning", "hparams", "env")
ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    name: TypeAdapter(cast(Any, Record.model_fields[name].annotation)) for name in SHARED
}


class _Own(RecordPart):
    """What is a record's own, the numbers of its shared parts, and the stamp of its file."""

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


OWN: Final = tuple(name for name in _Own.model_fields if name not in ("stamp", "parts"))
RUNS: Final = TypeAdapter(list[_Own])
PARTS: Final = ("identity", "budget", "compute", "task_score", "predictions", "provenance")
NAMES: Final[Mapping[type, set[str]]] = {
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


def stamp(path: str) -> Stamp:
    """Size and times of a file: a record that was written or replaced has another one. OSError where there is none."""
    found = os.lstat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def sharing(run: Record, pool: dict[str, Any]) -> Record:
    """`run` with its shared parts taken from `pool`, where an earlier one had the same: many records fit in memory."""
    parts = {
        name: pool.setdefault(name + _text(part), part) for name in SHARED if (part := getattr(run, name))
    }
    return _slim(run.model_copy(update=parts))


def _slim(run: Record) -> Record:
    """`run` with one set of field names for all parts of a kind: pydantic's own sets are half of a record's memory."""
    for part in (run, *(getattr(run, name) for name in PARTS), *run.scores, *run.curve):
        if part is not None:
            object.__setattr__(part, "__pydantic_fields_set__", NAMES[type(part)])
    return run


def _text(part: Any) -> str:
    return part.model_dump_json() if isinstance(part, RecordPart) else json.dumps(part)


def read(root: Path, version: str) -> dict[str, Entry]:
    """Records by run id with the stamp of the file that each was read from; nothing where the index is no good.

    `version` is that of the package: an index that another one wrote is not read.
    """
    try:
        path = safe_names.inside(root, root / FILE)
        with path.open("rb") as file:
            if json.loads(file.readline()) != _head(file, version):
                return {}
        with path.open("rb") as file:
            file.readline()
            return dict(_unpacked(json.loads(file.readline()), file))
    except (OSError, ValueError, IndexError, ResultsError):
        return {}


def write(root: Path, version: str, entries: Mapping[str, Entry]) -> None:
    """Writes the index; a folder that cannot be written goes without."""
    lines = [line + b"\n" for line in _packed(entries)]
    with suppress(OSError):
        head = json.dumps(_head(lines, version)).encode() + b"\n"
        safe_names.write_atomically(safe_names.inside(root, root / FILE), head + b"".join(lines))


def _head(lines: Iterable[bytes], version: str) -> dict[str, str]:
    """The first line of an index, with the digest of all others."""
    state = sha256()
    for line in lines:
        state.update(line)
    return {"schema": SCHEMA, "version": version, "sha256": state.hexdigest()}


def _packed(entries: Mapping[str, Entry]) -> Iterator[bytes]:
    """Lines of JSON: the shared parts, each as text, then runs, some thousands a line, which name them by number."""
    numbers: dict[str, int] = {}

    def number(value: Any) -> int:
        return numbers.setdefault(_text(value), len(numbers))

    runs = [
        _Own.model_construct(
            stamp=found,
            parts=tuple(number(getattr(run, name)) for name in SHARED),
            **{name: getattr(run, name) for name in OWN},
        )
        for found, run in entries.values()
    ]
    yield json.dumps(list(numbers)).encode()
    for start in range(0, len(runs), CHUNK):
        yield RUNS.dump_json(runs[start : start + CHUNK])


def _unpacked(shared: list[str], lines: Iterable[bytes]) -> Iterator[tuple[str, Entry]]:
    made: dict[tuple[str, int], Any] = {}
    for line in lines:
        for own in RUNS.validate_json(line):
            found = own.__dict__
            for name, at in zip(SHARED, own.parts, strict=True):
                if (name, at) not in made:
                    made[name, at] = ADAPTERS[name].validate_json(shared[at], strict=True)
                found[name] = made[name, at]
            found["schema_"] = records.SCHEMA
            fields = {name: found[name] for name in Record.model_fields}  # written in this order
            yield own.run_id, (own.stamp, _slim(_record(fields)))


def _record(fields: dict[str, Any]) -> Record:
    """A record of parts that were checked; `model_construct` asks of each field whether it was given."""
    run = Record.__new__(Record)
    for name, value in (("__dict__", fields), ("__pydantic_extra__", None), ("__pydantic_private__", None)):
        object.__setattr__(run, name, value)
    return run

"""Merging results folders of several machines into a new one: all of it or nothing, conflicts named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matekd_bench.errors import ResultsError, UsageError
from matekd_bench.files import safe_names
from matekd_bench.results.records.dev_set import DevSet
from matekd_bench.results.records.run_record import Record, to_json
from matekd_bench.results.stats.protocol_differences import differing
from matekd_bench.results.store.results_store import ResultsStore

# What two machines never have in common although they made the same run: it does not count as a difference.
OF_THE_MACHINE: Mapping[str, frozenset[str]] = {
    "compute": frozenset({"train_seconds", "eval_seconds", "precompute_seconds", "peak_memory_bytes"}),
    "teacher": frozenset({"fine_tune_seconds"}),
}
NAMED = 3  # at most so many conflicts and fields stand in one line


@dataclass(frozen=True)
class Merged:
    """What a merge did: runs and data sets written, runs that lay in several folders, what was left out and why."""

    runs: int
    repeated: int
    data: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _FoundRun:
    """One run as one folder has it."""

    store: ResultsStore
    record: Record

    @property
    def folder(self) -> Path:
        return self.store.runs / self.record.run_id

    @property
    def order(self) -> tuple[bool, str, str]:
        """Which of two copies is taken, the lower one: a finished run before a failed one, then the older."""
        return self.record.status == "failed", self.record.provenance.created, to_json(self.record)

    @property
    def result(self) -> dict[str, Any]:
        """The record without what depends on who ran it, when and where."""
        plain = self.record.model_dump(mode="json", by_alias=True, exclude={"env", "provenance"})
        for part, fields in OF_THE_MACHINE.items():
            if plain[part] is not None:
                plain[part] = {name: value for name, value in plain[part].items() if name not in fields}
        return plain


@dataclass
class _FoundFolders:
    """What lies in the folders: runs and dev sets by name, and what has to be said about them."""

    runs: dict[str, _FoundRun] = field(default_factory=dict)
    data: dict[str, DevSet] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    conflicts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def merge(sources: Sequence[Path], target: Path) -> Merged:
    """Copies the runs and data sets of `sources` into the new folder `target`.

    A run that has the same result in several folders is copied once, the oldest of them: machines differ in
    seconds. A finished run stands in for a failed one with the same id, as it does when a study is continued.
    Damaged runs, and those whose predictions are not the recorded ones, are left out and named.

    Raises ResultsError, and writes nothing, where a run or a data set differs between folders, where a source is
    no results folder, or where `target` exists and is not empty.
    """
    if len(sources) < 2:
        raise UsageError("merge needs two results folders or more:", hint="'matekd-bench merge A B -o C'.")
    for source in sources:
        if not (source / "runs").is_dir():
            raise ResultsError(f"'{source}' is no results folder: it has no 'runs' in it.")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ResultsError(f"'{target}' is there already:", hint="merge writes a new folder, name another.")
    found = _look_through([ResultsStore(source) for source in sources])
    if found.conflicts:
        more = len(found.conflicts) - NAMED
        named = "; ".join(found.conflicts[:NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise ResultsError(
            f"the folders contradict each other: {named}.",
            hint="Delete what you do not want, then merge again.",
        )
    _write(found, target)
    return Merged(len(found.runs), len(found.repeated), len(found.data), tuple(found.left_out))


def _look_through(stores: Sequence[ResultsStore]) -> _FoundFolders:
    found = _FoundFolders()
    for store in stores:
        for record in store.records():
            _take_run(found, _FoundRun(store, record))
        found.left_out += [reason for _, reason in store.damaged]
        for digest in sorted(path.stem for path in store.data.glob("[!.]*.json")):
            _take_data(found, store, digest)
    return found


def _take_run(found: _FoundFolders, run: _FoundRun) -> None:
    try:
        run.store.read_predictions(run.record.run_id)  # as recorded, or ResultsError
    except ResultsError as error:
        found.left_out.append(str(error))
        return
    name = run.record.run_id
    other = found.runs.setdefault(name, run)
    if other is run:
        return
    found.repeated.add(name)
    failed = "failed" in (run.record.status, other.record.status)
    if not failed and (what := _difference(other, run)):
        found.conflicts.append(f"run '{name}' in '{other.store.root}' and '{run.store.root}' ({what})")
    found.runs[name] = min(other, run, key=lambda one: one.order)


def _difference(one: _FoundRun, other: _FoundRun) -> str | None:
    """In what the results of two copies of a run differ; None where they are alike."""
    paths = [found.path for found in differing({"one": one.result, "other": other.result})]
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more or None


def _files(run: _FoundRun) -> Iterator[Path]:
    """Every file of a run; ResultsError for a link that leads out of its results folder."""
    for path in sorted(run.folder.rglob("*")):
        if path.is_file():
            yield safe_names.inside(run.store.root, path)


def _take_data(found: _FoundFolders, store: ResultsStore, digest: str) -> None:
    try:
        devset = store.read_data(digest)
    except ResultsError as error:
        found.left_out.append(str(error))
        return
    if found.data.setdefault(digest, devset) != devset:
        found.conflicts.append(f"data set '{digest}', which '{store.root}' has otherwise")


def _write(found: _FoundFolders, target: Path) -> None:
    """Writes everything under a hidden name beside `target` and then gives it that name."""
    temporary = safe_names.beside(target.absolute(), "merge")
    merged = ResultsStore(temporary)
    try:
        merged.runs.mkdir(parents=True)
        for run in found.runs.values():
            for path in _files(run):
                copy = merged.runs / run.folder.name / path.relative_to(run.folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                safe_names.write_synced(copy, path.read_bytes())
        for digest, devset in found.data.items():
            merged.write_data(
                digest, task=devset.task, split=devset.split, uids=devset.uids, labels=devset.labels
            )
        temporary.replace(target)
        safe_names.sync_folder(target.absolute().parent)
    except OSError as error:
        raise ResultsError(f"'{target}' cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

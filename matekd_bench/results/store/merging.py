"""Merging the results folders of several machines into a new one: everything or nothing, with conflicts named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matekd_bench.errors import ResultsError, UsageError, file_problem
from matekd_bench.files import safe_names
from matekd_bench.files.scratch import delete_abandoned, in_use
from matekd_bench.results.records.code_record import differing_code
from matekd_bench.results.records.dev_set import DevSet
from matekd_bench.results.records.run_record import Record, to_json
from matekd_bench.results.stats.protocol_differences import differing_settings
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.verification import Verifier

# Fields that differ between machines even for the same run: they do not count as a difference.
MACHINE_FIELDS: Mapping[str, frozenset[str]] = {
    "compute": frozenset({"train_seconds", "eval_seconds", "precompute_seconds", "peak_memory_bytes"}),
    "teacher": frozenset({"fine_tune_seconds"}),
}
MAX_NAMED = 3  # conflicts, and fields of one conflict, that an error message names


@dataclass(frozen=True)
class RunCopy:
    """The copy of a run in one results folder."""

    store: ResultsStore
    record: Record

    @property
    def folder(self) -> Path:
        return self.store.runs / self.record.run_id

    @property
    def order(self) -> tuple[bool, str, str]:
        """Sort key of copies, the one to take first: a finished run before a failed one, then the older."""
        return self.record.status == "failed", self.record.provenance.created, to_json(self.record)

    @property
    def result(self) -> dict[str, Any]:
        """The record without the code and the fields that depend on the machine, the time and the command."""
        result = self.record.model_dump(mode="json", by_alias=True, exclude={"code", "env", "provenance"})
        for part, fields in MACHINE_FIELDS.items():
            if result[part] is not None:
                result[part] = {name: value for name, value in result[part].items() if name not in fields}
        return result


@dataclass
class MergeContents:
    """The contents of several results folders: runs by id and dev sets by digest.

    `repeated` are the ids of runs that are in several folders. `conflicts` and `left_out` describe differences between
    the folders and the reasons why runs or dev sets were skipped.
    """

    runs: dict[str, RunCopy] = field(default_factory=dict)
    data: dict[str, DevSet] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    conflicts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def code_notes(self) -> tuple[str, ...]:
        """Sentences on the variants whose runs come from different code."""
        records = (copy.record for copy in self.runs.values())
        return tuple(differing_code((record.identity.variant, record.code) for record in records))


def merge(sources: Sequence[Path], target: Path) -> MergeContents:
    """Copy the runs and data sets of `sources` into the new folder `target`.

    If several folders have the same result of a run, its oldest copy is taken: copies may differ in seconds, which
    depend on the machine. A finished run replaces a failed one with the same id, as when a study is continued.
    Damaged runs, and runs whose predictions are not the recorded ones or do not give the recorded scores, are skipped
    and reported. An earlier merge into `target` that was killed is cleaned up.

    Raises ResultsError and writes nothing if a run or a data set differs between folders, if a source is not a
    results folder, or if `target` exists and is not empty.
    """
    if len(sources) < 2:
        raise UsageError(
            "merge needs at least two results folders:", hint="write 'matekd-bench merge A B -o C'."
        )
    for source in sources:
        if not (source / "runs").is_dir():
            raise ResultsError(f"'{source}' is not a results folder: it contains no folder 'runs'.")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ResultsError(f"'{target}' already exists:", hint="name a new folder.")
    contents = _read_sources([ResultsStore(source) for source in sources])
    if contents.conflicts:
        more = len(contents.conflicts) - MAX_NAMED
        named = "; ".join(contents.conflicts[:MAX_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise ResultsError(
            f"the folders contradict each other: {named}.",
            hint="Delete the versions that you do not want, then merge again.",
        )
    _write(contents, target)
    return contents


def _read_sources(stores: Sequence[ResultsStore]) -> MergeContents:
    contents, verifier = MergeContents(), Verifier()
    for store in stores:
        for record in store.records():
            _add_run(contents, RunCopy(store, record), verifier)
        contents.left_out += [reason for _, reason in store.damaged]
        for digest in store.data_digests():
            _add_data(contents, store, digest)
    return contents


def _add_run(contents: MergeContents, run: RunCopy, verifier: Verifier) -> None:
    """Add one copy of a run, and note a conflict if an earlier copy differs.

    The copy is skipped if its predictions are damaged or do not give its scores.
    """
    try:
        run.store.read_predictions(run.record)  # checks their SHA-256
    except ResultsError as error:
        contents.left_out.append(str(error))
        return
    run_id = run.record.run_id
    if problem := verifier.verify(run.record, run.store):
        contents.left_out.append(f"{run.folder}: {problem}")
        return
    other = contents.runs.setdefault(run_id, run)
    if other is run:
        return
    contents.repeated.add(run_id)
    failed = "failed" in (run.record.status, other.record.status)
    if not failed and (difference := _describe_difference(other, run)):
        contents.conflicts.append(
            f"run '{run_id}' in '{other.store.root}' and '{run.store.root}' ({difference})"
        )
    contents.runs[run_id] = min(other, run, key=lambda copy: copy.order)


def _describe_difference(a: RunCopy, b: RunCopy) -> str | None:
    """Name the fields in which the results of two copies of a run differ; None if there are none."""
    paths = [setting.path for setting in differing_settings({"a": a.result, "b": b.result})]
    if paths and a.record.code != b.record.code:  # for a built-in method: code alone makes no other result
        paths.insert(0, "code")
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    return ", ".join(paths[:MAX_NAMED]) + more or None


def _files(run: RunCopy) -> Iterator[Path]:
    """Yield every regular file in a run's folder. Raises ResultsError for a link."""
    for path in sorted(run.folder.rglob("*")):
        if safe_names.inside(run.store.root, path).is_file():
            yield path


def _add_data(contents: MergeContents, store: ResultsStore, digest: str) -> None:
    """Add a dev set of `store`: skip it if it is damaged, note a conflict if an earlier folder has a different one."""
    try:
        devset = store.read_data(digest)
    except ResultsError as error:
        contents.left_out.append(str(error))
        return
    if contents.data.setdefault(digest, devset) != devset:
        contents.conflicts.append(f"data set '{digest}', whose content differs in '{store.root}'")


def _write(contents: MergeContents, target: Path) -> None:
    """Write everything into a hidden folder next to `target`, then rename that folder to `target`."""
    home = target.absolute().parent
    delete_abandoned(path for path in home.glob(".merge-*") if path.name.startswith(f".merge-{target.name}-"))
    temporary = safe_names.beside(target.absolute(), "merge")
    try:
        temporary.mkdir(parents=True)
        with in_use(temporary):
            _copy(contents, ResultsStore(temporary))
            temporary.replace(target)
        safe_names.sync_folder(home)
    except OSError as error:
        raise ResultsError(file_problem(target, error, "write")) from error
    finally:
        safe_names.delete(temporary)


def _copy(contents: MergeContents, merged: ResultsStore) -> None:
    """Copy the runs and the dev sets into an empty results folder."""
    merged.runs.mkdir()
    for run in contents.runs.values():
        for path in _files(run):
            copy = merged.runs / run.folder.name / path.relative_to(run.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            safe_names.copy_synced(path, copy)
    for digest, devset in contents.data.items():
        merged.write_data(
            digest, task=devset.task, split=devset.split, uids=devset.uids, labels=devset.labels
        )

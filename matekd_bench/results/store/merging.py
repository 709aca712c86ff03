"""Merging the results folders of several machines into a new one: everything or nothing, with conflicts named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matekd_bench.errors import ResultsError, UsageError, file_problem
from matekd_bench.files import safe_names
from matekd_bench.files.scratch import delete_abandoned, in_use
from matekd_bench.results.records.code_record import differing_code
from matekd_bench.results.records.dev_set import DevSet
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.run_copies import RunCopy, choose_copy
from matekd_bench.results.store.verification import Verifier

MAX_NAMED = 3  # conflicts that an error message names


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

    If several folders have the same result of a run, `choose_copy` says which copy is taken. A finished run replaces a
    failed one with the same id, as when a study is continued.
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
    try:
        contents.runs[run_id] = choose_copy(other, run)
    except ResultsError as error:
        contents.conflicts.append(error.message)


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
    if not contents.data.setdefault(digest, devset).has_rows_of(devset):
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

"""The results folder: one folder per run, written completely or not at all, and the dev sets."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from matekd_bench.errors import ResultsError, file_problem
from matekd_bench.files import safe_names
from matekd_bench.files.hashing import bytes_digest, file_digest
from matekd_bench.results.records import dev_set, run_record
from matekd_bench.results.records.dev_set import DevSet
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import PredictionsFile, Record
from matekd_bench.results.store.students_folder import STUDENTS
from matekd_bench.results.store.under_way import PARTIAL, RunUnderWay

RECORD, PREDICTIONS, HISTORY, STUDY = "record.json", "predictions.npz", "history.jsonl", "study.json"
STUDY_SCHEMA = "matekd.study/2"
MAX_RECORD_BYTES = 2**24  # a record has about 5 kB, one with a hundred trials 50 kB
MAX_FILE_BYTES = 2**28  # ten evaluations of a dev set of 400,000 examples have 30 MB


class ResultsStore:
    """A results folder: runs in ``<root>/runs/<run_id>/``, dev sets in ``<root>/data/<digest>.json``.

    Records are immutable: a recorded run is never trained or written again, unless it failed. After :meth:`records`,
    `damaged` lists the run folders that were skipped, each with the reason.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.damaged: list[tuple[Path, str]] = []

    @property
    def runs(self) -> Path:
        """The folder that holds a folder for each run."""
        return self.root / "runs"

    @property
    def data(self) -> Path:
        """The folder that holds the dev sets."""
        return self.root / "data"

    def check_writable(self) -> None:
        """Write a trial file into each folder, then delete it and the folders created for it.

        Raises ResultsError if a folder cannot be written or is a link.
        """
        for folder in (self.runs, self.runs / PARTIAL, self.data, self.root / STUDENTS):
            absent = [path for path in (folder, *folder.parents) if not path.exists()]
            try:
                self._write_trial_file(folder)
            except OSError as error:
                raise self._write_error(folder, error) from error
            finally:
                for path in absent:
                    with suppress(OSError):  # another process may use the folder by now
                        path.rmdir()

    def _write_trial_file(self, folder: Path) -> None:
        """Write and delete a trial file.

        Three attempts, since another process that makes the same check may have just deleted the folder.
        """
        trial = safe_names.beside(folder / "trial", "tmp")
        for last in (False, False, True):
            try:
                safe_names.inside(self.root, folder).mkdir(parents=True, exist_ok=True)
                try:
                    safe_names.write_synced(trial, b"")
                finally:
                    trial.unlink(missing_ok=True)
                return
            except FileNotFoundError:
                if last:
                    raise

    def under_way(self, run_id: str) -> RunUnderWay:
        """Return the lock and the checkpoints of a run that is being trained or will be."""
        return RunUnderWay(self.root, run_id)

    def has(self, run_id: str) -> bool:
        """Return True if the run is finished: a whole record, not failed, with the predictions file it names."""
        try:
            record = self.read(run_id)
        except ResultsError:
            return False
        return record.status != "failed" and (
            record.predictions is None or self._has_file(run_id, record.predictions.path)
        )

    def _has_file(self, run_id: str, name: str) -> bool:
        try:
            safe_names.check_regular(self._run_file(run_id, name))
        except (OSError, ResultsError):
            return False
        return True

    def read(self, run_id: str) -> Record:
        """Read the record of one run. Raises ResultsError if it is missing, damaged or the record of another run."""
        safe_names.inside(self.root, self.runs)
        return self._read_record(run_id)

    def _read_record(self, run_id: str) -> Record:
        """Read a record below `runs`, which the caller has checked for links.

        Paths are strings and links are refused, not resolved: this makes reading many records three times faster.
        """
        folder = os.path.join(self.runs, safe_names.check_name("run id", run_id))
        path = os.path.join(folder, RECORD)
        if os.path.islink(folder):
            raise ResultsError(f"{folder} is a link, which is not followed.")
        try:
            content = safe_names.read_file(path, MAX_RECORD_BYTES)
        except FileNotFoundError as error:
            raise ResultsError(f"{self.runs} has no complete record of run '{run_id}'.") from error
        except OSError as error:
            raise ResultsError(file_problem(path, error)) from error
        try:
            record = run_record.from_json(content)
        except ResultsError as error:
            raise ResultsError(f"{path}: {error.message}", hint=error.hint) from error
        if record.run_id != run_id:
            raise ResultsError(f"{path}: damaged record: it belongs to run '{record.run_id}'.")
        return record

    def run_ids(self) -> frozenset[str]:
        """Return the ids of all runs that have a folder, whole or damaged, from one directory listing.

        Empty if the folder cannot be read; :meth:`check_writable` reports what is wrong with it.
        """
        try:
            return frozenset(self._list_runs())
        except OSError:
            return frozenset()

    def records(self) -> list[Record]:
        """Read every undamaged record, sorted by run_id. Damaged ones are skipped and listed in `damaged`.

        Raises ResultsError if `runs` is a link that points outside the results folder.
        """
        self.damaged, records = [], []
        for run_id in self._list_runs():
            try:
                records.append(self._read_record(run_id))
            except ResultsError as error:
                self.damaged.append((self.runs / run_id, str(error)))
        return records

    def _list_runs(self) -> list[str]:
        """List the names of the run folders, sorted; hidden folders are not runs."""
        safe_names.inside(self.root, self.runs)
        if not self.runs.is_dir():
            return []
        with os.scandir(self.runs) as entries:
            return sorted(
                entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()
            )

    def read_predictions(self, run: Record, *, last_only: bool = False) -> Predictions | None:
        """Read the predictions that a record names, of the last evaluation if `last_only`; None if it names none.

        Raises ResultsError if the file is not the recorded one.
        """
        recorded = run.predictions
        if recorded is None:
            return None
        content = self._read_run_file(run.run_id, recorded.path)
        if bytes_digest(content) != recorded.sha256:
            path = self._folder(run.run_id) / recorded.path
            raise ResultsError(f"{path} is damaged: its SHA-256 is not the recorded one.")
        return Predictions.from_bytes(content, last_only=last_only)

    def read_history(self, run_id: str) -> list[dict[str, Any]]:
        """Read the run's history: one entry for each line of the file."""
        content = self._read_run_file(run_id, HISTORY)
        try:
            return [json.loads(line) for line in content.splitlines()]
        except (ValueError, RecursionError) as error:
            raise ResultsError(file_problem(self._folder(run_id) / HISTORY, error)) from error

    def read_study(self, run_id: str) -> dict[str, Any]:
        """Read the settings of the run's study. Raises ResultsError if they are missing or damaged."""
        content, path = self._read_run_file(run_id, STUDY), self._folder(run_id) / STUDY
        try:
            plain = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ResultsError(file_problem(path, error)) from error
        if not isinstance(plain, dict) or plain.get("schema") != STUDY_SCHEMA:
            raise ResultsError(f"{path}: the schema '{STUDY_SCHEMA}' is expected.")
        if not isinstance(plain.get("spec"), dict):
            raise ResultsError(f"{path} is damaged: it contains no settings.")
        return dict(plain["spec"])

    def _read_run_file(self, run_id: str, name: str) -> bytes:
        """Read a file of a run. Raises ResultsError if it cannot be read or is not a regular file in its folder."""
        path = self._run_file(run_id, name)
        try:
            return safe_names.read_file(path, MAX_FILE_BYTES)
        except OSError as error:
            raise ResultsError(file_problem(path, error)) from error

    def _run_file(self, run_id: str, name: str) -> Path:
        folder = self._folder(run_id)
        return safe_names.inside(folder, folder / name)

    def write(
        self,
        new: Record,
        predictions: Predictions | None = None,
        history: Iterable[Mapping[str, Any]] = (),
        study: Mapping[str, Any] | None = None,
    ) -> Record:
        """Write a run and return its record as stored, with `predictions` filled in (file name and SHA-256).

        A crash at any moment leaves the run absent or whole. An earlier record is replaced if it failed or is
        damaged; a damaged one stays under a hidden name. Raises ResultsError if the run has a whole record or the
        folder cannot be written. NaN and infinity in the history become null. `study` are the settings that train
        the run again.
        """
        target = self._folder(new.run_id)
        if self.has(new.run_id):
            raise ResultsError(
                f"run '{new.run_id}' is already recorded in {self.runs}; records are immutable."
            )
        temporary = safe_names.beside(target, "tmp")
        try:
            temporary.mkdir(parents=True)
            stored = _write_files(temporary, new, predictions, history, study)
            self._move_into_place(temporary, target)
        except OSError as error:
            raise self._write_error(target, error) from error
        finally:
            safe_names.delete(temporary)
        return stored

    def import_run(self, run_id: str, contents: Mapping[str, bytes]) -> Record:
        """Store a run that was recorded on another machine, under the rules of :meth:`write`.

        `contents` maps file names to bytes. A run that is finished here already is not replaced: its record is
        returned. Raises ResultsError if `contents` are not the complete files of this run.
        """
        target = self._folder(run_id)
        new = run_record.from_json(contents.get(RECORD, b""))
        recorded = new.predictions
        whole = recorded is None or bytes_digest(contents.get(recorded.path, b"")) == recorded.sha256
        if new.run_id != run_id or not whole or not set(contents) <= {RECORD, PREDICTIONS, HISTORY, STUDY}:
            raise ResultsError(f"the files returned for run '{run_id}' are not its complete record.")
        if self.has(run_id):
            return self.read(run_id)
        temporary = safe_names.beside(target, "tmp")
        try:
            temporary.mkdir(parents=True)
            for name in sorted(contents, key=lambda name: name == RECORD):  # the record last
                safe_names.write_synced(temporary / name, contents[name])
            safe_names.sync_folder(temporary)
            self._move_into_place(temporary, target)
        except OSError as error:
            raise self._write_error(target, error) from error
        finally:
            safe_names.delete(temporary)
        return new

    def write_data(
        self,
        digest: str,
        *,
        task: str,
        split: str,
        uids: Sequence[str],
        labels: Sequence[int] | Sequence[float],
    ) -> None:
        """Store a dev set under its digest. Nothing is written if its rows are already there, undamaged."""
        path = self._data_file(digest)
        new = DevSet(
            digest=digest, task=task, split=split, n=len(uids), uids=tuple(uids), labels=tuple(labels)
        )
        try:
            if self.read_data(digest).has_rows_of(new):
                return
        except ResultsError:
            pass  # missing or damaged: written below
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            safe_names.write_atomically(path, dev_set.to_json(new).encode())
        except OSError as error:
            raise self._write_error(path, error) from error

    def data_digests(self) -> list[str]:
        """List the digests of the dev sets in the folder, sorted. Raises ResultsError if `data` is a link."""
        return sorted(path.stem for path in safe_names.inside(self.root, self.data).glob("[!.]*.json"))

    def read_data(self, digest: str) -> DevSet:
        """Read the dev set with this digest. Raises ResultsError if it is missing or damaged."""
        path = self._data_file(digest)
        try:
            devset = dev_set.from_json(safe_names.read_file(path, MAX_FILE_BYTES))
        except FileNotFoundError as error:
            raise ResultsError(f"{self.data} has no data set '{digest}'.") from error
        except OSError as error:
            raise ResultsError(file_problem(path, error)) from error
        except ResultsError as error:
            raise ResultsError(f"{path}: {error.message}") from error
        if devset.digest != digest:
            raise ResultsError(
                f"{path}: damaged data set: its content has the digest '{devset.digest}', not that of its name."
            )
        return devset

    def _folder(self, run_id: str) -> Path:
        return safe_names.inside(self.root, self.runs / safe_names.check_name("run id", run_id))

    def _data_file(self, digest: str) -> Path:
        return safe_names.inside(
            self.root, self.data / f"{safe_names.check_name('data digest', digest)}.json"
        )

    def _move_into_place(self, temporary: Path, target: Path) -> None:
        """Rename a complete folder to `target`. A failed run there is deleted, a damaged one gets a hidden name."""
        aside = None
        if target.exists():
            aside = safe_names.beside(target, "failed" if self._is_failed(target.name) else "damaged")
            target.rename(aside)
        temporary.rename(target)
        safe_names.sync_folder(target.parent)
        if aside is not None and aside.name.startswith(".failed-"):
            safe_names.delete(aside)

    def _is_failed(self, run_id: str) -> bool:
        try:
            return self.read(run_id).status == "failed"
        except ResultsError:
            return False

    def _write_error(self, path: Path, error: OSError) -> ResultsError:
        hint = "Choose another folder with --results DIR."
        return ResultsError(file_problem(path, error, "write"), hint=hint)


def _write_files(
    folder: Path,
    new: Record,
    predictions: Predictions | None,
    history: Iterable[Mapping[str, Any]],
    study: Mapping[str, Any] | None,
) -> Record:
    """Write the files of a run, the record last, and return the record as written."""
    predictions_file = None
    if predictions is not None:
        safe_names.write_synced(folder / PREDICTIONS, predictions.to_bytes())
        predictions_file = PredictionsFile(path=PREDICTIONS, sha256=file_digest(folder / PREDICTIONS))
    lines = (
        json.dumps(_replace_nonfinite(dict(entry)), ensure_ascii=False, allow_nan=False) + "\n"
        for entry in history
    )
    safe_names.write_synced(folder / HISTORY, "".join(lines).encode())
    if study is not None:
        settings = json.dumps({"schema": STUDY_SCHEMA, "spec": dict(study)}, indent=1, ensure_ascii=False)
        safe_names.write_synced(folder / STUDY, f"{settings}\n".encode())
    stored = new.model_copy(update={"predictions": predictions_file})
    safe_names.write_synced(folder / RECORD, run_record.to_json(stored).encode())
    safe_names.sync_folder(folder)
    return stored


def _replace_nonfinite(value: Any) -> Any:
    """Replace NaN and infinity in `value` by None, which JSON can write."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _replace_nonfinite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replace_nonfinite(entry) for entry in value]
    return value

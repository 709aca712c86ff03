"""The results folder: one folder per run, written whole or not at all, and the dev sets scored on."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from matekd_bench.errors import ResultsError
from matekd_bench.files import safe_names
from matekd_bench.files.hashing import bytes_digest, file_digest
from matekd_bench.results.records import dev_set, run_record
from matekd_bench.results.records.dev_set import DevSet
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import PredictionsFile, Record
from matekd_bench.results.store import record_index
from matekd_bench.results.store.under_way import RunUnderWay

RECORD, PREDICTIONS, HISTORY, STUDY = "record.json", "predictions.npz", "history.jsonl", "study.json"
STUDY_SCHEMA = "matekd.study/2"


class ResultsStore:
    """Reads and writes ``<root>/runs/<run_id>/`` and ``<root>/data/<digest>.json``.

    Records are immutable: what is there is never trained or written again, except a failed run. `damaged`
    lists, after :meth:`records`, the folders that were skipped, each with the reason.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.damaged: list[tuple[Path, str]] = []

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self.root / "runs"

    @property
    def data(self) -> Path:
        """The folder of the dev sets."""
        return self.root / "data"

    def check_writable(self) -> None:
        """Writes a trial file into each folder and takes it away, with the folders made for it.

        Raises ResultsError, one line, where that cannot be done.
        """
        for folder in (self.runs, self.data):
            absent = [place for place in (folder, *folder.parents) if not place.exists()]
            try:
                self._try(folder)
            except OSError as error:
                raise self._unwritable(folder, error) from error
            finally:
                for place in absent:
                    with suppress(OSError):  # another process has begun to use it
                        place.rmdir()

    def _try(self, folder: Path) -> None:
        """Writes a trial file; again where another process has just taken away the folder that it made for its own."""
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
        """The lock and the checkpoints of a run that is, or is to be, trained."""
        return RunUnderWay(self.root, run_id)

    def has(self, run_id: str) -> bool:
        """Whether the run is done: a whole record with the predictions it names. Failed is not done."""
        try:
            found = self.read(run_id)
        except ResultsError:
            return False
        if found.predictions is not None and not (self._folder(run_id) / found.predictions.path).is_file():
            return False
        return found.status != "failed"

    def read(self, run_id: str) -> Record:
        """The record of one run; ResultsError where there is none, or it is damaged or another run's."""
        path = self._folder(run_id) / RECORD
        try:
            text = safe_names.inside(self.root, path).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise ResultsError(self._absent(run_id)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ResultsError(f"{path} cannot be read: {error}.") from error
        try:
            found = run_record.from_json(text)
        except ResultsError as error:
            raise ResultsError(f"{path}: {error.message}", hint=error.hint) from error
        if found.run_id != run_id:
            raise ResultsError(f"{path}: damaged record: it is of run '{found.run_id}'.")
        return found

    def names(self) -> frozenset[str]:
        """The ids of all runs that have a folder, whole or not: one look instead of one for each run.

        No ids where the folder cannot be read: what is wrong with it is said where it is written to.
        """
        try:
            return frozenset(self._names())
        except OSError:
            return frozenset()

    def records(self) -> list[Record]:
        """Every readable record, sorted by run_id; what is damaged is named in `damaged` and left out."""
        self.damaged, whole = [], []
        indexed: dict[str, record_index.Entry] = {}
        pool: dict[str, Any] = {}
        names = self._names()
        known = record_index.read(self.root, _version()) if len(names) >= record_index.LEAST else {}
        fresh = 0
        for name in names:
            try:
                stamp = record_index.stamp(os.path.join(self.runs, name, RECORD))
                if name in known and known[name][0] == stamp:
                    indexed[name] = known[name]
                else:
                    indexed[name] = (stamp, record_index.sharing(self.read(name), pool))
                    fresh += 1
                whole.append(indexed[name][1])
            except (ResultsError, OSError) as error:
                reason = str(error) if isinstance(error, ResultsError) else self._absent(name)
                self.damaged.append((self.runs / name, reason))
        if len(names) >= record_index.LEAST and (fresh or len(known) != len(indexed)):
            record_index.write(self.root, _version(), indexed)
        return whole

    def _names(self) -> list[str]:
        """The folders of the runs, sorted."""
        if not self.runs.is_dir():
            return []
        with os.scandir(self.runs) as entries:
            return sorted(
                entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()
            )

    def _absent(self, run_id: str) -> str:
        return f"{self.runs} has no whole record of run '{run_id}'."

    def read_predictions(self, run_id: str) -> Predictions | None:
        """The run's predictions, None where it has none; ResultsError where the file is another one."""
        named = self.read(run_id).predictions
        if named is None:
            return None
        folder = self._folder(run_id)
        path = safe_names.inside(folder, folder / named.path)
        try:
            if file_digest(path) != named.sha256:
                raise ResultsError(f"{path} is damaged: its SHA-256 is not the recorded one.")
            return Predictions.from_bytes(path.read_bytes())
        except OSError as error:
            raise ResultsError(f"{path} cannot be read: {error}.") from error

    def read_history(self, run_id: str) -> list[dict[str, Any]]:
        """The run's history, one entry a line of the file."""
        path = safe_names.inside(self.root, self._folder(run_id) / HISTORY)
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path} cannot be read: {error}.") from error

    def read_study(self, run_id: str) -> dict[str, Any] | None:
        """The settings of the study that made the run; None where an older version kept none."""
        path = safe_names.inside(self.root, self._folder(run_id) / STUDY)
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise ResultsError(f"{path} cannot be read: {error}.") from error
        if not isinstance(plain, dict) or plain.get("schema") != STUDY_SCHEMA:
            raise ResultsError(f"{path}: the schema '{STUDY_SCHEMA}' is expected.")
        if not isinstance(plain.get("spec"), dict):
            raise ResultsError(f"{path}: damaged: it holds no settings.")
        return dict(plain["spec"])

    def write(
        self,
        new: Record,
        predictions: Predictions | None = None,
        history: Iterable[Mapping[str, Any]] = (),
        study: Mapping[str, Any] | None = None,
    ) -> Record:
        """Writes a run and returns its record as stored, `predictions` filled in (file name and SHA-256).

        A crash at any moment leaves the run either absent or whole. A failed or damaged earlier record is
        replaced (a damaged one is kept under a hidden name); a whole one is not: ResultsError. Numbers of the
        history that are not finite become null. `study` are the settings that train the run again.
        """
        target = self._folder(new.run_id)
        if self.has(new.run_id):
            raise ResultsError(
                f"run '{new.run_id}' is already recorded in {self.runs}; records are immutable."
            )
        temporary = safe_names.beside(target, "tmp")
        try:
            temporary.mkdir(parents=True)
            stored = _fill(temporary, new, predictions, history, study)
            self._swap(temporary, target)
        except OSError as error:
            raise self._unwritable(target, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return stored

    def land(self, run_id: str, contents: Mapping[str, bytes]) -> Record:
        """Takes in a run that was recorded on another machine, its files by name, under the rules of :meth:`write`.

        Raises ResultsError where they are not the whole files of this run.
        """
        target = self._folder(run_id)
        new = run_record.from_json(contents.get(RECORD, b"").decode())
        named = new.predictions
        whole = named is None or bytes_digest(contents.get(named.path, b"")) == named.sha256
        if new.run_id != run_id or not whole or not set(contents) <= {RECORD, PREDICTIONS, HISTORY, STUDY}:
            raise ResultsError(f"what came back for run '{run_id}' is not its whole record.")
        if self.has(run_id):
            return self.read(run_id)
        temporary = safe_names.beside(target, "tmp")
        try:
            temporary.mkdir(parents=True)
            for name in sorted(contents, key=lambda name: name == RECORD):  # the record last
                safe_names.write_synced(temporary / name, contents[name])
            safe_names.sync_folder(temporary)
            self._swap(temporary, target)
        except OSError as error:
            raise self._unwritable(target, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
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
        """Stores a dev set under its digest, once: where it is already stored whole nothing is written."""
        path = self._data_file(digest)
        wanted = DevSet(
            digest=digest, task=task, split=split, n=len(uids), uids=tuple(uids), labels=tuple(labels)
        )
        try:
            if self.read_data(digest) == wanted:
                return
        except ResultsError:
            pass  # absent or damaged: written below
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            safe_names.write_atomically(path, dev_set.to_json(wanted).encode())
        except OSError as error:
            raise self._unwritable(path, error) from error

    def read_data(self, digest: str) -> DevSet:
        """The dev set with this digest; ResultsError where it is absent or damaged."""
        path = self._data_file(digest)
        try:
            found = dev_set.from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ResultsError(f"{self.data} has no data set '{digest}'.") from error
        except UnicodeDecodeError as error:
            raise ResultsError(f"{path}: damaged data set: it is no text.") from error
        except ResultsError as error:
            raise ResultsError(f"{path}: {error.message}") from error
        if found.digest != digest:
            raise ResultsError(f"{path}: damaged data set: it is '{found.digest}'.")
        return found

    def _folder(self, run_id: str) -> Path:
        return safe_names.inside(self.root, self.runs / safe_names.check_name("run id", run_id))

    def _data_file(self, digest: str) -> Path:
        return safe_names.inside(
            self.root, self.data / f"{safe_names.check_name('data digest', digest)}.json"
        )

    def _swap(self, temporary: Path, target: Path) -> None:
        """Puts a finished folder in its place; what was there goes away if failed, aside if damaged."""
        aside = None
        if target.exists():
            aside = safe_names.beside(target, "failed" if self._is_failed(target.name) else "damaged")
            target.rename(aside)
        temporary.rename(target)
        safe_names.sync_folder(target.parent)
        if aside is not None and aside.name.startswith(".failed-"):
            shutil.rmtree(aside, ignore_errors=True)

    def _is_failed(self, run_id: str) -> bool:
        try:
            return self.read(run_id).status == "failed"
        except ResultsError:
            return False

    def _unwritable(self, path: Path, error: OSError) -> ResultsError:
        reason = error.strerror or error
        return ResultsError(
            f"{path} cannot be written: {reason}.", hint="Choose another folder with --results DIR."
        )


def _version() -> str:
    """The package's version: an index of another one is not read."""
    import matekd_bench

    return matekd_bench.__version__


def _fill(
    folder: Path,
    new: Record,
    predictions: Predictions | None,
    history: Iterable[Mapping[str, Any]],
    study: Mapping[str, Any] | None,
) -> Record:
    """Writes the files of a run, the record last, and returns the record as written."""
    named = None
    if predictions is not None:
        safe_names.write_synced(folder / PREDICTIONS, predictions.to_bytes())
        named = PredictionsFile(path=PREDICTIONS, sha256=file_digest(folder / PREDICTIONS))
    lines = (
        json.dumps(_finite(dict(entry)), ensure_ascii=False, allow_nan=False) + "\n" for entry in history
    )
    safe_names.write_synced(folder / HISTORY, "".join(lines).encode())
    if study is not None:
        settings = json.dumps({"schema": STUDY_SCHEMA, "spec": dict(study)}, indent=1, ensure_ascii=False)
        safe_names.write_synced(folder / STUDY, f"{settings}\n".encode())
    stored = new.model_copy(update={"predictions": named})
    safe_names.write_synced(folder / RECORD, run_record.to_json(stored).encode())
    safe_names.sync_folder(folder)
    return stored


def _finite(value: Any) -> Any:
    """`value` with None in place of every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return value

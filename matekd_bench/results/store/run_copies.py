"""Chooses among the copies of one run in several results folders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.errors import ResultsError
from matekd_bench.results.records.run_record import Record, to_json
from matekd_bench.results.records.set_scores import SetScores
from matekd_bench.results.stats.protocol_differences import differing_settings
from matekd_bench.results.store.results_store import ResultsStore

# Fields that differ between machines even for the same run: they do not count as a difference.
MACHINE_FIELDS: Mapping[str, frozenset[str]] = {
    "compute": frozenset({"train_seconds", "eval_seconds", "precompute_seconds", "peak_memory_bytes"}),
    "teacher": frozenset({"fine_tune_seconds"}),
}
MAX_NAMED = 3  # fields in which two copies differ, that a message names


@dataclass(frozen=True)
class RunCopy:
    """The copy of a run in one results folder."""

    store: ResultsStore
    record: Record

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.store.runs / self.record.run_id

    @property
    def sets(self) -> dict[str, SetScores]:
        """The scores on further sets, by the name of the set."""
        return {scores.name: scores for scores in self.record.also}

    @property
    def order(self) -> tuple[bool, int, str, str]:
        """Sort key of copies, the one to take first; the text of the record decides ties."""
        record = self.record
        return record.status == "failed", -len(record.also), record.provenance.created, to_json(record)

    def result(self, only: Collection[str] | None, ignored: Collection[str]) -> dict[str, Any]:
        """Return the record without the code and the fields that depend on the machine, the time and the command.

        `only` are the fields to return, None for all; `ignored` are left out too.
        """
        result = self.record.model_dump(
            mode="json", by_alias=True, include=None if only is None else set(only),
            exclude={"code", "env", "provenance", *ignored},
        )  # fmt: skip
        for part, fields in MACHINE_FIELDS.items():
            if result.get(part) is not None:
                result[part] = {name: value for name, value in result[part].items() if name not in fields}
        return result


def choose_copy(a: RunCopy, b: RunCopy, only: Collection[str] | None = None) -> RunCopy:
    """Choose one of two copies of a run: a finished run before a failed one, then more further sets, then the older.

    Copies may differ in seconds, which depend on the machine, and one may have scores on further sets that the other
    lacks. Raises ResultsError if they differ in anything else (`only` limits the comparison to these fields of the
    record), or if each has a set that the other lacks.
    """
    failed = "failed" in (a.record.status, b.record.status)
    if not failed and (difference := _describe_difference(a, b, only)):
        raise ResultsError(
            f"run '{a.record.run_id}' has one result in '{a.store.root}' and another in '{b.store.root}' ({difference})"
        )
    return min(a, b, key=lambda copy: copy.order)


def _describe_difference(a: RunCopy, b: RunCopy, only: Collection[str] | None) -> str | None:
    """Name the fields in which the results of two copies of a run differ; None if there are none."""
    # The file of predictions includes those for the sets.
    ignored = ("also", "predictions") if _one_has_more_sets(a, b) else ()
    results = {"a": a.result(only, ignored), "b": b.result(only, ignored)}
    paths = [setting.path for setting in differing_settings(results)]
    if paths and a.record.code != b.record.code:  # for a built-in method: code alone makes no other result
        paths.insert(0, "code")
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    return ", ".join(paths[:MAX_NAMED]) + more or None


def _one_has_more_sets(a: RunCopy, b: RunCopy) -> bool:
    """Return True if one copy has all further sets of the other, with the same scores, and more."""
    fewer, more = sorted((a.sets, b.sets), key=len)
    return len(fewer) < len(more) and all(more.get(name) == scores for name, scores in fewer.items())

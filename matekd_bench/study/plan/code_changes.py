"""Compares the code and resources of methods with those of the plan, and their code with that of recorded runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from matekd_bench.errors import ResultsError, RunError, UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.method_code import NOT_INSTALLED, MethodCode
from matekd_bench.results.records.code_record import Code, CodeRecord, foreign_code
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.identity import named_resources


def code_records(code: Sequence[MethodCode]) -> Code:
    """Return the code of a method, and of the method that it wraps, in the form of records."""
    return tuple(
        CodeRecord(
            method=part.method, distribution=part.distribution, version=part.version, file=part.file,
            digest=part.digest, libraries=dict(part.libraries), built_in=part.built_in,
        )
        for part in code
    )  # fmt: skip


def check_libraries(cells: Sequence[Cell]) -> None:
    """Raise UsageError if a method names a library that is not installed: its version could not be recorded."""
    for part in (part for cell in cells for part in cell.code if not part.built_in):
        for name, version in part.libraries.items():
            if version == NOT_INSTALLED:
                raise UsageError(
                    f"method '{part.method}' names the library '{name}', which is not installed.",
                    hint=f"Install it, or correct its name: '{part.method}' must list libraries by their pip names.",
                )


def check_unchanged(cell: Cell, host: Host) -> None:
    """Raise RunError if a method's code or resources differ from the plan's, for example after a file was edited."""
    if (resources := named_resources(cell.job)) != cell.resources:
        changed = sorted(cell.resources.items() ^ resources.items())[0][0]
        raise RunError(
            f"method '{cell.job.variant}': {changed} changed during the study, from {cell.resources.get(changed)} to "
            f"{resources.get(changed)}.",
            hint="Run the command again when no file is being edited.",
        )
    for planned in cell.code:
        if not planned.built_in and host.method(planned.method).current_code() != planned:
            raise RunError(
                f"the code of method '{planned.method}' ({planned.path}) changed during the study.",
                hint="Run the command again when no file is being edited.",
            )


def changed_code(todo: Sequence[Cell], store: ResultsStore, run_ids: Collection[str]) -> Iterator[str]:
    """Yield a line for each method whose runs in `store` were recorded with other code than the runs to train."""
    changes: Counter[tuple[str, str, str, str]] = Counter()
    by_name: dict[str, list[str]] = {}
    for run_id in run_ids:
        by_name.setdefault(without_hash(run_id), []).append(run_id)
    for cell in todo:
        now = foreign_code(code_records(cell.code))
        for run_id in by_name.get(without_hash(cell.run_id), ()) if now else ():
            record = _read(store, run_id)
            if record is not None and _is_same_but_for_code(record, cell):
                origin = ", ".join(part.origin for part in code_records(cell.code) if not part.built_in)
                then = foreign_code(record.code) or "not recorded"
                changes[cell.job.variant, origin, then, now] += 1
    for (variant, origin, then, now), count in sorted(changes.items()):
        runs = "1 run was" if count == 1 else f"{count} runs were"
        yield f"{variant}: {origin} changed since {runs} recorded (from {then} to {now}); training again"


def _read(store: ResultsStore, run_id: str) -> Record | None:
    """Return the record of a finished run, None if there is none."""
    try:
        record = store.read(run_id)
    except ResultsError:
        return None
    return record if record.status != "failed" else None


def _is_same_but_for_code(record: Record, cell: Cell) -> bool:
    """Return True if a record has the cell's variant, version and protocol, but other code."""
    identity, job = record.identity, cell.job
    recorded = identity.variant, identity.method_version, identity.protocol_id
    same = recorded == (job.variant, job.method.version, cell.protocol_id)
    return same and foreign_code(record.code) != foreign_code(code_records(cell.code))


def without_hash(run_id: str) -> str:
    """Return task, method and seed of a run id."""
    return run_id.rpartition("-")[0]

"""Tables of the texts on which a method and the reference disagree most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from matekd_bench.api.run_predictions import texts_of
from matekd_bench.errors import UsageError
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.sheets import Sheet, sheet_of_export
from matekd_bench.tasks.task import Task
from matekd_bench.tools.disagreements import disagreements

ON_PAGE = 5  # texts of one method and task
TextReader: TypeAlias = Callable[
    [Record, str], Mapping[str, Mapping[str, str]]
]  # run, split -> uid -> field -> text


def text_reader(tasks: Mapping[str, Task], glue_dir: str | Path | None) -> TextReader:
    """Return a function that reads the texts of a run's dev split, each split once for all methods."""
    known: dict[str, Mapping[str, Mapping[str, str]]] = {}

    def read(run: Record, split: str) -> Mapping[str, Mapping[str, str]]:
        digest = run.data.splits[split].digest
        if digest not in known:
            known[digest] = texts_of(run, split, tasks, glue_dir)
        return known[digest]

    return read


def disagreement_sheets(
    table: LeaderboardTable,
    evidence: Evidence,
    tasks: Mapping[str, Task],
    glue_dir: str | Path | None,
) -> Iterator[Sheet]:
    """Yield the tables of a page: for each method and task the texts on which it disagrees most with the reference."""
    read = text_reader(tasks, glue_dir)
    for row in table.rows:
        for column in table.columns:
            if row.label == table.reference:
                continue
            export = disagreement_table(table, row.label, column.name, evidence, tasks, ON_PAGE, read)
            if export.rows:
                yield sheet_of_export(export, f"{row.label} and {table.reference} on {column.name}")


def disagreement_table(
    table: LeaderboardTable,
    method: str,
    task: str,
    evidence: Evidence,
    tasks: Mapping[str, Task],
    most: int,
    read: TextReader | None,
) -> ExportTable:
    """Return a row per text: split, uid, text fields, label, number of common seeds, and the answers of both methods.

    The columns of the answers count them over the seeds, such as "yes 3, no 5"; in a regression they hold the mean
    score. `read` returns the texts; None leaves them out. Raises UsageError if the table has no reference, DataError if
    the texts cannot be read or are not those that were scored.
    """
    if table.reference is None:
        raise no_reference()
    row = next(row for row in table.rows if row.label == method)
    runs, references = (by_column.get(task, ()) for by_column in (row.runs_by_column, table.reference_runs))
    found = disagreements(runs, references, evidence, tasks, most)
    names = runs[0].data.labels if runs else ()
    rows: list[dict[str, Any]] = [
        {
            "split": example.split,
            "uid": example.uid,
            **(read(runs[0], example.split)[example.uid] if read else {}),
            "label": names[int(example.label)] if names else example.label,
            "seeds": len(example.seeds),
            f"{table.reference} answers": _in_words(example.b, names),
            f"{method} answers": _in_words(example.a, names),
        }
        for example in found
    ]
    return ExportTable("disagreements", tuple(rows[0]) if rows else (), rows)


def no_reference() -> UsageError:
    """Return the error of a table without a reference."""
    return UsageError(
        "no row is the reference, so there are no texts on which methods disagree with it:",
        hint="choose one with --reference or reference=.",
    )


def _in_words(answers: Sequence[float], names: Sequence[str]) -> str | float:
    """Count the answers of all seeds, the most frequent first; the mean in a regression."""
    if not names:
        return sum(answers) / len(answers)
    counts = Counter(names[int(answer)] for answer in answers)
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())

"""Reads results folders and prints leaderboards, for `run`, `leaderboard`, `export` and `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from matekd_bench.cli.ui.console import print_json, warn
from matekd_bench.results.store import RESULTS

if TYPE_CHECKING:
    from matekd_bench.api.leaderboard import Leaderboard
    from matekd_bench.api.results import Results
    from matekd_bench.plugins.host import Host
    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.store.verification import Verification
    from matekd_bench.tasks.task import Task

ResultsFolders: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--results", metavar="DIR", help=f"A results folder. Default: `{RESULTS}`."),
]


def load_results(host: Host, folders: Sequence[Path] | None) -> Results:
    """Read the records in `folders`; print a warning for each damaged record."""
    from matekd_bench.api.results import Results

    results = Results.read(host, folders or ())
    for line in results.warnings:
        warn(line)
    return results


def find_one_run(
    host: Host, run: str, folders: Sequence[Path] | None
) -> tuple[Record, Path, dict[str, Task]]:
    """Find a recorded run by its id, the start of its id, or its folder.

    Returns the record, the results folder that holds it, and the installed tasks by name.
    """
    results, [record] = find_runs(host, [run], folders)
    return record, results.stores[record.run_id].root, results.tasks


def find_runs(
    host: Host, runs: Sequence[str], folders: Sequence[Path] | None
) -> tuple[Results, list[Record]]:
    """Find recorded runs by id, start of an id, or folder; return the results that hold them, and their records."""
    named = [folder for run in runs if (folder := results_folder_of(run))]
    by_id = list(folders or ()) if len(named) < len(runs) else []
    default = [RESULTS] if len(named) < len(runs) and not folders else []
    results = load_results(host, list(dict.fromkeys([*named, *by_id, *default])))
    return results, [results.find(run) for run in runs]


def results_folder_of(run: str) -> Path | None:
    """Return the results folder of a run that is named by its own folder; None if `run` is an id."""
    from matekd_bench.api.results import is_run_folder

    return Path(run).resolve().parent.parent if is_run_folder(run) else None


def show_leaderboard(
    leaderboard: Leaderboard,
    *,
    json: bool = False,
    notes: bool = False,
    verification: Verification | None = None,
) -> None:
    """Print a leaderboard as tables or as JSON rows; with `notes` print all notes instead of their number.

    With a `verification` the JSON is an object that holds both.
    """
    if not json:
        leaderboard.show(notes=notes)
        return
    if verification is not None:
        print_json({"verification": asdict(verification), "rows": leaderboard.rows.rows})
        return
    from matekd_bench.results.report.export import to_json

    typer.echo(to_json(leaderboard.rows), nl=False)

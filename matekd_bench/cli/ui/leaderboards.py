"""Read results folders and print leaderboards, for `run`, `leaderboard`, `export` and `compare`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from matekd_bench.cli.options import RESULTS
from matekd_bench.cli.ui.console import print_json, warn
from matekd_bench.cli.ui.escaped_streams import terminal

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.results.leaderboard.evidence import Evidence
    from matekd_bench.results.leaderboard.table import LeaderboardTables
    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.report.sheets import View
    from matekd_bench.results.store.results_store import ResultsStore
    from matekd_bench.results.store.verification import Verification
    from matekd_bench.tasks.task import Suite, Task

ResultsFolders: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--results", metavar="DIR", help=f"A results folder. Default: `{RESULTS}`."),
]


@dataclass(frozen=True)
class LoadedResults:
    """The records of one or more results folders, with everything that a leaderboard needs.

    `stores` maps a run id to the results folder that holds the run.
    """

    records: Sequence[Record]
    evidence: Evidence
    tasks: dict[str, Task]
    suites: list[Suite]
    stores: Mapping[str, ResultsStore]

    def verified(self) -> tuple[LoadedResults, Verification]:
        """Recompute the scores from the predictions, and leave out the runs whose records do not agree."""
        from matekd_bench.results.store.verification import Verifier

        verifier = Verifier({name: task.metrics for name, task in self.tasks.items()})
        records = [
            record for record in self.records if not verifier.verify(record, self.stores[record.run_id])
        ]
        return replace(self, records=records), verifier.result

    def leaderboard(self, reference: str | None) -> LeaderboardTables:
        """Compute the leaderboard of all records; its differences are to the variant `reference`."""
        from matekd_bench.results.leaderboard.build import build

        return build(
            self.records, tasks=self.tasks, suites=self.suites, reference=reference, evidence=self.evidence
        )


def load_results(
    host: Host, folders: Sequence[Path] | None, only: Collection[str] | None = None
) -> LoadedResults:
    """Read the records in `folders`, or only the run ids in `only`; print a warning for each damaged record."""
    from matekd_bench.plugins.known_names import tasks_and_suites
    from matekd_bench.results.leaderboard.evidence import Evidence
    from matekd_bench.results.store.collection import read_folders

    collection = read_folders(folders or [RESULTS])
    for folder, reason in collection.damaged:
        warn(f"{folder} was left out: {reason}")
    records = [record for record in collection.records if only is None or record.run_id in only]
    tasks, suites = tasks_and_suites(host)
    return LoadedResults(records, Evidence(collection.stores), tasks, suites, collection.stores)


def find_one_run(
    host: Host, run: str, folders: Sequence[Path] | None
) -> tuple[Record, Path, dict[str, Task]]:
    """Find a recorded run by its id, the start of its id, or its folder.

    Returns the record, the results folder that holds it, and the installed tasks by name.
    """
    from matekd_bench.tools.compare import find_run

    folder = results_folder_of(run)
    results = load_results(host, [folder] if folder else folders)
    record = find_run(results.records, Path(run).resolve().name if folder else run, results.tasks)
    return record, results.stores[record.run_id].root, results.tasks


def results_folder_of(run: str) -> Path | None:
    """Return the results folder of a run that is named by its own folder; None if `run` is an id."""
    path = Path(run)
    return path.resolve().parent.parent if (path / "record.json").is_file() else None


def print_leaderboard(
    host: Host, results: Path, reference: str | None, only: Collection[str] | None = None, json: bool = False
) -> None:
    """Print the leaderboard of a folder, or only of the run ids in `only`."""
    loaded = load_results(host, [results], only)
    show_leaderboard(loaded.leaderboard(reference), loaded.suites, json=json)


def show_leaderboard(
    leaderboard: LeaderboardTables,
    suites: Sequence[Suite],
    *,
    json: bool = False,
    view: View = "overall",
    verification: Verification | None = None,
) -> None:
    """Print a leaderboard as tables, or as JSON rows; with a `verification` these are in an object beside it."""
    if json:
        from matekd_bench.results.report.export import to_json
        from matekd_bench.results.report.export_tables import leaderboard_rows

        rows = leaderboard_rows(leaderboard, suites)
        if verification is None:
            typer.echo(to_json(rows), nl=False)
        else:
            print_json({"verification": asdict(verification), "rows": rows.rows})
        return
    from rich.console import Console

    from matekd_bench.results.report.text import render

    render(leaderboard, Console(file=terminal(sys.stdout)), view)


def reference_name(typed: str | None, host: Host) -> str | None:
    """Return the name of the reference: `kd` unless another is typed; None for `none`."""
    from matekd_bench.plugins.known_names import known_methods

    return None if typed == "none" else known_methods(typed or "kd", host)

"""From results folders to the leaderboard on screen: what `run`, `leaderboard`, `export` and `compare` share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from matekd_bench.cli.options import RESULTS
from matekd_bench.cli.ui.console import warn

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.results.leaderboard.evidence import Evidence
    from matekd_bench.results.leaderboard.table import Leaderboard
    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.report.sheets import View
    from matekd_bench.results.store.results_store import ResultsStore
    from matekd_bench.tasks.task import Suite, Task

Folders: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--results", metavar="DIR", help=f"A results folder. Default: `{RESULTS}`."),
]


@dataclass(frozen=True)
class Recorded:
    """The records of some results folders, with what is needed to make tables of them; `homes` by run id."""

    records: Sequence[Record]
    evidence: Evidence
    tasks: dict[str, Task]
    suites: list[Suite]
    homes: Mapping[str, ResultsStore]

    def leaderboard(self, reference: str | None) -> Leaderboard:
        """The leaderboard of all these records."""
        from matekd_bench.results.leaderboard.build import build

        return build(
            self.records, tasks=self.tasks, suites=self.suites, reference=reference, evidence=self.evidence
        )


def recorded(host: Host, folders: Sequence[Path] | None, only: Collection[str] | None = None) -> Recorded:
    """What is recorded in `folders`, or the run ids in `only`; a warning line for each damaged record."""
    from matekd_bench.results.leaderboard.evidence import Evidence
    from matekd_bench.results.store.collection import read_folders

    found = read_folders(folders or [RESULTS])
    for folder, reason in found.damaged:
        warn(f"{folder} was left out: {reason}")
    records = [record for record in found.records if only is None or record.run_id in only]
    tasks, suites = tasks_and_suites(host)
    return Recorded(records, Evidence(found.homes), tasks, suites, found.homes)


def one_run(host: Host, run: str, folders: Sequence[Path] | None) -> tuple[Record, Path, dict[str, Task]]:
    """A recorded run by its id, the start of it, or its folder; with the results folder that it lies in."""
    from matekd_bench.tools.compare import find_run

    home = folder_of(run)
    found = recorded(host, [home] if home else folders)
    record = find_run(found.records, Path(run).resolve().name if home else run)
    return record, found.homes[record.run_id].root, found.tasks


def folder_of(run: str) -> Path | None:
    """The results folder that holds a run named by its folder; None for a name."""
    path = Path(run)
    return path.resolve().parent.parent if (path / "record.json").is_file() else None


def tasks_and_suites(host: Host) -> tuple[dict[str, Task], list[Suite]]:
    """The records alone, as the results need them."""
    tasks = {name: provided.record for name, provided in host.tasks.items()}
    return tasks, [host.suites[name].record for name in sorted(host.suites)]


def print_leaderboard(
    host: Host, results: Path, reference: str | None, only: Collection[str] | None = None, json: bool = False
) -> None:
    """Prints the leaderboard of a folder, or of the run ids in `only`."""
    from matekd_bench.results.leaderboard.row_filters import ordered

    found = recorded(host, [results], only)
    show(ordered(found.leaderboard(reference), None), found.suites, json=json)


def show(
    leaderboard: Leaderboard, suites: Sequence[Suite], *, json: bool = False, view: View = "overall"
) -> None:
    """Prints a leaderboard as tables, or as JSON rows."""
    if json:
        from matekd_bench.results.report.export import to_json
        from matekd_bench.results.report.flat_rows import leaderboard_rows

        typer.echo(to_json(leaderboard_rows(leaderboard, suites)), nl=False)
        return
    from rich.console import Console

    from matekd_bench.results.report.text import render

    render(leaderboard, Console(), view)


def reference_name(typed: str | None) -> str | None:
    """The name of the reference: `kd` unless another is typed; None for `none`."""
    return None if typed == "none" else typed or "kd"

"""From a results folder to the leaderboard on screen: what `run`, `leaderboard` and `export` share."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from matekd_bench.cli.output import warn
from matekd_bench.errors import ResultsError, UsageError

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.results.record import Record
    from matekd_bench.tasks.record import Suite, Task


def read_records(results: Path) -> list[Record]:
    """Every whole record in a results folder; a warning line for each damaged one."""
    from matekd_bench.results.store import ResultsStore

    if not results.is_dir():
        raise ResultsError(f"there is no results folder '{results}':", hint="'matekd-bench run' makes one.")
    store = ResultsStore(results)
    records = store.records()
    for folder, reason in store.damaged:
        warn(f"{folder} was left out: {reason}")
    return records


def tasks_and_suites(host: Host) -> tuple[dict[str, Task], list[Suite]]:
    """The records alone, as the results need them."""
    tasks = {name: provided.record for name, provided in host.tasks.items()}
    return tasks, [host.suites[name].record for name in sorted(host.suites)]


def print_leaderboard(
    host: Host, results: Path, control: str | None, only: Collection[str] | None = None, json: bool = False
) -> None:
    """Prints the leaderboard of a folder, or of the run ids in `only`."""
    from matekd_bench.results.leaderboard import build

    records = [record for record in read_records(results) if only is None or record.run_id in only]
    tasks, suites = tasks_and_suites(host)
    leaderboard = build(records, tasks=tasks, suites=suites, control=control)
    if json:
        from matekd_bench.results.export import to_json
        from matekd_bench.results.rows import leaderboard_rows

        typer.echo(to_json(leaderboard_rows(leaderboard, suites)), nl=False)
        return
    from rich.console import Console

    from matekd_bench.results.render import render

    render(leaderboard, Console())


def chosen_control(control: str | None, no_control: bool) -> str | None:
    """The control's name: `kd` unless another is named or none is wanted."""
    if control and no_control:
        raise UsageError("--control and --no-control contradict each other: give one of them.")
    return None if no_control else control or "kd"

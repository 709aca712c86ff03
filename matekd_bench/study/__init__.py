"""A study: the grid of methods, tasks and seeds that one command trains and compares."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.events import Events, Summary
    from matekd_bench.study.request import StudyRequest


def run(request: StudyRequest, host: Host, events: Events, *, dry_run: bool = False) -> Summary:
    """Runs a study: see :func:`matekd_bench.study.runner.run`. Loads torch when called, not when imported."""
    from matekd_bench.bulk import uncollected

    with uncollected():
        from matekd_bench.study.runner import run as run_study

    return run_study(request, host, events, dry_run=dry_run)

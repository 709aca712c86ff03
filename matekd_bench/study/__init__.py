"""A study: the grid of methods, tasks and seeds that one command trains and compares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.events import Sink
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.pipeline import StudySummary
    from matekd_bench.study.spec.request import StudyRequest


def run(request: StudyRequest, host: Host, sink: Sink, *, dry_run: bool = False) -> StudySummary:
    """Run a study; see :func:`matekd_bench.study.pipeline.run`.

    Importing this module is cheap: torch is loaded by the first call.
    """
    from matekd_bench.gc_pause import gc_paused

    make_openmp_threads_sleep()
    with gc_paused():
        from matekd_bench.study.pipeline import run as run_study

    return run_study(request, host, sink, dry_run=dry_run)


def make_openmp_threads_sleep() -> None:
    """Make OpenMP's waiting threads sleep, unless the user has set ``OMP_WAIT_POLICY``.

    By default waiting threads spin. If another process runs too, spinning threads take cores from working ones, and
    training takes ten times as long. Without other processes it makes no difference. torch reads the variable when it
    is loaded, so this function must be called before that. Worker processes inherit the variable.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

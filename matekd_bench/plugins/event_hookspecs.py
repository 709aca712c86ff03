"""The event hooks, which report the progress of a study to plugins; their return values are ignored.

Plugins receive the objects of `matekd_bench.events`: `study` is always the study's `StudyStarted`, and `run` the run's
`RunStarted`. Events go to every plugin that implements them, and to the trackers started with ``--track NAME``. An
implementation takes the arguments that it needs, by name. If it raises, a warning is shown and the run continues. Its
plugin then gets no further events, except for the end of the study.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matekd_bench.plugins.hookspecs import hookspec

if TYPE_CHECKING:
    from matekd_bench.events import Evaluated, RunFinished, RunStarted, StudyFinished, StudyStarted


@hookspec
def matekd_bench_study_started(study: StudyStarted) -> None:
    """Receive the study after all checks, just before training begins; not called by ``--dry-run``.

    >>> from pathlib import Path
    >>> from matekd_bench import StudyStarted, hookimpl
    >>> @hookimpl
    ... def matekd_bench_study_started(study):
    ...     print(f"{len(study.todo)} of {len(study.runs)} runs to do under {study.preset}")
    >>> matekd_bench_study_started(StudyStarted(
    ...     results=Path("results"), preset="mini", methods=("kd",), tasks=("rte",), seeds=(0,)))
    0 of 0 runs to do under mini
    """


@hookspec
def matekd_bench_run_started(study: StudyStarted, run: RunStarted) -> None:
    """Receive a run that starts, or resumes after an interruption.

    >>> from matekd_bench import RunStarted, hookimpl
    >>> @hookimpl
    ... def matekd_bench_run_started(run):
    ...     print(f"[{run.position}/{run.total}] {run.method} on {run.task}, seed {run.seed}")
    >>> matekd_bench_run_started(RunStarted(run_id="rte-kd-0-ab12", method="kd", task="rte", seed=0, total=5))
    [1/5] kd on rte, seed 0
    """


@hookspec
def matekd_bench_evaluated(study: StudyStarted, run: RunStarted, evaluation: Evaluated) -> None:
    """Receive the score of a run on dev, after each evaluation.

    >>> from matekd_bench import Evaluated, hookimpl
    >>> @hookimpl
    ... def matekd_bench_evaluated(evaluation):
    ...     print(f"evaluation {evaluation.number} of {evaluation.total}: {100 * evaluation.score:.1f} points")
    >>> matekd_bench_evaluated(evaluation=Evaluated(number=3, total=10, score=0.617))
    evaluation 3 of 10: 61.7 points
    """


@hookspec
def matekd_bench_run_finished(study: StudyStarted, run: RunStarted, end: RunFinished) -> None:
    """Receive the end of a run that was recorded by this process, or by another one in the meantime.

    >>> from matekd_bench import RunFinished, RunStarted, hookimpl
    >>> @hookimpl
    ... def matekd_bench_run_finished(run, end):
    ...     print(f"{run.run_id}: {end.status} after {end.seconds:.0f} s")
    >>> run = RunStarted(run_id="rte-kd-0-ab12", method="kd", task="rte", seed=0)
    >>> matekd_bench_run_finished(run, RunFinished(status="ok", score=0.61, seconds=42.0))
    rte-kd-0-ab12: ok after 42 s
    """


@hookspec
def matekd_bench_study_finished(study: StudyStarted, end: StudyFinished) -> None:
    """Receive the end of the study, finished or stopped: the place to close files and connections.

    It is called even if an earlier event hook of the plugin raised.

    >>> from matekd_bench import StudyFinished, hookimpl
    >>> @hookimpl
    ... def matekd_bench_study_finished(end):
    ...     print(f"{end.status}: {end.trained} trained, {end.failed} failed")
    >>> matekd_bench_study_finished(end=StudyFinished(status="done", trained=3))
    done: 3 trained, 0 failed
    """

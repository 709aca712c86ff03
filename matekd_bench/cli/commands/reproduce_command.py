"""``matekd-bench reproduce``: train a recorded run again and report whether the numbers are the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matekd_bench.cli.options import (
    RESULTS,
    Generator,
    GlueDir,
    Json,
    Machine,
    NoPlugins,
    Option,
    PluginFiles,
    Results,
    Student,
    Teacher,
    TeacherAnswers,
    debugs,
)
from matekd_bench.cli.ui.console import load_host, print_json

if TYPE_CHECKING:
    from matekd_bench.tools.reproduce import Reproduction

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run id, the start of one, or a run's folder.")]
Into = Annotated[
    Path | None,
    Option("--into", metavar="DIR", help="Keep the new record in this folder. Default: not kept."),
]
Fresh = Annotated[
    bool, Option("--fresh", help="Also train teacher and generator from scratch, without the cache.")
]
Device = Annotated[
    str | None, Machine("--device", metavar="NAME", help="Default: the recorded kind of device.")
]
Threads = Annotated[
    int | None, Machine("--threads", metavar="N", min=1, help="CPU threads. Default: as recorded.")
]


def reproduce(
    context: typer.Context,
    run: Run,
    results: Results = RESULTS,
    into: Into = None,
    fresh: Fresh = False,
    glue_dir: GlueDir = None,
    teacher: Teacher = None,
    teacher_answers: TeacherAnswers = None,
    student: Student = None,
    generator: Generator = None,
    device: Device = None,
    threads: Threads = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
    json: Json = False,
    quiet: Annotated[
        bool, Option("--quiet", "-q", help="Show only warnings, errors and the result.")
    ] = False,
) -> int:
    """Train a recorded run again, compare the numbers, and list the conditions that differ.

    Logits of every evaluation, scores and losses are compared to the last bit. The exit code is 1 if they differ. A
    plugin that a record names is not run unless it is given with --plugin.
    """
    from matekd_bench.files.scratch import scratch_folder
    from matekd_bench.plugins.known_names import tasks_and_suites
    from matekd_bench.results.store.collection import read_folders
    from matekd_bench.results.store.results_store import ResultsStore
    from matekd_bench.screen.progress import watcher
    from matekd_bench.tools.compare import find_run
    from matekd_bench.tools.reproduce import reproduce as reproduce_run

    home, name = _results_and_name(run, results)
    host = load_host(plugin, no_plugins)
    run_id = find_run(read_folders([home]).records, name, tasks_and_suites(host)[0]).run_id
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        if fresh:
            stack.enter_context(_cache_at(scratch / "cache"))
        sink = stack.enter_context(watcher(quiet=quiet, debug=debugs(context)))
        target = into or scratch / "results"
        reproduction = reproduce_run(
            ResultsStore(home), run_id, target, host, sink,
            device=device, threads=threads, glue_dir=glue_dir,
            teacher_answers=teacher_answers,
            checkpoints={"teacher": teacher, "student": student, "generator": generator},
        )  # fmt: skip
    if json:
        print_json(_as_json(reproduction))
    else:
        for line in _report_lines(reproduction):
            typer.echo(line)
    return 0 if reproduction.same else 1


def _results_and_name(run: str, results: Path) -> tuple[Path, str]:
    """Return the results folder of a run and its name; `run` may also be the run's own folder."""
    path = Path(run)
    if (path / "record.json").is_file():
        return path.resolve().parent.parent, path.resolve().name
    return results, run


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """Use this folder as the cache while the context is open."""
    previous = os.environ.get("MATEKD_BENCH_CACHE")
    os.environ["MATEKD_BENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        if previous is None:
            del os.environ["MATEKD_BENCH_CACHE"]
        else:
            os.environ["MATEKD_BENCH_CACHE"] = previous


def _report_lines(reproduction: Reproduction) -> Iterator[str]:
    """Yield the report of a reproduction: the run, the verdict, differing numbers and conditions."""
    from matekd_bench.tools.reproduce import then_and_now

    recorded = reproduction.recorded
    identity, evaluations = recorded.identity, len(recorded.curve)
    yield f"{identity.variant} on {identity.task}, seed {identity.seed} ({recorded.run_id})"
    if reproduction.same:
        yield f"The same to the last bit: logits of {evaluations} evaluations, scores, losses and diagnostics."
    elif reproduction.evaluations:
        first = reproduction.evaluations[0]
        largest = max(evaluation.largest for evaluation in reproduction.evaluations)
        start = f"evaluation {first.number} on ({first.split})"
        yield f"Not the same: logits differ from {start}, by at most {largest:.3g}."
    else:
        yield "Not the same: these numbers differ, although the logits of every evaluation are the same:"
    for number in reproduction.numbers:
        yield f"  {then_and_now(number)}"
    yield from _condition_lines(reproduction)


def _condition_lines(reproduction: Reproduction) -> Iterator[str]:
    """Yield the conditions of training that differ, or a statement that none does."""
    from matekd_bench.tools.reproduce import then_and_now

    if reproduction.conditions:
        yield (
            "Conditions that differ:"
            if not reproduction.same
            else "The same, although these conditions differ:"
        )
        yield from (f"  {then_and_now(condition)}" for condition in reproduction.conditions)
    elif not reproduction.same:
        device = reproduction.recorded.compute.device
        why = (
            ""
            if device == "cpu"
            else f" On '{device}', only runs with --deterministic are repeatable to the last bit."
        )
        yield f"No recorded condition differs.{why}"


def _as_json(reproduction: Reproduction) -> dict[str, Any]:
    def values_of(settings: Any) -> list[dict[str, Any]]:
        return [{"what": setting.path, **setting.values} for setting in settings]

    return {
        "run_id": reproduction.recorded.run_id,
        "same": reproduction.same,
        "evaluations": [
            {
                "evaluation": evaluation.number,
                "split": evaluation.split,
                "largest_difference": evaluation.largest,
            }
            for evaluation in reproduction.evaluations
        ],
        "numbers": values_of(reproduction.numbers),
        "conditions": values_of(reproduction.conditions),
    }

"""``matekd-bench reproduce``: trains a recorded run again and says whether it got the same numbers."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from functools import partial
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
)
from matekd_bench.cli.ui.console import load_host, print_json
from matekd_bench.errors import ResultsError

if TYPE_CHECKING:
    from matekd_bench.study.spec.request import StudyRequest
    from matekd_bench.tools.reproduce import Reproduction

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run id, the start of one, or the run's folder.")]
Into = Annotated[
    Path | None, Option("--into", metavar="DIR", help="Keep the new record here. Default: it is not kept.")
]
Fresh = Annotated[bool, Option("--fresh", help="Make teacher and generator anew too, not from the cache.")]
Device = Annotated[str | None, Machine("--device", metavar="NAME", help="Default: the recorded kind.")]
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
    student: Student = None,
    generator: Generator = None,
    device: Device = None,
    threads: Threads = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
    json: Json = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Only warnings, errors and the result.")] = False,
) -> int:
    """Train a recorded run again and say whether it gives the same numbers and, if not, what was different.

    Logits of every evaluation, scores and losses are compared to the last bit. Exit code 1: they are not the same.
    A plugin that a record names is not run unless it is given with --plugin.
    """
    from matekd_bench.cli.ui.progress import watcher
    from matekd_bench.results.store.collection import read_folders
    from matekd_bench.results.store.results_store import ResultsStore
    from matekd_bench.tools.compare import find_run
    from matekd_bench.tools.reproduce import LocalPaths
    from matekd_bench.tools.reproduce import reproduce as again

    home, name = _named(run, results)
    run_id = find_run(read_folders([home]).records, name).run_id
    places = LocalPaths(
        glue_dir=glue_dir,
        teacher=teacher,
        student=student,
        generator=generator,
        device=device,
        threads=threads,
    )
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matekd-bench-")))
        if fresh:
            stack.enter_context(_cache(scratch / "cache"))
        events = stack.enter_context(watcher(quiet=quiet, verbose=False))
        host, target = load_host(plugin, no_plugins), into or scratch / "results"
        request_of = partial(_request, context.find_root().command)
        found = again(ResultsStore(home), run_id, target, host, events, places, request_of)
    if json:
        print_json(_plain(found))
    else:
        for line in _lines(found):
            typer.echo(line)
    return 0 if found.same else 1


def _named(run: str, results: Path) -> tuple[Path, str]:
    """The results folder and the name of a run, which may be named by its folder."""
    path = Path(run)
    if (path / "record.json").is_file():
        return path.resolve().parent.parent, path.resolve().name
    return results, run


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """Within it the cache is this empty folder."""
    before = os.environ.get("MATEKD_BENCH_CACHE")
    os.environ["MATEKD_BENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["MATEKD_BENCH_CACHE"]
        else:
            os.environ["MATEKD_BENCH_CACHE"] = before


def _request(application: Any, command: str) -> StudyRequest:
    """What a recorded command asked for; ResultsError where it is no command of this version."""
    from matekd_bench.study.spec.request import StudyRequest

    try:
        program, name, *words = shlex.split(command)
        if (program, name) != ("matekd-bench", "run"):
            raise ValueError("it is no 'run'")
        given: dict[str, Any] = application.commands[name].make_context(name, words).params
    except (ValueError, typer.TyperException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ResultsError(
            f"the record keeps no settings, and its command cannot be read: {reason}."
        ) from None
    known = {field.name for field in fields(StudyRequest)} - {"reference", "results", "command"}
    chosen = {key: value for key, value in given.items() if key in known and value is not None}
    return StudyRequest(**{**chosen, "sets": tuple(chosen.get("sets") or ())})


def _lines(found: Reproduction) -> Iterator[str]:
    from matekd_bench.tools.reproduce import said

    identity, evaluations = found.recorded.identity, len(found.recorded.curve)
    yield f"{identity.variant} on {identity.task}, seed {identity.seed} ({found.recorded.run_id})"
    if found.same:
        yield f"The same: logits of {evaluations} evaluations, scores, losses and diagnostics, to the last bit."
    elif found.evaluations:
        first, largest = found.evaluations[0], max(evaluation.largest for evaluation in found.evaluations)
        place = f"evaluation {first.number} on ({first.split})"
        yield f"Not the same: logits differ from {place}, by at most {largest:.3g}."
    else:
        yield "Not the same, although the logits of every evaluation are:"
    for number in found.numbers:
        yield f"  {said(number)}"
    yield from _explained(found)


def _explained(found: Reproduction) -> Iterator[str]:
    from matekd_bench.tools.reproduce import said

    if found.conditions:
        yield "What was different:" if not found.same else "It was so although these were different:"
        yield from (f"  {said(condition)}" for condition in found.conditions)
    elif not found.same:
        device = found.recorded.compute.device
        why = "" if device == "cpu" else f" On '{device}' only --deterministic runs repeat to the last bit."
        yield f"Nothing that is recorded was different.{why}"


def _plain(found: Reproduction) -> dict[str, Any]:
    def plain(values: Any) -> list[dict[str, Any]]:
        return [{"what": field.path, **field.values} for field in values]

    return {
        "run_id": found.recorded.run_id,
        "same": found.same,
        "evaluations": [
            {
                "evaluation": evaluation.number,
                "split": evaluation.split,
                "largest_difference": evaluation.largest,
            }
            for evaluation in found.evaluations
        ],
        "numbers": plain(found.numbers),
        "conditions": plain(found.conditions),
    }

"""``matekd-bench reproduce``: train a recorded run again and report whether the numbers are the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matekd_bench.cli.options import (
    Generator,
    GlueDir,
    Json,
    Machine,
    NoPlugins,
    Option,
    PluginFiles,
    Results,
    Run,
    Student,
    Teacher,
    TeacherAnswers,
    debugs,
)
from matekd_bench.cli.ui.console import load_host, print_json
from matekd_bench.cli.ui.leaderboards import find_one_run
from matekd_bench.results.store import RESULTS

if TYPE_CHECKING:
    from matekd_bench.tools.reproduce import Reproduction

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
    from matekd_bench.results.store.results_store import ResultsStore
    from matekd_bench.screen.progress import watcher
    from matekd_bench.tools.reproduce import reproduce as reproduce_run

    host = load_host(plugin, no_plugins)
    record, home, _ = find_one_run(host, run, [results])
    with watcher(quiet=quiet, debug=debugs(context)) as sink:
        reproduction = reproduce_run(
            ResultsStore(home), record.run_id, host, sink,
            into=into, fresh=fresh, device=device, threads=threads, glue_dir=glue_dir,
            teacher_answers=teacher_answers,
            checkpoints={"teacher": teacher, "student": student, "generator": generator},
        )  # fmt: skip
    if json:
        print_json(_as_json(reproduction))
    else:
        typer.echo(reproduction)
    return 0 if reproduction.same else 1


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

"""``matekd-bench run``: train the runs of a study that have no record, then print its leaderboard."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli import completion
from matekd_bench.cli.options import (
    Also,
    AlsoDir,
    Config,
    Data,
    Deterministic,
    Generator,
    GlueDir,
    Json,
    LimitTrain,
    Machine,
    Methods,
    NoPlugins,
    Offline,
    Option,
    PluginFiles,
    Preset,
    Reference,
    Results,
    Settings,
    Student,
    Tasks,
    Teacher,
    TeacherAnswers,
    debugs,
    go_offline,
    study_options,
    typed_command,
)
from matekd_bench.cli.ui.leaderboards import show_leaderboard
from matekd_bench.results.store import RESULTS

if TYPE_CHECKING:
    from matekd_bench.events import StudyFinished
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.plan.study_plan import Plan
    from matekd_bench.study.spec.request import StudyRequest


def run(
    context: typer.Context,
    methods: Methods = None,
    tasks: Tasks = None,
    preset: Preset = None,
    config: Config = None,
    glue_dir: GlueDir = None,
    also: Also = None,
    also_dir: AlsoDir = None,
    teacher: Teacher = None,
    teacher_answers: TeacherAnswers = None,
    student: Student = None,
    generator: Generator = None,
    seeds: Annotated[
        int | None, Settings("--seeds", metavar="N", min=1, help="Number of seeds for every method and task.")
    ] = None,
    first_seed: Annotated[
        int | None, Settings("--first-seed", metavar="K", min=0, help="Use the seeds K, K+1, ...")
    ] = None,
    seed: Annotated[
        int | None,
        Settings(
            "--seed",
            metavar="K",
            min=0,
            max=2**31,
            help="Use only this seed; short for --seeds 1 --first-seed K.",
        ),
    ] = None,
    results: Results = RESULTS,
    sets: Annotated[
        list[str] | None,
        Settings("--set", metavar="METHOD.PARAM=VALUE", help="Set a parameter of every METHOD in the list."),
    ] = None,
    limit_train: LimitTrain = None,
    limit_eval: Annotated[
        int | None, Data("--limit-eval", metavar="N", min=1, help="Use at most N rows of a dev split.")
    ] = None,
    budget: Annotated[
        str | None,
        Settings(
            "--budget",
            metavar="KIND=N",
            help="The budget of each run, e.g. student_updates=500.",
            autocompletion=completion.budgets,
        ),
    ] = None,
    eval_on: Annotated[
        str | None,
        Data("--eval-on", metavar="dev|holdout", help="Score on dev, or on rows held out from train."),
    ] = None,
    tune: Annotated[
        int | None,
        Settings(
            "--tune",
            metavar="N",
            min=2,
            max=256,
            help="Tune every method with N trials on a holdout of train.",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        Settings(
            "--keep", metavar="last|none", help="Keep the trained students for `predict`; default: last."
        ),
    ] = None,
    device: Annotated[str | None, Machine("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps.")] = None,
    precision: Annotated[
        str | None,
        Machine("--precision", metavar="auto|float32|bf16|fp16", help="Precision of the forward passes."),
    ] = None,
    threads: Annotated[
        int | None,
        Machine(
            "--threads",
            metavar="N",
            min=1,
            help="CPU threads; their number changes the last bits of the results.",
        ),
    ] = None,
    deterministic: Deterministic = False,
    offline: Offline = False,
    reference: Reference = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Show the grid, the recorded runs and an estimate; train nothing.")
    ] = False,
    jobs: Annotated[
        str | None,
        Machine(
            "--jobs",
            "-j",
            metavar="N|auto",
            help="Runs at a time, each in its own process; default: 1, or auto with the preset mini.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        Machine(
            "--processes",
            metavar="N",
            min=1,
            help="Processes that train each run together, as with torchrun.",
        ),
    ] = None,
    executor: Annotated[
        str | None,
        Machine(
            "--executor",
            metavar="local|ray",
            help="Train on this machine or on a Ray cluster; default: local.",
            autocompletion=completion.executors,
        ),
    ] = None,
    ray_address: Annotated[
        str | None,
        Machine(
            "--ray-address",
            metavar="ADDRESS",
            help="The address of the Ray cluster; default: auto, the cluster on this machine.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        Machine(
            "--shard", metavar="I/N", help="Train only this part of the grid; 'merge' combines the folders."
        ),
    ] = None,
    fail_fast: Annotated[bool, Option("--fail-fast", help="Stop at the first run that fails.")] = False,
    track: Annotated[
        str | None,
        Option(
            "--track",
            metavar="LIST",
            help="Also report to trackers, e.g. 'tensorboard,mlflow'.",
            autocompletion=completion.trackers,
        ),
    ] = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
    json: Json = False,
    quiet: Annotated[
        bool, Option("--quiet", "-q", help="Show only warnings, errors and the result.")
    ] = False,
    verbose: Annotated[
        bool, Option("--verbose", "-v", help="Show every evaluation, also on a terminal.")
    ] = False,
) -> int:
    """Train every method on every task with every seed, skipping recorded runs, then print the leaderboard."""
    from matekd_bench.cli.ui.console import load_host, print_json
    from matekd_bench.screen.progress import loading, watcher

    with loading(quiet=quiet):  # the imports take seconds
        from matekd_bench.api.study import Study
        from matekd_bench.study.spec.request import make_request

        go_offline(context, offline)
        options, glue_home = study_options(context)
        host = load_host(plugin, no_plugins)
        request = make_request(options, host, glue_home=glue_home, command=typed_command(context))
        study = Study.of(request, host)
    if dry_run:
        plan = study.plan(quiet=quiet)
        print_json(plan.as_json()) if json else typer.echo(plan)
        return 0
    with watcher(quiet=quiet, verbose=verbose, debug=debugs(context)) as sink:
        trained = study.execute(sink)
    summary = trained.summary
    if summary is None or summary.plan is None:
        return 0
    folder = request.execution.results
    if not summary.plan.study.runs:
        print_json([]) if json else typer.echo(f"Shard {summary.plan.shard} has no runs.")
        return 0
    if not json and not quiet:
        for line in _student_lines(summary.plan, request, host, plugin):
            typer.echo(line)
    show_leaderboard(trained.leaderboard(), json=json)
    if not json:
        typer.echo(f"{_counts(summary.end)}.{'' if quiet else _next_command(summary.end, folder)}")
    return 1 if summary.end.failed else 0


def _student_lines(
    plan: Plan, request: StudyRequest, host: Host, plugins: list[Path] | None
) -> Iterator[str]:
    """Yield the folder and size of a study's kept students, and how to use one, preferably of the user's own tasks."""
    from matekd_bench.results.store.students_folder import STUDENTS, KeptStudents
    from matekd_bench.tools.doctor.caches import readable

    results = request.execution.results
    students = KeptStudents(results)
    kept = [run for run in plan.study.runs if students.has(run.run_id)]
    if not kept:
        return
    size = readable(students.bytes_of(run.run_id for run in kept))
    yield f"Students: {len(kept)} in {students.root / STUDENTS} ({size})."
    last = max(kept, key=lambda run: (host.task(run.task).record.own, plan.study.runs.index(run)))
    words = ["matekd-bench", "predict", last.run_id, *(f"--plugin={file}" for file in plugins or ())]
    words += [] if results == RESULTS else [f"--results={results}"]
    words += [f"--glue-dir={request.spec.glue_dir}"] if request.spec.glue_dir else []
    command = shlex.join([*words, "--split", host.task(last.task).record.dev[0], "-o", "predictions.csv"])
    yield f"Next: '{command}' writes a student's predictions; use --file FILE for other texts."
    yield ""


def _counts(end: StudyFinished) -> str:
    """Count the runs by how they ended."""
    counts = f"{end.trained} trained, {end.skipped} already recorded, {end.failed} failed"
    return f"{counts}, {end.left} not started" if end.left else counts


def _next_command(end: StudyFinished, results: Path) -> str:
    """Suggest the next command, in a sentence."""
    folder = "" if results == RESULTS else f" --results {shlex.quote(str(results))}"
    if end.failed:
        command = f"matekd-bench leaderboard --failures{folder}"
        return f" '{command}' lists the reasons; run the same command to try them again."
    return f" Next: 'matekd-bench export leaderboard.csv{folder}' writes the table to a file."

"""The Typer application: every command and where it is written."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import typer

from matekd_bench.cli.commands import (
    machine_commands,
    methods_commands,
    plugins_commands,
    reproduce_command,
    results_commands,
    run_command,
    student_commands,
    tasks_commands,
)
from matekd_bench.cli.options import examples

app = typer.Typer(
    name="matekd-bench",
    help="Compare text perturbation methods for knowledge distillation under one budget and one trainer.",
    epilog=examples(
        "run --methods matekd,eda --tasks glue", "doctor", "methods show eda", "export leaderboard.csv"
    ),
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(
    "run",
    epilog=examples(
        "run --methods matekd,eda --tasks glue",
        "run --methods matekd,eda --tasks rte,mrpc --glue-dir DIR",
        "run --methods 'eda[alpha=0.1|0.2],kd@2x' --tasks rte --seeds 5",
        "run --methods eda --set eda.alpha=0.2 --tasks rte --dry-run",
        "run --methods eda --tasks rte --preset paper-bert --seeds 5",
    ),
)(run_command.run)
app.command(
    "leaderboard",
    epilog=examples(
        "leaderboard",
        "leaderboard --by task --tasks rte,mrpc",
        "leaderboard --cost --sort cost",
        "leaderboard --failures",
        "leaderboard --results DIR --results DIR2 --reference finetune",
    ),
)(results_commands.leaderboard)
app.command(
    "compare",
    epilog=examples("compare rte-eda-0 rte-kd-0", "compare results/runs/RUN_A results/runs/RUN_B"),
)(results_commands.compare)
app.command(
    "export",
    epilog=examples(
        "export leaderboard.csv table.md table.tex",
        "export board.html cost.png forest.svg",
        "export figure1.pdf --plot heatmap",
        "export runs.csv --table runs --results DIR",
    ),
)(results_commands.export)
app.command(
    "reproduce",
    epilog=examples(
        "reproduce rte-eda-0", "reproduce RUN --fresh --into DIR", "reproduce RUN --glue-dir DIR"
    ),
)(reproduce_command.reproduce)
app.command(
    "predict",
    epilog=examples(
        "predict rte-eda-0 --glue-dir DIR",
        "predict mnli-kd-0 --task ax -o ax.tsv",
        "predict results/runs/RUN --file texts.csv -o answers.csv",
    ),
)(student_commands.predict)
app.command("submit", epilog=examples("submit glue.zip --method matekd --seed 0 --glue-dir DIR"))(
    student_commands.submit
)
app.command("merge", epilog=examples("merge DIR-A DIR-B -o DIR"))(results_commands.merge)
app.add_typer(
    methods_commands.app,
    name="methods",
    epilog=examples("methods", "methods show eda", "methods preview eda,matekd --task rte", "methods --json"),
)
app.add_typer(tasks_commands.app, name="tasks", epilog=examples("tasks", "tasks show rte", "tasks --json"))
app.add_typer(
    plugins_commands.app,
    name="plugins",
    epilog=examples("plugins", "plugins new my-method --level text", "plugins --json"),
)
app.add_typer(
    machine_commands.app, name="cache", epilog=examples("cache info", "cache clear --older-than 30d")
)
app.command("doctor", epilog=examples("doctor", "doctor --network", "doctor --glue-dir DIR"))(
    machine_commands.doctor
)
app.command(
    "prepare",
    epilog=examples(
        "prepare --preset paper-bert --tasks rte,mrpc",
        "prepare --preset minilm --glue-dir DIR",
        "prepare --config study.toml",
    ),
)(machine_commands.prepare)


def _version(wanted: bool) -> None:
    if wanted:
        from matekd_bench import __version__

        typer.echo(f"matekd-bench {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere in the command.")
    ] = False,
) -> None:
    """Compare text perturbation methods for knowledge distillation under one budget and one trainer."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@lru_cache(maxsize=1)
def application() -> Any:
    """All commands as the one that is called, made once in a process."""
    return typer.main.get_command(app)

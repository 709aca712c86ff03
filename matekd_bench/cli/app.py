"""The Typer application: every command and where it is written."""

from __future__ import annotations

from typing import Annotated

import typer

from matekd_bench.cli import export, leaderboard, methods, plugins, run, tasks

app = typer.Typer(
    name="matekd-bench",
    help="Compare text perturbation methods for knowledge distillation under one budget and one trainer.",
    epilog="Start with 'matekd-bench methods' and 'matekd-bench tasks'.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("export")(export.export)
app.add_typer(methods.app, name="methods")
app.add_typer(tasks.app, name="tasks")
app.command("plugins")(plugins.plugins)


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

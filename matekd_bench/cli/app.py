"""The Typer application: all commands, imported when used, with their summaries for ``--help`` and their examples."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from matekd_bench.cli.metavars import show_metavars
from matekd_bench.cli.options import examples


@dataclass(frozen=True)
class CommandEntry:
    """A command: its target in `commands`, as ``module:name``, and the texts of ``--help``.

    The target is a function or a Typer application. `summary` is the first paragraph of its help, so that
    ``matekd-bench --help`` need not import it.
    """

    target: str
    summary: str
    examples: tuple[str, ...]


COMMANDS: Mapping[str, CommandEntry] = {
    "run": CommandEntry(
        "run_command:run",
        "Train every method on every task with every seed, skipping recorded runs, then print the leaderboard.",
        (
            "run --methods matekd,eda --tasks glue",
            "run --methods matekd,eda --tasks rte,mrpc --glue-dir DIR",
            "run --methods 'eda[alpha=0.1|0.2],kd@2x' --tasks rte --seeds 5",
            "run --methods eda --set eda.alpha=0.2 --tasks rte --dry-run",
            "run --methods eda --tasks rte --preset paper-bert --seeds 5",
        ),
    ),
    "leaderboard": CommandEntry(
        "results_commands:leaderboard",
        "Print the leaderboard, computed from the records in the results folders.",
        (
            "leaderboard",
            "leaderboard --by task --tasks rte,mrpc",
            "leaderboard --cost --sort cost",
            "leaderboard --failures",
            "leaderboard --results DIR --results DIR2 --reference finetune",
        ),
    ),
    "compare": CommandEntry(
        "results_commands:compare",
        "Test whether two checkpoints differ: exact McNemar test for accuracy, permutation test for other metrics.",
        ("compare rte-eda-0 rte-kd-0", "compare results/runs/RUN_A results/runs/RUN_B"),
    ),
    "export": CommandEntry(
        "results_commands:export",
        "Write the leaderboard or the runs to .csv, .json or .md files, or the leaderboard to .tex, .html or picture "
        "files.",
        (
            "export leaderboard.csv table.md table.tex",
            "export board.html cost.png forest.svg",
            "export figure1.pdf --plot heatmap",
            "export runs.csv --table runs --results DIR",
        ),
    ),
    "reproduce": CommandEntry(
        "reproduce_command:reproduce",
        "Train a recorded run again, compare the numbers, and list the conditions that differ.",
        ("reproduce rte-eda-0", "reproduce RUN --fresh --into DIR", "reproduce RUN --glue-dir DIR"),
    ),
    "predict": CommandEntry(
        "student_commands:predict",
        "Print the predictions of the kept student of a run: a row for each example, with probabilities.",
        (
            "predict rte-eda-0 --glue-dir DIR",
            "predict mnli-kd-0 --task ax -o ax.tsv",
            "predict results/runs/RUN --file texts.csv -o answers.csv",
        ),
    ),
    "student": CommandEntry(
        "student_commands:student",
        "Write the kept student of a run to a folder for deployment, or measure the costs of students in use.",
        (
            "student rte-eda-0 --to DIR --onnx --glue-dir DIR",
            "student rte-eda-0 rte-kd-0 --cost --glue-dir DIR",
            "student results/runs/RUN --cost --json",
        ),
    ),
    "submit": CommandEntry(
        "student_commands:submit",
        "Write the test predictions of a method's nine students in the format of the GLUE server.",
        ("submit glue.zip --method matekd --seed 0 --glue-dir DIR",),
    ),
    "merge": CommandEntry(
        "results_commands:merge",
        "Merge results folders into a new one, which appears complete or not at all.",
        ("merge DIR-A DIR-B -o DIR",),
    ),
    "methods": CommandEntry(
        "methods_commands:app",
        "List the methods; 'methods show NAME' describes one.",
        ("methods", "methods show eda", "methods preview eda,matekd --task rte", "methods --json"),
    ),
    "tasks": CommandEntry(
        "tasks_commands:app",
        "List the tasks and suites; 'tasks show NAME' describes one, 'tasks new NAME' creates one.",
        ("tasks", "tasks show rte", "tasks --json"),
    ),
    "plugins": CommandEntry(
        "plugins_commands:app",
        "List the plugins; 'plugins new NAME' writes one.",
        ("plugins", "plugins new my-method --level text", "plugins --json"),
    ),
    "cache": CommandEntry(
        "machine_commands:app",
        "Show or clear the cache of teachers, logits and generators.",
        ("cache info", "cache clear --older-than 30d"),
    ),
    "doctor": CommandEntry(
        "machine_commands:doctor",
        "Check this machine's versions, devices, caches, models and data, with advice for anything "
        "missing or broken.",
        ("doctor", "doctor --network", "doctor --glue-dir DIR"),
    ),
    "prepare": CommandEntry(
        "machine_commands:prepare",
        "Fetch and check the models, data and thesaurus of a study, so that it can run offline later.",
        (
            "prepare --preset paper-bert --tasks rte,mrpc",
            "prepare --preset minilm --glue-dir DIR",
            "prepare --config study.toml",
        ),
    ),
    "convert": CommandEntry(
        "convert_command:convert",
        "Convert a checkpoint that has only pytorch_model.bin to a folder with safetensors weights.",
        ("convert MODEL", "convert MODEL@REVISION --into DIR"),
    ),
}
SETTINGS: Mapping[str, Any] = {
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class LazyCommands(dict[str, Any]):
    """The commands by name, each imported when it is first needed.

    Within :meth:`summaries` a command that is not yet imported is replaced by a stand-in with its summary.
    """

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(COMMANDS))
        self._summarizing = False

    def __getitem__(self, name: str) -> Any:
        """Return the command, imported unless its summary is enough; raise KeyError if there is none."""
        command = super().__getitem__(name)
        if command is not None:
            return command
        if self._summarizing:
            return TyperCommand(name, help=COMMANDS[name].summary)
        self[name] = load_command(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the command, or `default` if there is none."""
        return self[name] if name in COMMANDS else default

    def items(self) -> Any:
        """Return the names and commands as pairs."""
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        """Return all commands."""
        return [self[name] for name in self]

    @contextmanager
    def summaries(self) -> Iterator[None]:
        """Return stand-ins inside the block, so that a list of commands imports none."""
        self._summarizing = True
        try:
            yield
        finally:
            self._summarizing = False


def load_command(name: str) -> Any:
    """Import a command and build it with its examples."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    target = getattr(importlib.import_module(f"{__package__}.commands.{module}"), attribute)
    parent, epilog = typer.Typer(**SETTINGS), examples(*COMMANDS[name].examples)
    parent.callback()(lambda: None)  # makes a group even of one command, so that it can be taken out by name
    if isinstance(target, typer.Typer):
        parent.add_typer(target, name=name, epilog=epilog)
    else:
        parent.command(name, epilog=epilog)(target)
    group: Any = typer.main.get_command(parent)
    command = group.commands[name]
    for part in (command, *getattr(command, "commands", {}).values()):
        show_metavars(part)
    return command


class RootGroup(TyperGroup):
    """The group of all commands, whose help imports none of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = LazyCommands()

    def format_help(self, context: Any, formatter: Any) -> None:
        """Write the help with a line per command."""
        with self.commands.summaries():
            super().format_help(context, formatter)


app = typer.Typer(
    name="matekd-bench",
    cls=RootGroup,
    help="Compare text perturbation methods for knowledge distillation under one budget and one trainer.",
    epilog=examples(
        "run --methods matekd,eda --tasks glue", "doctor", "methods show eda", "export leaderboard.csv"
    ),
    **SETTINGS,
)


def _print_version(wanted: bool) -> None:
    """Print the version and exit if ``--version`` is among the arguments."""
    if wanted:
        from matekd_bench import __version__

        typer.echo(f"matekd-bench {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; allowed anywhere in the command.")
    ] = False,
) -> None:
    """Compare text perturbation methods for knowledge distillation under one budget and one trainer."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@lru_cache(maxsize=1)
def application() -> Any:
    """Return the command that dispatches to all others; it is built once per process."""
    return show_metavars(typer.main.get_command(app))

"""``matekd-bench methods preview``: show what methods do to a few rows, as tables, JSON or HTML."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matekd_bench.cli import completion
from matekd_bench.cli.options import (
    Config,
    Generator,
    GlueDir,
    Json,
    Machine,
    NoPlugins,
    Option,
    PluginFiles,
    Preset,
    Settings,
    Student,
    Teacher,
    TeacherAnswers,
    debugs,
    study_options,
)
from matekd_bench.cli.ui.console import load_host, print_json, print_table, warn
from matekd_bench.cli.ui.preview_text import answers, changes, diagnostics, legend
from matekd_bench.files.printable import printable
from matekd_bench.screen.escaped_streams import terminal

if TYPE_CHECKING:
    from rich.text import Text

    from matekd_bench.tools.preview_examples import MethodPreview, Preview, PreviewExample, PreviewVersion

STYLES = {"same": "", "removed": "red strike", "added": "bold green"}
MARKS = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}  # for output without colors


def preview(
    context: typer.Context,
    methods: Annotated[
        str,
        typer.Argument(
            metavar="METHODS",
            help="A list as for --methods, e.g. 'eda,matekd'.",
            autocompletion=completion.methods,
        ),
    ],
    task: Annotated[
        str,
        Option("--task", metavar="NAME", help="The task to take rows from.", autocompletion=completion.task),
    ] = "rte",
    n: Annotated[int, Option("--n", metavar="N", min=1, max=64, help="Rows to show.")] = 5,
    updates: Annotated[
        int, Settings("--updates", metavar="N", min=0, help="Updates to train before the preview.")
    ] = 0,
    preset: Preset = None,
    config: Config = None,
    glue_dir: GlueDir = None,
    teacher: Teacher = None,
    teacher_answers: TeacherAnswers = None,
    student: Student = None,
    generator: Generator = None,
    seed: Annotated[
        int | None, Settings("--seed", metavar="K", min=0, help="Seed for the rows and the random draws.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        Settings("--set", metavar="METHOD.PARAM=VALUE", help="Set a parameter of a method."),
    ] = None,
    device: Annotated[str | None, Machine("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps.")] = None,
    html: Annotated[Path | None, Option("--html", metavar="FILE", help="Write an HTML page instead.")] = None,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Show what methods do to a few training rows: texts before and after, and the answers of teacher and student."""
    from matekd_bench.methods.grammar import NO_REFERENCE
    from matekd_bench.screen.plain_screens import LineScreen
    from matekd_bench.study.spec.request import make_request
    from matekd_bench.tools.preview import preview as preview_methods

    options, glue_home = study_options(context)
    options |= {"tasks": task, "seeds": 1, "reference": NO_REFERENCE}
    host = load_host(plugin, no_plugins)
    request = make_request(options, host, glue_home=glue_home)
    result = preview_methods(
        request, host, LineScreen(sys.stderr, details=debugs(context)), examples=n, updates=updates
    )
    for notice in dict.fromkeys(notice for method in result.methods for notice in method.notices):
        warn(notice)
    if html is not None:
        from matekd_bench.cli.ui.preview_page import page

        html.write_text(page(result), encoding="utf-8")
        typer.echo(f"wrote {html}")
    elif json:
        print_json(asdict(result))
    else:
        _print_preview(result)


def _print_preview(preview: Preview) -> None:
    """Print a table of examples per method, then the diagnostics of all methods."""
    from rich.console import Console

    console = Console(file=terminal(sys.stdout), highlight=False)
    for method in preview.methods:
        console.print(_examples_table(preview, method, colored=console.is_terminal))
    typer.echo(legend(preview))
    typer.echo()
    print_table(*diagnostics(preview))


def _examples_table(preview: Preview, method: MethodPreview, *, colored: bool) -> Any:
    """Build a table with a row for every version of every example."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = f"{method.method} on {preview.task}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_lines=True)
    for column in ("original", "perturbed"):
        table.add_column(column, ratio=3, overflow="fold")
    for column in ("teacher", "student"):
        table.add_column(column, overflow="fold")
    for example in method.examples:
        for number, version in enumerate(example.versions or (None,)):
            table.add_row(*_row(example, version, number, colored=colored))
    return table


def _row(
    example: PreviewExample, version: PreviewVersion | None, number: int, *, colored: bool
) -> tuple[Text, Text, str, str]:
    """Return original text, perturbed text, teacher's answers and student's answers of one version.

    The label and an unchanged original are written only in the first row of an example. A version of None means that
    nothing is perturbed.
    """
    from rich.text import Text

    old = Text()
    if number == 0:
        old.append(printable(f"{example.label}: "), "dim")
    new = Text()
    if len(example.versions) > 1:
        new.append(f"{number + 1}: ", "dim")
    texts = example.texts if version is None or version.texts is None else version.texts
    for kind, words in changes(example.texts, texts):
        plain = printable(words if colored else MARKS[kind].format(words))
        style = STYLES[kind] if colored else ""
        if kind != "added" and not (number and texts == example.texts):
            old.append(plain + " ", style)
        if kind != "removed" and texts != example.texts:
            new.append(plain + " ", style)
    if version is None:
        return (
            old,
            Text("nothing is perturbed", style="dim"),
            answers(example.teacher),
            answers(example.student),
        )
    if version.shift is not None:
        new.append(f"embeddings moved by {version.shift:.1%}", "italic")
    elif version.texts is None:
        new.append("the same text", "dim")
    return old, new, answers(example.teacher, version.teacher), answers(example.student, version.student)

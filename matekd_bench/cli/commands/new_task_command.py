"""``matekd-bench tasks new``: check the user's own data, show them, and write a task's TOML file."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import Option

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.tasks.own.own_task import OwnTask
    from matekd_bench.tasks.own.survey import Survey

ROWS = 3  # printed as a preview


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new task's name.")],
    text: Annotated[
        str, Option("--text", metavar="COLUMNS", help="The column of the text; two for pairs: a,b.")
    ],
    label: Annotated[str, Option("--label", metavar="COLUMN", help="The column of the label or score.")],
    train: Annotated[
        str, Option("--train", metavar="FILE", help="A .csv, .tsv or .jsonl file; with --hub a split.")
    ] = "train",
    dev: Annotated[
        str, Option("--dev", metavar="FILE", help="What is scored on; with --hub a split.")
    ] = "validation",
    hub: Annotated[
        str | None, Option("--hub", metavar="ID", help="A data set on the Hub, not files.")
    ] = None,
    config: Annotated[
        str | None, Option("--config", metavar="NAME", help="Of the data set on the Hub.")
    ] = None,
    revision: Annotated[
        str | None, Option("--revision", metavar="COMMIT", help="Of the data set on the Hub: pins it.")
    ] = None,
    kind: Annotated[
        str | None,
        Option(
            "--kind", metavar="KIND", help="classification or regression. Default: what the labels look like."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        Option("--labels", metavar="LIST", help="The labels in order. Default: those found, sorted."),
    ] = None,
    metrics: Annotated[
        str | None,
        Option(
            "--metrics", metavar="LIST", help="accuracy, f1, matthews; of a regression pearson, spearman."
        ),
    ] = None,
    folder: Annotated[Path, Option("--folder", metavar="DIR", help="Where to write it.")] = Path(),
) -> None:
    """Make a task of your own data: check every row, show what was found, and write a TOML file."""
    from matekd_bench.plugins.host import Host
    from matekd_bench.tasks.own.own_task import to_toml
    from matekd_bench.tasks.own.survey import infer_labels, survey

    path = folder / f"{name}.toml"
    _check_name_and_files(name, path, Host.load(), () if hub else (train, dev))
    task = _task_from_options(
        name, path.parent, _split_list(text), label, train, dev, hub, config, revision, _split_list(metrics)
    )
    own_task = infer_labels(task, kind, _split_list(labels), path.parent)
    _print_survey(survey(own_task, path.parent))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_toml(own_task), encoding="utf-8")
    file = shlex.quote(str(path))
    typer.echo(f"\nwrote {path}")
    typer.echo(f"next: matekd-bench run --plugin {file} --tasks {name} --methods eda --preset minilm")


def _check_name_and_files(name: str, path: Path, host: Host, files: tuple[str, ...]) -> None:
    """Raise UsageError for a malformed or taken task name, an existing output file, or missing data files."""
    from matekd_bench.errors import UsageError

    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise UsageError(f"'{name}' can't name a task: use lower-case letters, digits and '-'.")
    if name in host.tasks or name in host.suites:
        raise UsageError(f"there is a task or suite '{name}' already: choose another name.")
    if path.exists():
        raise UsageError(f"'{path}' is there already.", hint="Choose another name, or another --folder.")
    for option, file in zip(("--train", "--dev"), files, strict=False):
        if not Path(file).is_file():
            raise UsageError(
                f"{option}: there is no file '{file}'.", hint="For a data set on the Hub give --hub ID."
            )


def _task_from_options(
    name: str, folder: Path, texts: tuple[str, ...], label: str, train: str, dev: str,
    hub: str | None, config: str | None, revision: str | None, metrics: tuple[str, ...],
) -> OwnTask:  # fmt: skip
    """Build the task from the options; its kind is a placeholder until the data are read.

    Raises UsageError for options that make no task.
    """
    from pydantic import ValidationError

    from matekd_bench.errors import UsageError, first_problem, unknown
    from matekd_bench.tasks.metrics import METRICS
    from matekd_bench.tasks.own.own_task import OwnTask
    from matekd_bench.tasks.own.survey import relative_to

    if len(texts) not in (1, 2):
        raise UsageError(
            f"--text '{','.join(texts)}' names {len(texts)} columns: a text has one, a pair two."
        )
    for metric in metrics:
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS)
    # splits on the Hub, or files; a task's file names them relative to its own folder
    splits = (train, dev) if hub else (relative_to(Path(train), folder), relative_to(Path(dev), folder))
    values = {
        "name": name, "kind": "classification", "texts": texts, "label": label, "train": splits[0], "dev": splits[1],
        "metrics": metrics, "hub": hub, "config": config, "revision": revision,
    }  # fmt: skip
    try:
        return OwnTask.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"the task cannot be made: {first_problem(error, OwnTask).sentence()}") from error


def _split_list(text: str | None) -> tuple[str, ...]:
    """Split a comma-separated list; None and empty parts give nothing."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _print_survey(survey: Survey) -> None:
    """Print the task's kind, labels and metrics, its splits, three rows, and notices as warnings."""
    from matekd_bench.cli.ui.console import print_fields, print_table, warn

    task, train = survey.task, survey.splits[0]
    print_fields(
        [
            ("task", f"{task.name}: {task.kind} of {'pairs' if len(task.fields) == 2 else 'single texts'}"),
            ("labels", ", ".join(task.labels)),
            ("metrics", ", ".join(task.metrics)),
        ]
    )
    typer.echo()
    rows = [
        (examples.split, str(len(examples)), survey.lengths(examples), survey.counts(examples))
        for examples in survey.splits
    ]
    print_table(("split", "rows", "words", "scores" if not task.labels else "rows by label"), rows)
    typer.echo()
    gold = [task.labels[int(value)] if task.labels else f"{value:g}" for value in (train.labels or ())[:ROWS]]
    preview = zip(gold, train.texts, strict=False)
    print_table(
        ("label", *task.fields),
        [(label, *(textwrap.shorten(text, 60) for text in texts)) for label, texts in preview],
    )
    for notice in survey.notices:
        warn(notice)

"""``matekd-bench tasks new``: check the user's own data, show them, and write a task's TOML file."""

from __future__ import annotations

import csv
import re
import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import Option, typed_command

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.tasks.own.own_task import OwnTask
    from matekd_bench.tasks.own.survey import Survey
    from matekd_bench.tasks.task import Task

ROWS = 3  # shown as examples


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new task's name.")],
    text: Annotated[
        str,
        Option(
            "--text",
            metavar="COLUMNS",
            help="The column of the text; two for pairs: a,b. Quote a name with a comma: '\"a, b\"'.",
        ),
    ],
    label: Annotated[str, Option("--label", metavar="COLUMN", help="The column of the label or score.")],
    train: Annotated[
        str, Option("--train", metavar="FILE", help="A .csv, .tsv or .jsonl file; with --hub, a split.")
    ] = "train",
    dev: Annotated[
        str | None,
        Option(
            "--dev", metavar="FILE", help="The file to score on; with --hub, a split (default: validation)."
        ),
    ] = None,
    dev_share: Annotated[
        float | None,
        Option(
            "--dev-share", metavar="X", help="Instead of --dev: the share of train to score on, e.g. 0.2."
        ),
    ] = None,
    encoding: Annotated[
        str, Option("--encoding", metavar="NAME", help="Encoding of the files, e.g. cp1252 or latin-1.")
    ] = "utf-8",
    hub: Annotated[
        str | None, Option("--hub", metavar="ID", help="A data set on the Hub instead of files.")
    ] = None,
    config: Annotated[
        str | None, Option("--config", metavar="NAME", help="Configuration of the data set on the Hub.")
    ] = None,
    revision: Annotated[
        str | None, Option("--revision", metavar="COMMIT", help="Commit of the data set on the Hub.")
    ] = None,
    kind: Annotated[
        str | None,
        Option(
            "--kind",
            metavar="classification|regression",
            help="Default: inferred from the labels.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        Option(
            "--labels",
            metavar="LIST",
            help="The labels in order. Default: the order on the Hub, else sorted.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        Option(
            "--metrics",
            metavar="LIST",
            help="accuracy, f1, matthews, macro-f1, balanced-accuracy; for a regression, pearson, spearman.",
        ),
    ] = None,
    folder: Annotated[Path, Option("--folder", metavar="DIR", help="The folder for the TOML file.")] = Path(),
) -> None:
    """Make a task from your own data: check every row, show a summary, and write a TOML file."""
    from matekd_bench.errors import DataError, likely_encoding
    from matekd_bench.plugins.host import Host
    from matekd_bench.tasks.own.own_task import to_toml
    from matekd_bench.tasks.own.survey import infer_labels, survey

    path = folder / f"{name}.toml"
    if dev is None and dev_share is None:
        dev = _default_dev(hub)
    _check_name_and_files(name, path, Host.load(), {} if hub else {"--train": train, "--dev": dev})
    task = _task_from_options(
        name, path.parent, _split_list(text), label, train, dev, dev_share, encoding, hub, config, revision,
        _split_list(metrics),
    )  # fmt: skip
    try:
        own_task = infer_labels(task, kind, _split_list(labels), path.parent)
        found = survey(own_task, path.parent)
    except DataError as error:
        if isinstance(error.__cause__, UnicodeDecodeError) and encoding == "utf-8":
            other = likely_encoding(error.__cause__.object)
            error.hint = f"Next: {typed_command(context)} --encoding {other}"
        raise
    _print_survey(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_toml(own_task), encoding="utf-8")
    file = shlex.quote(str(path))
    typer.echo(f"\nwrote {path}")
    typer.echo(f"next: matekd-bench run --plugin {file} --tasks {name} --methods matekd,eda --preset minilm")


def _default_dev(hub: str | None) -> str:
    """Return the usual dev split of the Hub; raise UsageError for files, which have none."""
    from matekd_bench.errors import UsageError

    if hub is None:
        raise UsageError(
            "no data to score on: give --dev FILE, or --dev-share 0.2 to take a fifth of the train file."
        )
    return "validation"


def _check_name_and_files(name: str, path: Path, host: Host, files: Mapping[str, str | None]) -> None:
    """Raise UsageError for a malformed or taken task name, an existing output file, or missing data files."""
    from matekd_bench.errors import UsageError

    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise UsageError(f"'{name}' cannot name a task: use lower-case letters, digits and '-'.")
    if name in host.tasks or name in host.suites:
        raise UsageError(f"a task or suite '{name}' already exists: choose another name.")
    if path.exists():
        raise UsageError(f"'{path}' already exists.", hint="Choose another name, or another --folder.")
    for option, file in files.items():
        if file is not None and not Path(file).is_file():
            raise UsageError(
                f"{option}: there is no file '{file}'.", hint="For a data set on the Hub use --hub ID."
            )


def _task_from_options(
    name: str, folder: Path, texts: tuple[str, ...], label: str, train: str, dev: str | None,
    dev_share: float | None, encoding: str, hub: str | None, config: str | None, revision: str | None,
    metrics: tuple[str, ...],
) -> OwnTask:  # fmt: skip
    """Build the task from the options; its kind is a placeholder until the data are read.

    Raises UsageError for options that do not define a task.
    """
    from pydantic import ValidationError

    from matekd_bench.errors import UsageError, first_problem, unknown
    from matekd_bench.tasks.metrics import METRICS
    from matekd_bench.tasks.own.own_task import OwnTask
    from matekd_bench.tasks.own.survey import relative_to

    if len(texts) not in (1, 2):
        raise UsageError(
            f"--text '{','.join(texts)}' names {len(texts)} columns: give one for single texts, two for pairs."
        )
    for metric in metrics:
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS)
    # A task's file names files and folders relative to its own folder.
    if hub is None:
        train, dev = relative_to(Path(train), folder), dev and relative_to(Path(dev), folder)
    elif Path(hub).is_dir():
        hub = relative_to(Path(hub), folder)
    values = {
        "name": name, "kind": "classification", "texts": texts, "label": label, "train": train, "dev": dev,
        "dev_share": dev_share, "encoding": encoding, "metrics": metrics, "hub": hub, "config": config,
        "revision": revision,
    }  # fmt: skip
    try:
        return OwnTask.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"the task cannot be created: {first_problem(error, OwnTask).sentence()}") from error


def _split_list(text: str | None) -> tuple[str, ...]:
    """Split a comma-separated list, in which names with commas are quoted; None and empty parts give nothing."""
    rows = csv.reader([text or ""], skipinitialspace=True)
    return tuple(part for row in rows for part in row if part.strip())


def _print_survey(survey: Survey) -> None:
    """Print the task's kind, labels and metrics, its splits and three rows; print notices as warnings."""
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
    gold = [_shown_label(task, value) for value in (train.labels or ())[:ROWS]]
    preview = zip(gold, train.texts, strict=False)
    print_table(
        ("label", *task.fields),
        [(label, *(textwrap.shorten(text, 60) for text in texts)) for label, texts in preview],
    )
    for notice in survey.notices:
        warn(notice)


def _shown_label(task: Task, value: float | None) -> str:
    if value is None:
        return "(none)"
    return task.labels[int(value)] if task.labels else f"{value:g}"

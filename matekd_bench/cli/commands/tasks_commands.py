"""``matekd-bench tasks``: list the tasks and suites, describe one task, and register ``new`` and ``rows``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matekd_bench.cli import completion
from matekd_bench.cli.commands import new_task_command, rows_commands
from matekd_bench.cli.options import Json, NoPlugins, PluginFiles, examples
from matekd_bench.cli.ui.console import conflicts, load_host, print_fields, print_json, print_table

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.plugins.provided import Provided
    from matekd_bench.tasks.task import Task

app = typer.Typer(
    help="List the tasks and suites; 'tasks show NAME' describes one, 'tasks new NAME' creates one."
)
app.command(
    "new",
    epilog=examples(
        "tasks new mine --train a.csv --dev b.csv --text review --label y",
        "tasks new pairs --train a.tsv --dev b.tsv --text q,r --label y",
        "tasks new mine --hub USER/DATA --text text --label label",
    ),
)(new_task_command.new)
app.command(
    "rows",
    epilog=examples(
        "tasks rows rte --glue-dir DIR --out rows.jsonl",
        "tasks rows reviews --plugin reviews.toml --out rows.jsonl",
    ),
)(rows_commands.rows)


@app.callback(invoke_without_command=True)
def tasks(
    context: typer.Context, json: Json = False, plugin: PluginFiles = None, no_plugins: NoPlugins = False
) -> None:
    """List the tasks and suites; 'tasks show NAME' describes one task."""
    if context.invoked_subcommand is not None:
        return
    host = load_host(plugin, no_plugins)
    if json:
        print_json(
            {
                "tasks": [_task_as_json(host.tasks[name]) for name in _ordered_names(host)],
                "suites": [asdict(host.suites[name].record) for name in sorted(host.suites)],
            }
        )
        return
    records = [host.tasks[name].record for name in _ordered_names(host)]
    rows = [(task.name, ", ".join(task.metrics), task.summary) for task in records]
    print_table(("task", "metrics", "summary"), rows + conflicts(host, "task"))
    if host.suites:
        suites = [host.suites[name].record for name in sorted(host.suites)]
        typer.echo()
        print_table(("suite", "tasks"), [(suite.name, ", ".join(suite.tasks)) for suite in suites])


@app.command("show", epilog=examples("tasks show rte", "tasks show mnli --json"))
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name from the list.", autocompletion=completion.task)
    ],
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Describe one task: its texts, labels, metrics, splits and data source."""
    provided = load_host(plugin, no_plugins).task(name)
    if json:
        print_json(_task_as_json(provided))
        return
    task = provided.record
    pinned = f" at {task.hub_revision}" if task.hub_revision else ""
    hub = ", ".join(filter(None, (task.hub_id, task.hub_config))) + pinned if task.hub_id else ""
    print_fields(
        [
            ("task", f"{task.name} ({task.title})"),
            ("summary", task.summary),
            ("kind", task.kind),
            ("texts", ", ".join(task.fields)),
            ("labels", ", ".join(task.labels)),
            ("metrics", ", ".join(task.metrics)),
            ("students of", task.evaluated_with or ""),
            ("label map", ", ".join(f"{theirs} = {here}" for theirs, here in task.label_map.items())),
            ("hub", hub),
            ("folder", task.folder or ""),
            ("files from", task.files_from),
            ("license", task.license),
            ("notes", " ".join(task.notes.split())),
            ("from", str(provided.by)),
            ("cite", " ".join(task.citation.split())),
        ]
    )
    typer.echo()
    rows = [
        (
            split,
            f"{source.rows or '-'}",
            source.file or source.hub,
            "" if source.labeled else "hidden labels",
        )
        for split, source in task.splits.items()
    ]
    print_table(("split", "rows", "file", ""), rows)


def _ordered_names(host: Host) -> list[str]:
    """Return task names in the order of the suites, shorter suite names first; other tasks follow."""
    suites = [host.suites[name].record for name in sorted(host.suites, key=lambda name: (len(name), name))]
    known = [name for suite in suites for name in suite.tasks if name in host.tasks]
    return list(dict.fromkeys([*known, *sorted(host.tasks)]))


def _task_as_json(provided: Provided[Task]) -> dict[str, Any]:
    record = asdict(provided.record)
    del record["reader"]  # a function, which JSON cannot represent
    return {**record, "provided_by": asdict(provided.by)}

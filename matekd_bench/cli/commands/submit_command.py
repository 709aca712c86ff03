"""``matekd-bench submit``: the zip for the GLUE server, from the kept students of one method's runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matekd_bench.cli.options import RESULTS, GlueDir, NoPlugins, PluginFiles
from matekd_bench.cli.ui.console import load_host
from matekd_bench.cli.ui.leaderboards import Folders, recorded
from matekd_bench.errors import ResultsError, UsageError


def submit(
    output: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The zip to write.")],
    method: Annotated[
        str,
        typer.Option(
            "--method", metavar="NAME", help="As the leaderboard names it, e.g. 'matekd' or 'kd@2x'."
        ),
    ],
    seed: Annotated[int, typer.Option("--seed", metavar="K", min=0, help="Which seed's runs.")] = 0,
    results: Folders = None,
    glue_dir: GlueDir = None,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps.")] = "auto",
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the test predictions of a method's nine students as the GLUE server takes them.

    All tasks must be there, trained on the official, complete data, with their students kept (`--keep last`).
    """
    from matekd_bench.errors import unknown
    from matekd_bench.files.safe_names import write_atomically
    from matekd_bench.tools.predict import StudentPredictor, read_split
    from matekd_bench.tools.submission import TABLES, chosen_runs, file_text, zipped

    if output.suffix.lower() != ".zip":
        raise UsageError(f"'{output}': a submission is a .zip file.")
    found = recorded(load_host(plugin, no_plugins), results or [RESULTS])
    scored = [run for run in found.records if run.task_score is not None]
    own = [run for run in scored if run.identity.variant == method and run.identity.seed == seed]
    if not own:
        if not scored:
            raise ResultsError("no run is recorded:", hint="'matekd-bench run --tasks glue' trains some.")
        raise unknown("method and seed", f"{method}, {seed}", [_name(run.identity) for run in scored])
    runs = chosen_runs(own)
    students = {
        task: StudentPredictor(run, found.homes[run.run_id].root, device)
        for task, run in sorted(runs.items())
    }
    texts = {}
    for table in TABLES:
        examples = read_split(found.tasks[table.task], table.split, runs[table.source], glue_dir)
        texts[table.file] = file_text(table, students[table.source].answer(examples.texts))
        typer.echo(f"{table.file}: {table.rows} rows, from {runs[table.source].run_id}")
    write_atomically(output, zipped(texts))
    typer.echo(f"wrote {output}: the GLUE server takes it as it is")


def _name(identity: object) -> str:
    return f"{getattr(identity, 'variant', '')}, {getattr(identity, 'seed', '')}"

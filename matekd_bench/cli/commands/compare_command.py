"""``matekd-bench compare``: two checkpoints on the same examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import RESULTS, Json, NoPlugins, PluginFiles
from matekd_bench.cli.ui.console import load_host, print_json
from matekd_bench.cli.ui.leaderboards import Folders, folder_of, recorded

if TYPE_CHECKING:
    from matekd_bench.tools.compare import Comparison

NAMED = "A run id, the start of one, or the run's folder."
RunA = Annotated[str, typer.Argument(metavar="RUN_A", help=NAMED)]
RunB = Annotated[str, typer.Argument(metavar="RUN_B", help=NAMED)]


def compare(
    run_a: RunA,
    run_b: RunB,
    results: Folders = None,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Test whether two checkpoints differ: exact McNemar for accuracy, permutations for other metrics.

    The answer is about these two checkpoints only. It says nothing of the methods: another seed makes others.
    """
    from matekd_bench.tools.compare import compare_runs, find_run

    folders, names = [*(results or [])], []
    for given in (run_a, run_b):
        home = folder_of(given)
        folders += [home] if home else []
        names.append(Path(given).resolve().name if home else given)
    found = recorded(load_host(plugin, no_plugins), folders or [RESULTS])
    own, other = (find_run(found.records, name) for name in names)
    result = compare_runs(own, other, found.evidence, found.tasks)
    if json:
        print_json(_plain(result))
        return
    for line in _lines(result):
        typer.echo(line)


def _lines(result: Comparison) -> Iterator[str]:
    from matekd_bench.results.report.wording import points

    found = result.found
    for letter, run, score in (("A", result.own, found.own), ("B", result.other, found.other)):
        who = f"{run.identity.variant} on {run.identity.task}, seed {run.identity.seed}"
        yield f"{letter}  {points(score):>5}  {who} ({run.run_id})"
    yield f"A - B  {points(found.delta, signed=True)} points on {found.n} examples"
    if found.only_own is not None:
        yield f"right in A only: {found.only_own}, in B only: {found.only_other}"
    yield f"{found.test} test: p = {found.p:.4g}; {found.scope}, no word on the methods."


def _plain(result: Comparison) -> dict[str, object]:
    found = result.found
    return {
        "run_a": result.own.run_id,
        "run_b": result.other.run_id,
        "task": result.own.identity.task,
        "score_a": found.own,
        "score_b": found.other,
        "delta": found.delta,
        "n": found.n,
        "only_a": found.only_own,
        "only_b": found.only_other,
        "test": found.test,
        "p": found.p,
        "scope": found.scope,
    }

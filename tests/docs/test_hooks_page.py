"""The pages of hooks and events: every hook with its arguments, every field of their records, working examples."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import matekd_bench
from matekd_bench import Evaluated, ExportTable, RunFinished, RunStarted, StudyFinished, StudyStarted
from matekd_bench.plugins import event_hookspecs, hookspecs
from matekd_bench.plugins.event_dispatch import HOOKS as HOOK_OF
from matekd_bench.plugins.event_dispatch import PluginSink
from matekd_bench.plugins.host import Host
from matekd_bench.tasks.sources import Hub, load_task, source_of
from pages import ROOT

PAGES = [ROOT / "docs" / name for name in ("hooks.md", "events.md")]
PAGE = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
HOOKS = {
    name: hook
    for home in (hookspecs, event_hookspecs)
    for name, hook in vars(home).items()
    if name.startswith("matekd_bench_")
}
ID = "rte-kd-0-ab12"
EVENTS = (
    StudyStarted(results=Path("results"), preset="mini", methods=("kd",), tasks=("rte",), seeds=(0,)),
    RunStarted(run_id=ID, method="kd", task="rte", seed=0),
    Evaluated(run_id=ID, number=1, total=2, score=0.5, spent=5, limit=10),
    RunFinished(run_id=ID, status="failed", score=None, seconds=1.0, record={"reason": "no"}),
    StudyFinished(status="done", trained=1, rows=({"method": "eda", "verdict": "better"},)),
)


def section(hook: str) -> str:
    """Return the text below a hook's heading."""
    [_, below] = re.split(rf"^##+ {hook}\n", PAGE, flags=re.M)
    return re.split(r"^##+ ", below, maxsplit=1, flags=re.M)[0]


def example(hook: str, folder: Path) -> Host:
    """The plugin that the page shows for a hook, loaded as a file."""
    [(name, source)] = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", section(hook), re.M | re.S)
    assert f"def {hook}(" in source
    (folder / name).write_text(source, encoding="utf-8")
    return Host.load([folder / name])


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_listed_and_its_arguments_are_described(hook: str) -> None:
    arguments = list(inspect.signature(HOOKS[hook]).parameters)
    assert f"| `{hook}({', '.join(arguments)})` |" in PAGE
    for argument in arguments:
        assert f"`{argument}`" in section(hook)


RECORDS = (
    *("StudyStarted", "PlannedRun", "RunStarted", "Evaluated", "RunFinished", "StudyFinished"),
    *("Thesaurus", "Synonyms", "Preset", "Exporter", "ExportTable", "Tracker"),
)


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_of_a_record_is_explained(name: str) -> None:
    table = PAGE.split(f"| field of `{name}` | meaning |\n")[1].split("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[1:]]
    named = {found for cell in cells for found in re.findall(r"`(\w+)`", cell)}
    assert named == {field.name for field in fields(getattr(matekd_bench, name))}


@pytest.mark.parametrize("hook", sorted(vars(event_hookspecs).keys() & HOOKS.keys()))
def test_the_example_of_an_event_prints_one_line_for_it(
    hook: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PluginSink(example(hook, tmp_path), pytest.fail) as sink:
        for event in EVENTS:
            sink.emit(event)
            assert capsys.readouterr().out.count("\n") == (HOOK_OF[type(event)][0] == hook)


def test_the_example_of_a_notifier_says_who_is_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PluginSink(example("matekd_bench_study_finished", tmp_path), pytest.fail) as sink:
        for event in (EVENTS[0], EVENTS[-1]):
            sink.emit(event)
    assert re.search(r"\beda\b", capsys.readouterr().out)


def test_the_examples_of_offers_offer_what_they_say(tmp_path: Path) -> None:
    assert example("matekd_bench_suites", tmp_path).suite("pairs").record.tasks == ("mrpc", "qqp", "rte")
    found = example("matekd_bench_thesauri", tmp_path).thesauri["cinema"].record.load()
    assert found.synonyms("movie") == ("film", "picture")
    assert example("matekd_bench_presets", tmp_path).presets["glance"].record.settings["preset"] == "mini"
    task = example("matekd_bench_tasks", tmp_path).task("parity").record
    assert len(load_task(task, source_of(task, Hub())).dev[0]) == 20
    table = ExportTable("leaderboard", ("method", "score"), [{"method": "kd", "score": None}])
    written = example("matekd_bench_exporters", tmp_path).exporters["rst"].record.write(table).decode()
    assert written.endswith("   * - method\n     - score\n   * - kd\n     - \n")


def test_the_example_of_a_tracker_tracks(tmp_path: Path) -> None:
    host = example("matekd_bench_trackers", tmp_path)
    with PluginSink(host, pytest.fail) as sink:
        sink.start(host.trackers["log"], tmp_path / "results")
        for event in EVENTS:
            sink.emit(event)
    assert (tmp_path / "results" / "log.txt").read_text() == "kd rte 0 failed None\n"

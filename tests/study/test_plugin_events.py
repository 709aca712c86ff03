"""A real study calls the five event hooks, in order; a plugin that raises costs no run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.errors import StoppedError

PLUGIN = """
import json
from matekd_bench import Exporter, Preset, Synonyms, Thesaurus, Tracker, hookimpl

LOG = "told.jsonl"


def log(**event):
    with open(LOG, "a") as file:
        print(json.dumps(event, default=str), file=file)


class Keeper:
    @hookimpl
    def matekd_bench_study_started(self, study):
        log(event="study started", runs=len(study.runs), todo=len(study.todo), reference=study.reference,
            folder=study.results)

    @hookimpl
    def matekd_bench_run_started(self, run):
        log(event="run started", method=run.method, position=[run.position, run.total])

    @hookimpl
    def matekd_bench_evaluated(self, evaluation, run):
        log(
            event="evaluation done", method=run.method, evaluation=[evaluation.number, evaluation.total],
            at=[evaluation.spent, evaluation.limit], loss=evaluation.loss, score=evaluation.score,
        )  # fmt: skip

    @hookimpl
    def matekd_bench_run_finished(self, run, end):
        log(event="run finished", status=end.status, same=end.record["run_id"] == run.run_id, score=end.score,
            last=end.record["task_score"]["last"])

    @hookimpl
    def matekd_bench_study_finished(self, end):
        log(event="study finished", status=end.status, trained=end.trained, rows=end.rows)


@hookimpl
def matekd_bench_evaluated(evaluation):
    raise RuntimeError("never mind")


@hookimpl
def matekd_bench_trackers():
    yield Tracker(name="keeper", summary="Keeps what it is told.", start=lambda results: Keeper())


@hookimpl
def matekd_bench_presets():
    yield Preset(name="shorter", settings={"preset": "minilm", "training": {"evaluations": 1}})


@hookimpl
def matekd_bench_thesauri():
    yield Thesaurus(name="toys", summary="", load=lambda: Synonyms.of_groups("toys v1", "dog, cat"))


def names(table):
    assert table.kind in ("leaderboard", "runs")
    return ",".join(str(row["method"]) for row in table.rows).encode()


@hookimpl
def matekd_bench_exporters():
    yield Exporter(extension=".names", summary="The methods alone.", write=names)
    yield Exporter(extension=".absent", summary="", write=names, requires=("probe_absent",))
    yield Exporter(extension=".wrong", summary="", write=lambda table: 3)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a plugin that implements everything."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "everything.py").write_text(PLUGIN, encoding="utf-8")
    return tmp_path


def test_one_study_with_a_plugin_of_every_kind(
    folder: Path, study_options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = ("--plugin", "everything.py")
    methods = ("--methods", "eda[thesaurus=toys]", "--tasks", "sst2")
    assert main(["run", *study_options, *plugin, *methods, "--track", "keeper"]) == 0
    err = capsys.readouterr().err
    assert err.count("never mind") == 1
    assert f"warning: the file {folder / 'everything.py'} failed at 'matekd_bench_evaluated'" in err

    told = [json.loads(line) for line in (folder / "told.jsonl").read_text().splitlines()]
    run = ["run started", "evaluation done", "evaluation done", "run finished"]
    assert [event["event"] for event in told] == ["study started", *run, *run, "study finished"]
    assert told[0] == {
        "event": "study started", "runs": 2, "todo": 2, "reference": "kd", "folder": "results"
    }  # fmt: skip
    assert told[1] == {"event": "run started", "method": "kd", "position": [1, 2]}
    evaluations = [event for event in told if event["event"] == "evaluation done"]
    assert [(event["evaluation"], event["at"]) for event in evaluations] == 2 * [
        ([1, 2], [2, 4]),
        ([2, 2], [4, 4]),
    ]
    assert {event["method"] for event in evaluations} == {"kd", "eda[thesaurus=toys]"}
    assert all(event["loss"] > 0 for event in evaluations)
    ends = [event for event in told if event["event"] == "run finished"]
    assert all(event["same"] and event["score"] == event["last"] for event in ends)
    assert main(["export", "board.json"]) == 0
    rows = json.loads((folder / "board.json").read_text())
    assert told[-1] == {"event": "study finished", "status": "done", "trained": 2, "rows": rows}
    assert [row["method"] for row in rows] == ["teacher", "kd", "eda[thesaurus=toys]"]

    [record] = (folder / "results" / "runs").glob("sst2-eda*/record.json")
    resources = json.loads(record.read_text())["perturber"]["resources"]
    assert resources["thesaurus"].startswith("toys v1 (sha256 ")

    assert main(["export", "board.names", "runs.names", *plugin]) == 0
    assert (folder / "board.names").read_text().split(",")[-2:] == ["kd", "eda[thesaurus=toys]"]
    for file, message in (
        ("x.absent", "'probe_absent'"),
        ("x.wrong", "int"),
        ("x.nowhere", ".csv, .json, .md, .tex, .html, .png, .svg, .pdf, .absent, .names, .wrong."),
    ):
        assert main(["export", file, *plugin]) == 2
        assert message in capsys.readouterr().err


def test_a_preset_of_a_plugin_changes_the_one_below_it(
    folder: Path, study_options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*study_options, "--plugin", "everything.py", "--methods", "kd", "--tasks", "sst2"]
    (folder / "empty.toml").write_text("[teacher]\nbudget = { limit = 1 }\n")
    assert main(["run", *options, "--config", "empty.toml", "--preset", "shorter", "--dry-run"]) == 0
    assert "kd" in capsys.readouterr().out
    assert main(["run", *options, "--preset", "shortest", "--dry-run"]) == 2
    assert re.search("'shortest'.*'shorter'", capsys.readouterr().err)


def test_a_study_that_is_stopped_says_so(
    folder: Path, study_options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise StoppedError("", 2)

    monkeypatch.setattr("matekd_bench.study.execute.runner.train", stop)
    options = [*study_options, "--plugin", "everything.py", "--methods", "kd", "--tasks", "sst2"]
    assert main(["run", *options, "--track", "keeper"]) == 130
    told = [json.loads(line) for line in (folder / "told.jsonl").read_text().splitlines()]
    assert told[-1] == {"event": "study finished", "status": "stopped", "trained": 0, "rows": []}

"""A study whose models and data are on the Hub: fetched, trained, offline without a request, and after every fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from conftest import made_up
from families import make_family
from hub_server import HubServer, glue_files, model_files
from matekd_bench.cli import main
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.spec.presets import preset_table
from matekd_bench.tools.doctor.preset_models import checkpoints
from matekd_tasks import matekd_bench_tasks

TASKS = ("rte", "sst2", "stsb")
GLUE = {task.name: task for task in matekd_bench_tasks() if task.name in TASKS}
PRESETS = {"paper-bert": "bert", "paper-roberta": "roberta"}
SMALL = (
    *("--limit-train", "24", "--limit-eval", "8", "--seeds", "1", "--budget", "student_updates=2"),
    *("--device", "cpu", "--precision", "float32", "--threads", "1", "--quiet"),
)


def rows(task: str, count: int) -> Mapping[str, Sequence[object]]:
    """Made-up rows of a task, in the Hub's columns."""
    texts = [made_up(row) for row in range(count)]
    if task == "sst2":
        return {
            "sentence": [one for _, one, _ in texts],
            "label": [("negative", "positive")[row % 2] for row, *_ in texts],
        }
    labels: list[object] = [("entailment", "not_entailment")[row % 2] for row, *_ in texts]
    if task == "stsb":
        labels = [float(row % 6) for row, *_ in texts]
    return {
        "sentence1": [one for _, one, _ in texts],
        "sentence2": [two for *_, two in texts],
        "label": labels,
    }


@pytest.fixture
def served(hub: HubServer, tmp_path: Path) -> HubServer:
    """A Hub with the models of both presets of the paper, tiny and random, and three tasks."""
    for preset, family in PRESETS.items():
        folder = make_family(family, tmp_path / family)
        for id, revision in checkpoints(preset_table(preset)):
            hub.add("models", id, model_files(folder), commit=revision)
    splits = {task: {"train": rows(task, 30), "validation": rows(task, 10)} for task in TASKS}
    hub.add("datasets", "nyu-mll/glue", glue_files(splits), commit=GLUE["rte"].hub_revision)
    return hub


def study(preset: str, tasks: str = ",".join(TASKS)) -> tuple[str, ...]:
    return "--preset", preset, "--methods", "kd", "--tasks", tasks


@pytest.fixture
def tiny_budgets(tmp_path: Path) -> tuple[str, ...]:
    """A config file under which a teacher takes two updates."""
    file = tmp_path / "tiny.toml"
    file.write_text("[teacher]\nbudget = { limit = 2 }\n[training]\nevaluations = 1\n")
    return "--config", str(file)


@pytest.mark.parametrize("preset", ["paper-bert", pytest.param("paper-roberta", marks=pytest.mark.full)])
def test_a_preset_is_prepared_and_runs_then_without_a_request(
    preset: str, served: HubServer, tmp_path: Path, tiny_budgets: tuple[str, ...]
) -> None:
    results = ("--results", str(tmp_path / "results"))
    assert main(["prepare", *study(preset)]) == 0
    served.requests.clear()
    assert main(["run", *study(preset), *SMALL, *tiny_budgets, *results, "--offline"]) == 0
    assert served.requests == []
    records = ResultsStore(tmp_path / "results").records()
    assert {record.identity.task for record in records} == set(TASKS)
    for record in records:
        pins = (record.teacher.revision, record.student.revision, record.data.revision)
        table = preset_table(preset)
        assert pins == (table["teacher"]["revision"], table["student"]["revision"], GLUE["rte"].hub_revision)


REQUESTS = {"models": r" /(api/models/|(?!api/|datasets/)[^/]+/[^/]+/resolve/)", "data": " /(api/)?datasets/"}
FAULTS = {
    "token": (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "token"),
    "gated": (403, {"X-Error-Code": "GatedRepo"}, "Request access at"),
    "absent": (404, {"X-Error-Code": "RepoNotFound"}, "private"),
    "revision": (404, {"X-Error-Code": "RevisionNotFound"}, "revision"),
    "limit": (429, {}, "429"),
    "down": (502, {}, "502"),
}
RARE = [pytest.param(name, marks=[pytest.mark.full] * (name != "limit")) for name in FAULTS]


@pytest.mark.parametrize("command", ["prepare", "run"])
@pytest.mark.parametrize("fault", RARE)
@pytest.mark.parametrize("of", REQUESTS)
def test_after_a_fault_nothing_is_lost_and_the_next_command_continues(
    of: str, fault: str, command: str, served: HubServer, tmp_path: Path, tiny_budgets: tuple[str, ...],
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    training = (*SMALL, *tiny_budgets, "--results", str(tmp_path / "results"))
    asked = [command, *study("paper-bert", "rte"), *(training if command == "run" else ())]
    status, headers, named = FAULTS[fault]
    served.fail(REQUESTS[of], status, headers=headers)
    assert main(asked) == 2
    printed = capfd.readouterr()
    assert "Traceback" not in printed.err
    [error] = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert named in (error if command == "run" else printed.out)
    served.faults.clear()
    assert main(asked) == 0
    if command == "run":
        assert len(ResultsStore(tmp_path / "results").records()) == 1

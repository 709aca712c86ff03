"""What `--also` finds: sets, the tasks whose students answer them, and what it refuses before any training."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from event_recorder import EventRecorder
from matekd_bench.errors import BenchError
from matekd_bench.events import Message
from matekd_bench.plugins.host import Host
from matekd_bench.study.pipeline import run
from matekd_bench.study.plan.further_sets import rows_to_read
from matekd_bench.study.plan.grid import Grid, make_grid
from matekd_bench.study.plan.set_checks import check_sets_used, set_notes
from matekd_bench.study.spec.request import make_request
from matekd_bench.tasks.sources import load_task

CLAIMS = """
name = "claims"
kind = "classification"
texts = ["a", "b"]
label = "label"
labels = ["no", "yes"]
dev = "claims.csv"
label_map = { entailment = "yes", not_entailment = "no" }
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The built-in methods and tasks, a set of claims, and one without rows of a class."""
    folder = tmp_path_factory.mktemp("claims")
    (folder / "claims.toml").write_text(CLAIMS)
    (folder / "claims.csv").write_text("a,b,label\nthe man,a dog,yes\nthe cat,a tree,no\nthe bird,a car,no\n")
    (folder / "short.toml").write_text(CLAIMS.replace("claims", "short"))
    (folder / "short.csv").write_text("a,b,label\nthe man,a dog,yes\n")
    return Host.load([folder / "claims.toml", folder / "short.toml"], only_builtin=True)


@pytest.fixture(scope="module")
def ood(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of further sets, with a regenerated HANS."""
    folder = tmp_path_factory.mktemp("ood")
    (folder / "HANS").mkdir()
    rows = [
        "gold_label\tsentence1\tsentence2",
        "entailment\tthe man runs\ta man runs",
        "non-entailment\ta\tb",
    ]
    (folder / "HANS" / "hans_regenerated_noparse.tsv").write_text("\n".join([*rows, ""]))
    (folder / "AdvGLUE").mkdir()
    parts = {
        "rte": [{"idx": 0, "sentence1": "the man", "sentence2": "a dog", "label": 1}],
        "sst2": [{"idx": 0, "sentence": "a film", "label": 1}],
    }
    (folder / "AdvGLUE" / "dev.json").write_text(json.dumps(parts))
    return folder


@pytest.fixture
def grid(study_settings: dict[str, object], host: Host) -> Callable[..., Grid]:
    def make(
        also: str | None, tasks: str = "rte", sink: EventRecorder | None = None, **settings: object
    ) -> Grid:
        options = {**study_settings, "methods": "kd", "tasks": tasks, "also": also, **settings}
        spec = make_request(options, host).spec
        return make_grid(spec, torch.device("cpu"), host, sink or EventRecorder())

    return make


def test_sets_are_found_by_name_suite_and_perturbation(grid: Callable[..., Grid], ood: Path) -> None:
    also = "claims, advglue,RTE@AEDA,rte@eda[alpha=0.2|0.4],rte@aeda"
    found = grid(also, "rte,sst2", also_dir=ood)
    check_sets_used(found)  # an entry that another one contains is no error
    sets = {cell.data.task.name: [one.name for one in cell.sets] for cell in found.cells}
    perturbed = ["rte@aeda", "rte@eda[alpha=0.2]", "rte@eda[alpha=0.4]"]
    assert sets == {"rte": ["rte/claims", "rte/advglue-rte", *perturbed], "sst2": ["sst2/advglue-sst2"]}
    claims, advglue, *_ = found.cells[0].sets
    assert (claims.classes, claims.data.dev[0].labels, claims.data.state) == ((1, 0), (1, 0, 0), "own")
    assert (advglue.classes, advglue.data.source) == ((0, 1), "also-dir")
    rte = found.data["rte"]
    assert rte.state_text == "partial (train 64 of 2490, dev 40 of 277)"
    assert (
        found.cells[0].sets[2].data.state_text == "partial (dev 40 of 277)"
    )  # its training rows do not matter


def test_a_task_with_training_rows_can_be_a_set_for_others(grid: Callable[..., Grid], host: Host) -> None:
    assert host.task("mini-qnli").record.labels == host.task("rte").record.labels
    [cell] = grid("mini-qnli").cells
    assert [one.name for one in cell.sets] == ["rte/mini-qnli"]
    assert cell.sets[0].data.train is None


def test_sets_are_in_no_identity(grid: Callable[..., Grid]) -> None:
    plain, with_sets = grid(None), grid("claims,rte@aeda")
    assert plain.cells[0].sets == ()
    assert (plain.cells[0].run_id, plain.cells[0].protocol_id) == (
        with_sets.cells[0].run_id,
        with_sets.cells[0].protocol_id,
    )
    assert "also" not in plain.spec.model_dump()


def test_a_limit_of_dev_holds_for_sets(grid: Callable[..., Grid]) -> None:
    [cell] = grid("claims", limit_eval=2).cells
    assert cell.sets[0].data.state_text == "own (dev 2 of 3)"


def test_a_part_of_a_study_leaves_out_sets_of_other_tasks(grid: Callable[..., Grid]) -> None:
    assert grid("rte@aeda", "sst2").cells[0].sets == ()


def test_a_regenerated_set_is_evaluated_under_its_own_name(
    grid: Callable[..., Grid], ood: Path, tmp_path: Path, small_glue: Path
) -> None:
    glue = tmp_path / "glue"
    (glue / "MNLI").mkdir(parents=True)
    for file in ("train", "dev_matched"):
        rows = [f"{label}\tthe man\ta dog {row}" for row, label in enumerate(LABELS * 4)]
        (glue / "MNLI" / f"{file}.tsv").write_text("\n".join(["gold_label\tsentence1\tsentence2", *rows, ""]))
    sink = EventRecorder()
    [cell] = grid("hans", "mnli", sink, also_dir=ood, glue_dir=glue).cells
    [hans] = cell.sets
    assert (hans.name, hans.classes, hans.data.dev[0].labels) == ("mnli/hans-regenerated", (0, 1, 1), (0, 1))
    assert ["hans-regenerated" in event.text for event in sink.all(Message) if event.kind == "note"] == [True]


def checked(grid: Grid) -> list[str]:
    """Make both checks and return the notes for the user."""
    check_sets_used(grid)
    return set_notes(grid)


LABELS = ("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(
    ("also", "named"),
    [
        ("hanss", ("hanss", "hans")),
        ("hans", ("hans", "'mnli'")),
        ("mnli@aeda", ("mnli", "rte")),
        ("rte@edaa", ("edaa", "eda")),
        ("rte@eda[alpha=2]", ("alpha", "2")),
        ("rte@random-mask", ("random-mask", "text")),
        ("rte@aeda@2x", ("aeda",)),
        ("rte@nlpaug:synonym", ("synonym",)),
        ("rte@from-file[path=gone.jsonl]", ("gone.jsonl",)),
        ("rte", ("rte", "own dev")),
        ("advglue-rte", ("advglue-rte", "dev.json", "AdvGLUE")),
    ],
)
def test_what_is_refused_before_training(
    grid: Callable[..., Grid], also: str, named: tuple[str, ...], tmp_path: Path
) -> None:
    empty = {"also_dir": tmp_path} if also == "advglue-rte" else {}
    (tmp_path / "AdvGLUE").mkdir()
    with pytest.raises(BenchError) as refused:
        checked(grid(also, **empty))
    assert [name for name in named if name not in str(refused.value)] == [], refused.value
    assert "\n" not in str(refused.value)


def test_a_shard_may_lack_the_tasks_of_a_set_and_even_runs(
    study_settings: dict[str, object], host: Host, tmp_path: Path
) -> None:
    noted = []
    for shard in ("1/3", "2/3", "3/3"):  # of two runs
        settings = {
            "methods": "kd",
            "tasks": "rte,sst2",
            "also": "claims",
            "shard": shard,
            "results": tmp_path,
        }
        sink = EventRecorder()
        summary = run(make_request({**study_settings, **settings}, host), host, sink, dry_run=True)
        assert summary.plan is not None
        tasks = [planned.task for planned in summary.plan.study.runs]
        noted.append((tasks, any("rte/claims" in message.text for message in sink.all(Message))))
    assert sorted(noted) == [([], False), (["rte"], True), (["sst2"], False)]


@pytest.mark.parametrize(
    ("name", "task", "named"),
    [
        ("paws", "qqp", r"PAWS-QQP/dev_and_test\.tsv \(.*google-research-datasets/paws\)"),
        ("hans", "mnli", r"HANS/heuristics_evaluation_set\.txt \(.*tommccoy1/hans\)"),
    ],
)
def test_a_set_that_is_nowhere_is_refused_with_the_file_its_home_and_the_place_to_put_it(
    name: str, task: str, named: str, grid: Callable[..., Grid], host: Host, tmp_path: Path
) -> None:
    spec = grid("claims").spec.model_copy(update={"glue_dir": None})
    answered_by = [host.task(task).record]
    with pytest.raises(BenchError, match=f"{named}.*--also-dir DIR"):
        list(rows_to_read(name, spec, host, answered_by))
    [(rows, source, _)] = rows_to_read(
        name, spec.model_copy(update={"also_dir": tmp_path}), host, answered_by
    )
    with pytest.raises(BenchError, match=named):
        load_task(rows, source)


def test_the_user_is_told_what_students_are_scored_on(grid: Callable[..., Grid]) -> None:
    notes = set_notes(grid("claims,rte@aeda"))
    assert [("rte/claims: 3 rows" in notes[0]), ("rte@aeda: 40 rows" in notes[1])] == [True, True]


def test_the_notices_of_a_sets_data_are_shown_before_training(grid: Callable[..., Grid]) -> None:
    [_, notice] = set_notes(grid("short"))
    assert re.search(r"rte/short: .*dev.*\bno\b", notice)


def test_a_method_checks_the_rows_that_it_will_perturb(grid: Callable[..., Grid], tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text(json.dumps({"text": "the man runs", "perturbed": "a man runs"}) + "\n")
    with pytest.raises(BenchError, match=r"rte@from-file.*texts\.jsonl"):
        set_notes(grid(f"rte@from-file[path={file}]"))

"""What `prepare` finds, fetches and cannot have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets.config
import pytest

from hub_server import HubServer, glue_files, model_files
from matekd_bench.plugins.host import Host
from matekd_bench.tasks.sources import Hub
from matekd_bench.tools import prepare as prepare_module
from matekd_bench.tools.prepare import Requirement, prepare

HOST = Host.load(only_builtin=True)
Prepare = Callable[..., list[Requirement]]


@pytest.fixture
def prepared(small_glue: Path, tiny_checkpoint: Path) -> Prepare:
    """Prepares a small study, changed as asked; gives its parts."""

    def run(**changes: object) -> list[Requirement]:
        options = {
            "preset": "minilm", "glue_dir": small_glue, "teacher": str(tiny_checkpoint), "student": "layers:2",
            "generator": "layers:2", "tasks": "rte,sst2", "methods": "kd", "reference": "none",
        }  # fmt: skip
        return list(prepare({**options, **changes}, HOST, lambda text: None))

    return run


def test_a_generator_and_a_thesaurus_belong_to_methods_that_need_them(
    prepared: Prepare, other_vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_module, "find_wordnet", lambda: Path("/somewhere/wordnet"))
    generator = str(other_vocabulary)
    assert [part.kind for part in prepared(generator=generator, tasks="rte")] == ["model", "data"]
    with_generator = prepared(generator=generator, tasks="rte", methods="matekd")
    assert [part.name for part in with_generator if part.kind == "model"][1:] == [generator]
    thesaurus = prepared(tasks="rte", methods="eda")[-1]
    assert (thesaurus.state, thesaurus.text) == ("there", "/somewhere/wordnet")
    every = prepared(generator=generator, tasks="rte", methods=None)
    assert [part.kind for part in every] == ["model", "model", "data", "thesaurus"]


def test_a_file_of_teacher_answers_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    states = []
    for line in (None, "no json", '{"id": "1", "answer": 1}'):
        if line is not None:
            file.write_text(line + "\n")
        options = {"tasks": "rte", "methods": "kd", "reference": "none", "teacher_answers": file}
        [part] = [one for one in prepare(options, HOST, lambda text: None) if one.kind == "answers"]
        states.append((part.state, str(file) in part.text or file.name in part.text))
    assert states == [("missing", True), ("missing", True), ("there", True)]


def test_the_reference_of_a_config_file_is_prepared_for(
    prepared: Prepare, other_vocabulary: Path, tmp_path: Path
) -> None:
    file = tmp_path / "study.toml"
    file.write_text('methods = "kd"\nreference = "matekd"\n')
    parts = prepared(generator=str(other_vocabulary), tasks="rte", methods=None, reference=None, config=file)
    assert str(other_vocabulary) in [part.name for part in parts]


def test_a_teacher_for_each_task_is_found_for_each(
    prepared: Prepare, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    for task in ("rte", "sst2"):
        (tmp_path / task).symlink_to(tiny_checkpoint)
    parts = prepared(teacher=str(tmp_path / "{task}"))
    assert [part.name for part in parts[:2]] == [str(tmp_path / "rte"), str(tmp_path / "sst2")]


def test_without_tasks_it_is_the_whole_suite(prepared: Prepare) -> None:
    parts = [part for part in prepared(tasks=None) if part.kind == "data"]
    assert [part.name for part in parts] == list(HOST.suite("glue").record.tasks)
    [cola] = [part for part in parts if part.name == "cola"]
    assert (cola.state, cola.needed) == ("missing", True)
    assert "no folder 'CoLA' (cola)" in cola.text


def test_a_config_file_names_the_study(prepared: Prepare, tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    config.write_text('methods = "kd"\ntasks = "stsb"\n')
    parts = prepared(config=config, methods=None, tasks=None)
    assert [part.name for part in parts if part.kind == "data"] == ["stsb"]


def test_what_has_to_be_fetched_is_announced(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(prepare_module, "find_local_folder", lambda reference, revision: None)
    part = prepare_module.prepare_model(str(tiny_checkpoint), None, said.append)
    assert (part.state, said) == ("fetched", [f"fetching {tiny_checkpoint}"])


def test_data_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "data"
    home.mkdir()
    for split, rows in (("train", 5), ("validation", 3)):
        lines = [
            f"first {row},second {row},{('entailment', 'not_entailment')[row % 2]}" for row in range(rows)
        ]
        (home / f"{split}.csv").write_text("\n".join(["sentence1,sentence2,label", *lines]) + "\n")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    task = replace(HOST.task("rte").record, hub_id=str(home), hub_config=None, hub_revision=None)
    part = prepare_module.prepare_data(task, Hub(cache=tmp_path / "cache"), lambda text: None)
    assert part.state == "fetched"
    assert part.text.startswith("5 training and 3 dev rows, partial")


def test_damaged_models_and_data_are_fetched_again_or_named(
    hub: HubServer, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    hub.add("models", "some/model", model_files(tiny_checkpoint))
    rows = {"sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": ["entailment", "not_entailment"]}
    splits = {"train": rows, "validation": rows}
    task = HOST.task("rte").record
    hub.add("datasets", str(task.hub_id), glue_files({"rte": splits}), commit=task.hub_revision)
    said: list[str] = []

    def states() -> list[str]:
        said.clear()
        model = prepare_module.prepare_model("some/model", None, said.append)
        return [model.state, prepare_module.prepare_data(task, Hub(), said.append).state]

    assert (states(), states()) == (["fetched", "fetched"], ["there", "there"])
    blobs = (path.resolve() for path in (tmp_path / "hf").rglob("snapshots/*/*.safetensors"))
    damaged = [*blobs, *(tmp_path / "hf" / "datasets").rglob("*-validation.arrow")]
    assert len(damaged) == 2
    for file in damaged:
        file.write_bytes(file.read_bytes()[:-100])
    hub.fail("safetensors|parquet", 503)
    assert states() == ["missing", "missing"]
    hub.faults.clear()
    assert states() == ["fetched", "fetched"]
    assert [text for text in said if "again" in text] == [text for text in said if "damaged" in text] != []
    assert states() == ["there", "there"]


@pytest.mark.parametrize(("works", "state"), [(True, "fetched"), (False, "missing")])
def test_wordnet_is_fetched_where_the_network_allows(
    works: bool, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = iter([None, tmp_path])
    monkeypatch.setattr(prepare_module, "find_wordnet", lambda: next(places))
    monkeypatch.setattr(prepare_module, "hub_answers", lambda: True)

    def download(name: str, **options: object) -> bool:
        assert (name, options) == ("wordnet", {"quiet": True, "raise_on_error": True})
        if not works:
            raise ValueError("Error loading wordnet")
        return True

    monkeypatch.setattr("nltk.download", download)
    part = prepare_module.prepare_thesaurus(lambda text: None)
    assert (part.state, part.needed) == (state, works)


def test_a_resource_that_a_method_names_must_be_there(prepared: Prepare, tmp_path: Path) -> None:
    file = tmp_path / "synonyms.txt"
    methods = f"eda[thesaurus={file}]"
    lacking = prepared(tasks="rte", methods=methods)[-1]
    assert (lacking.kind, lacking.name, lacking.state, lacking.needed) == ("method", methods, "missing", True)
    assert str(file) in lacking.text
    file.write_text("big,large\n")
    assert [part.kind for part in prepared(tasks="rte", methods=methods)] == ["model", "data", "thesaurus"]


def test_mini_glue_needs_nothing_of_the_network() -> None:
    parts = prepare({"preset": "mini", "tasks": "rte"}, HOST, lambda text: None)
    assert [(part.kind, part.state) for part in parts] == [("model", "there"), ("data", "there")]

"""Studies with a teacher's answers from a file: what is refused before training, what is said, and what is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from matekd_bench.cli import main
from matekd_bench.errors import DataError, PluginError, UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.answer_checks import answer_notes, check_answerable
from matekd_bench.study.plan.grid import Grid, make_grid
from matekd_bench.study.plan.identity import models_identity
from matekd_bench.study.plan.preflight import check_methods, row_notes
from matekd_bench.study.spec.request import make_request

HOST = Host.load(only_builtin=True)
FITTING = ("finetune", "vat", "r3f", "freelb", "smart", "cutoff[kind=feature]")
ASKING = (
    *(
        "eda",
        "aeda",
        "random-mask",
        "random-token",
        "mixup",
        "cutoff",
        "matekd",
        "frozen-generator",
        "tinybert-aug",
    ),
    *("worst-of-n[eda]", "nlpaug:swap"),
)


def write(file: Path, *lines: object) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


@pytest.fixture
def grid(study_settings: dict[str, object]) -> Callable[..., Grid]:
    def make(file: Path, methods: str = "kd", **settings: object) -> Grid:
        options = {**study_settings, "methods": methods, "tasks": "rte", "reference": "none", **settings}
        request = make_request({**options, "teacher_answers": file}, HOST)
        return make_grid(request.spec, torch.device("cpu"), HOST)

    return make


def test_methods_that_never_ask_about_new_input_are_accepted(
    rte_answers: Callable[..., Path], grid: Callable[..., Grid]
) -> None:
    check_methods(grid(rte_answers(), ",".join(("kd", *FITTING))).cells)


@pytest.mark.parametrize("method", ASKING)
def test_methods_that_ask_about_new_input_are_refused(
    method: str, rte_answers: Callable[..., Path], grid: Callable[..., Grid]
) -> None:
    with pytest.raises(UsageError, match=r"a\.jsonl.*--teacher"):
        check_answerable(grid(rte_answers(), method).cells[0])


def test_texts_of_a_file_are_asked_about_if_they_are_answered_too(
    rte_rows: list[dict[str, str]],
    rte_answers: Callable[..., Path],
    grid: Callable[..., Grid],
    tmp_path: Path,
) -> None:
    """Every combination of the versions of both segments has to be there."""
    train = [row for row in rte_rows if row["split"] == "train"]
    texts = list(dict.fromkeys(row[name] for row in train for name in ("sentence1", "sentence2")))
    perturbed = write(tmp_path / "p.jsonl", *({"text": text, "perturbed": text.upper()} for text in texts))
    method = f"from-file[path={perturbed}]"
    loud = [{name: row[name].upper() for name in ("sentence1", "sentence2")} for row in train]
    said = [{**row, "probabilities": {"entailment": 0.5, "not_entailment": 0.5}} for row in loud]
    notes = row_notes(grid(rte_answers(None, *said), method).cells)
    assert any(f"{method} on rte: all 64 perturbed rows" in note for note in notes)
    with pytest.raises(DataError, match=rf"{loud[0]['sentence2'][:10]}") as caught:
        row_notes(grid(rte_answers(None, *said[1:]), method).cells)
    assert "'rte'" in str(caught.value)


def test_rows_to_answer_include_the_perturbed_ones(
    rte_rows: list[dict[str, str]], small_glue: Path, tmp_path: Path
) -> None:
    texts = dict.fromkeys(row["sentence1"] for row in rte_rows)
    perturbed = write(tmp_path / "p.jsonl", *({"text": text, "perturbed": ["one", "two"]} for text in texts))
    method = f"from-file[path={perturbed},missing=keep,segments=first]"
    options = ("--glue-dir", str(small_glue), "--limit-train", "1", "--methods", method)
    assert main(["tasks", "rows", "rte", *options, "--out", str(tmp_path / "rows.jsonl")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    [first] = [line for line in lines if line.get("split") == "train"]
    assert lines[-2:] == [{"sentence1": word, "sentence2": first["sentence2"]} for word in ("one", "two")]


def test_answers_of_a_plugin_are_rows_of_texts(
    rte_answers: Callable[..., Path], grid: Callable[..., Grid]
) -> None:
    cell = grid(rte_answers(), "eda").cells[0]
    for versions in (["text"], 5):
        method = replace(cell.job.method, perturbed_rows=lambda params, rows, versions=versions: versions)
        with pytest.raises(PluginError, match=r"eda|<lambda>"):
            answer_notes([replace(cell, job=replace(cell.job, method=method))])


def test_the_digest_of_the_file_takes_the_place_of_the_teachers(
    rte_answers: Callable[..., Path], grid: Callable[..., Grid], rte_rows: list[dict[str, str]]
) -> None:
    first = grid(rte_answers())
    assert models_identity(first.cells[0].recipe)["teacher"] == first.cells[0].recipe.answers.sha256
    assert models_identity(first.cells[0].recipe)["teacher_recipe"] is None
    again, other = grid(rte_answers()), grid(rte_answers(note="asked again"))
    ids = [(made.cells[0].run_id, made.cells[0].protocol_id) for made in (first, again, other)]
    assert ids[0] == ids[1]
    assert {*ids[0]}.isdisjoint(ids[2])


def test_answers_and_a_teacher_are_one_too_many(
    rte_answers: Callable[..., Path], grid: Callable[..., Grid], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    file = rte_answers()
    with pytest.raises(UsageError, match=r"--teacher-answers.*--teacher"):
        grid(file, student=str(tiny_checkpoint))
    with pytest.raises(UsageError, match=r"--teacher-answers.*start"):
        grid(file, student={"checkpoint": "layers:2", "start": "teacher"})
    config = tmp_path / "answers.toml"
    config.write_text(f'teacher_answers = "{file}"\n')
    named = {"methods": "kd", "tasks": "rte", "config": config}
    assert make_request(named, HOST).spec.teacher_answers == file
    later = make_request({**named, "teacher": str(tiny_checkpoint)}, HOST).spec
    assert later.teacher_answers is None

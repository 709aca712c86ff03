"""Students leave their results folder: files, model card, ONNX in onnxruntime alone, and what they cost in use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from matekd_bench import Results, load_results
from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record

ONNX_ALONE = """
import json, sys
sys.modules["matekd_bench"] = sys.modules["torch"] = None  # importing them fails
import numpy, onnxruntime
from transformers import AutoTokenizer
folder, file = sys.argv[1:]
session = onnxruntime.InferenceSession(folder + "/model.onnx")
tokenizer = AutoTokenizer.from_pretrained(folder)
texts = json.load(open(file))
inputs = tokenizer(*map(list, zip(*texts)), truncation=True, padding=True, return_tensors="np")
logits = session.run(["logits"], {taken.name: inputs[taken.name] for taken in session.get_inputs()})[0]
print(json.dumps(logits.tolist()))
"""


@pytest.fixture(scope="module")
def folder(study_options: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a student of a classification and one of a regression."""
    folder = tmp_path_factory.mktemp("students")
    command = ("run", *study_options, "--methods", "kd", "--reference", "none", "--tasks", "rte,stsb")
    assert main([*command, "--results", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return load_results(folder)


@pytest.fixture(scope="module", params=["rte", pytest.param("stsb", marks=pytest.mark.full)])
def deployed(
    request: pytest.FixtureRequest, folder: Path, small_glue: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a student with its ONNX model, named after the task."""
    to = tmp_path_factory.mktemp("deployed") / request.param
    command = ["student", f"{request.param}-kd-0", "--to", str(to), "--onnx"]
    assert main([*command, "--glue-dir", str(small_glue), "--results", str(folder)]) == 0
    return to


@pytest.fixture
def one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure each model once: the times are not looked at."""
    monkeypatch.setattr("matekd_bench.tools.deployment.serving_costs.ROUNDS", 1)


def run_of(results: Results, deployed: Path) -> Record:
    return results.find(f"{deployed.name}-kd-0")


def recorded(results: Results, run: Record, glue: Path) -> tuple[list[tuple[str, str]], Any]:
    """The texts of the dev set and the logits that the run recorded for them."""
    frame = results.predictions(run.run_id, glue_dir=glue)
    columns = [name for name in frame.columns if name.startswith("logit_")] or ["prediction"]
    texts = list(zip(frame["sentence1"], frame["sentence2"], strict=True))
    return texts, frame[columns].to_numpy(dtype=np.float32)


def test_onnxruntime_alone_answers_as_recorded(
    deployed: Path, results: Results, small_glue: Path, tmp_path: Path
) -> None:
    texts, logits = recorded(results, run_of(results, deployed), small_glue)
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    command = [sys.executable, "-W", "ignore", "-c", ONNX_ALONE, str(deployed), str(tmp_path / "texts.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), logits, rtol=0, atol=1e-4)


def test_the_weights_are_the_kept_ones_and_the_graph_names_no_file(
    deployed: Path, folder: Path, results: Results
) -> None:
    kept = load_file(folder / "students" / run_of(results, deployed).run_id / "model.safetensors")
    written = load_file(deployed / "model.safetensors")
    assert all(np.array_equal(kept[name], written[name]) for name in kept.keys() | written.keys())
    graph = (deployed / "model.onnx").read_bytes()
    assert b"site-packages" not in graph
    assert b".py" not in graph


def test_the_model_card_has_the_scores_in_the_hubs_format(deployed: Path, results: Results) -> None:
    from huggingface_hub import ModelCard

    run = run_of(results, deployed)
    found = ModelCard.load(deployed / "README.md").data.eval_results
    values = [item.value for item in run.scores if item.selection == "last"]
    assert [result.metric_value for result in found] == values
    assert {result.dataset_type for result in found} == {"nyu-mll/glue"}
    assert {result.dataset_split for result in found} == {"validation"}


def test_the_model_card_says_where_the_student_comes_from(deployed: Path, results: Results) -> None:
    run = run_of(results, deployed)
    _, front, text = (deployed / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["datasets"] == ["nyu-mll/glue"]
    assert "base_model" not in yaml.safe_load(front)  # a folder of this machine is none
    named = (
        run.run_id,
        run.identity.variant,
        run.teacher.sha256,
        run.provenance.command,
        run.data.state_text,
    )
    assert [name for name in named if name not in text] == []
    assert [version for version in run.env.values() if version not in text] == []
    assert "95 % interval" in text


def test_other_answers_than_the_recorded_ones_are_refused(
    deployed: Path,
    folder: Path,
    small_glue: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from matekd_bench.tools.deployment import student_folder

    def copy_export(student: object, texts: object, file: Path) -> None:
        shutil.copy(deployed / "model.onnx", file)  # the same export, which takes seconds

    exact = student_folder.onnx_logits
    monkeypatch.setattr(student_folder, "export_onnx", copy_export)
    monkeypatch.setattr(student_folder, "onnx_logits", lambda *given: exact(*given) + 1e-3)
    options = ("--results", folder, "--glue-dir", small_glue, "--onnx")
    run = f"{deployed.name}-kd-0"
    refused("student", run, "--to", tmp_path / "new", *options, named=(run, "0.001"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("one_round")
def test_costs_are_of_teacher_and_students(
    folder: Path, results: Results, small_glue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--cost", "--results", str(folder), "--glue-dir", str(small_glue), "--device", "cpu"]
    capsys.readouterr()
    assert main(["student", "rte-kd-0", "stsb-kd-0", *options, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["task"], row["role"]) for row in rows] == [
        ("rte", "teacher"), ("rte", "student"), ("stsb", "teacher"), ("stsb", "student"),
    ]  # fmt: skip
    students = [row for row in rows if row["role"] == "student"]
    for row, run in zip(students, (results.find("rte-kd-0"), results.find("stsb-kd-0")), strict=True):
        assert row["parameters"] == run.student.parameters
        assert row["megabytes"] == pytest.approx(run.student.parameters * 4e-6)
    assert all(set(row["milliseconds"]) == {"1", "32"} for row in rows)
    assert main(["student", "rte-kd-0", *options]) == 0
    assert str(students[0]["parameters"]) in capsys.readouterr().out


@pytest.mark.usefixtures("one_round")
def test_a_teacher_whose_answers_come_from_a_file_has_no_costs(
    folder: Path, small_glue: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "results")
    [path] = (tmp_path / "results").glob("runs/rte-kd-0*/record.json")
    record = json.loads(path.read_text())
    record["teacher"]["answers"] = True
    path.write_text(json.dumps(record))
    frame = load_results(tmp_path / "results").serving_costs("rte-kd-0", glue_dir=small_glue, device="cpu")
    assert frame["role"].tolist() == ["student"]


@pytest.mark.usefixtures("one_round")
def test_the_onnx_model_of_a_written_student_has_costs_of_its_own(
    folder: Path,
    results: Results,
    deployed: Path,
    small_glue: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = run_of(results, deployed)
    assert results.find(deployed).run_id == run.run_id
    options = ["--cost", "--results", str(folder), "--glue-dir", str(small_glue), "--device", "cpu"]
    capsys.readouterr()
    assert main(["student", str(deployed), *options, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["role"], row["runtime"], row["device"]) for row in rows] == [
        ("teacher", "torch", "cpu"), ("student", "torch", "cpu"), ("student", "onnxruntime", "cpu"),
    ]  # fmt: skip
    assert rows[1]["parameters"] == rows[2]["parameters"]
    assert set(rows[2]["milliseconds"]) == {"1", "32"}
    frame = results.serving_costs(deployed, glue_dir=small_glue, device="cpu")
    assert frame["runtime"].tolist() == ["torch", "torch", "onnxruntime"]
    assert (frame["milliseconds_32"] > 0).all()
    assert results.serving_costs(run.run_id, glue_dir=small_glue)["runtime"].tolist() == ["torch", "torch"]


@pytest.mark.usefixtures("one_round")
def test_the_folder_that_the_same_command_writes_is_measured(
    folder: Path, small_glue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "student",
        "rte-kd-0",
        "--to",
        str(tmp_path / "new"),
        "--onnx",
        "--cost",
        "--results",
        str(folder),
    ]
    assert main([*command, "--glue-dir", str(small_glue), "--device", "cpu"]) == 0
    assert "onnxruntime" in capsys.readouterr().out


def test_onnx_models_that_cannot_be_measured_are_refused(
    folder: Path, deployed: Path, small_glue: Path, tmp_path: Path, refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from matekd_bench.distill.artifacts import onnx_model

    options = ("--cost", "--results", folder, "--glue-dir", small_glue, "--device", "cpu")
    copy = tmp_path / "copy"
    shutil.copytree(deployed, copy)
    card = json.loads((copy / "student.json").read_text())
    (copy / "student.json").write_text(json.dumps(card | {"sha256": "0" * 64}))
    refused("student", copy, *options, named=str(copy))
    (copy / "student.json").write_text(json.dumps(card))
    (copy / "model.onnx").write_bytes(b"no model")
    refused("student", copy, *options, named="onnxruntime")
    (copy / "student.json").write_text("[")
    refused("student", copy, *options, named="student.json")
    monkeypatch.setattr(onnx_model, "find_spec", lambda name: None)
    refused("student", deployed, *options, named=("onnxruntime", "matekd-bench[onnx]"))


@pytest.mark.usefixtures("one_round")
def test_runs_that_share_a_teacher_have_one_row_of_it(
    folder: Path, small_glue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--results", str(folder), "--glue-dir", str(small_glue), "--device", "cpu", "--json"]
    capsys.readouterr()
    assert main(["student", "rte-kd-0", "rte-kd-0", "--cost", *options]) == 0
    assert [row["role"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["teacher", "student"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["rte-kd-0"], ("--to", "--cost")),
        (["rte-kd-0", "--cost", "--onnx"], "--onnx"),
        (["rte-kd-0", "--to", "new", "--json"], "--json"),
        (["rte-kd-0", "--to", "new", "--teacher", "m"], "--teacher"),
        (["rte-kd-0", "stsb-kd-0", "--to", "new"], "stsb-kd-0"),
        (["rte-kd-9", "--to", "new"], "rte-kd-9"),
        (["rte-kd-0", "--to", "."], "'.'"),
        (["rte-kd-0", "--to", "new", "--onnx"], "--glue-dir"),
        (["rte-kd-0", "--cost"], "--glue-dir"),
        (["rte-kd-0", "--cost", "--teacher", "./none", "--glue-dir", "GLUE"], ("rte-kd-0", "./none")),
        (["rte-kd-0", "--cost", "--device", "tpu9", "--glue-dir", "GLUE"], "tpu9"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    given: list[str],
    named: Any,
    folder: Path,
    small_glue: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(small_glue) if word == "GLUE" else word for word in given]
    refused("student", *words, "--results", folder, named=named)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named_with_its_command(
    folder: Path, tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from matekd_bench.distill.artifacts import onnx_model

    monkeypatch.setattr(onnx_model, "find_spec", lambda name: None if name == "onnxscript" else name)
    refused(
        "student", "rte-kd-0", "--to", tmp_path / "new", "--onnx", "--results", folder,
        named=("onnxscript", "matekd-bench[onnx]"),
    )  # fmt: skip


def test_a_student_that_was_not_kept_is_refused(
    folder: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    copy = tmp_path / "results"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "students")
    for option in (("--to", tmp_path / "new"), ("--cost",)):
        refused("student", "rte-kd-0", *option, "--results", copy, named=("rte-kd-0", "--keep last"))


def test_run_ids_are_completed(folder: Path) -> None:
    from types import SimpleNamespace

    from matekd_bench.cli import completion

    typed: Any = SimpleNamespace(params={"results": [folder]})
    assert [name.rpartition("-")[0] for name, _ in completion.runs(typed, "rte")] == ["rte-kd-0"]

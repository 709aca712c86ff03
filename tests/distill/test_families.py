"""The table of families in docs/models.md is what tiny random checkpoints of each family do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bindings import ROOT
from families import FAMILIES, make_family
from matekd_bench.distill.artifacts import model_checks
from matekd_bench.distill.artifacts.model_checks import ModelCheck, ModelFacts, Role
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.errors import CheckpointError
from matekd_bench.events import Sink
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study import pipeline
from matekd_bench.study.spec.request import make_request
from rig import toy_data

ALWAYS = ("albert", "gpt2", "modernbert", "qwen3", "t5", "xlnet")  # one of each kind, on every push
# What a refusal says, and the word for it in the table.
REASONS = (
    ("gives a row different outputs when a longer row is in the batch", "no: padding"),
    ("can't tell which part", "no: layers"),
    ("can't be loaded as AutoModelForMaskedLM", "no: head"),
)


def families() -> list[object]:
    return [
        name if name in ALWAYS else pytest.param(name, marks=pytest.mark.full) for name in sorted(FAMILIES)
    ]


def documented(family: str) -> list[str]:
    """The row of a family in the documentation."""
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    match = re.search(rf"^\| {family} \|(.*)\|$", text, re.MULTILINE)
    return [cell.strip() for cell in match.group(1).split("|")] if match else []


def answer(role: Role, source: ModelSource, encoder: Encoder) -> tuple[str, ModelFacts | None]:
    """The table's word for how a check ends; a refusal for another reason than those of the table fails."""
    try:
        return "yes", ModelCheck(role, source, encoder, toy_data("pairs")).facts()
    except CheckpointError as error:
        [line] = str(error).splitlines()
        [word] = {word for text, word in REASONS if text in line}
        return word, None


@pytest.mark.parametrize("family", families())
def test_the_documented_row_is_what_the_family_does(
    family: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_checks, "_known", {})
    checkpoint = describe(make_family(family, tmp_path / family), id=family)
    source, encoder = ModelSource(checkpoint), Encoder(checkpoint, 64)
    student, facts = answer("student", source, encoder)
    row = [
        answer("teacher", source, encoder)[0],
        student,
        answer("generator", source, encoder)[0],
        answer("student", ModelSource(checkpoint, (0, 2)), encoder)[0],
        "-" if facts is None else "yes" if facts.no_embeddings is None else "no",
    ]
    assert documented(family) == row


@pytest.mark.parametrize("family", families())
def test_a_family_trains_or_is_refused_before_training(
    family: str, tmp_path: Path, cache: Path, small_glue: Path, tiny_config: Path
) -> None:
    """As teacher of itself and of some of its layers, under methods for texts and for embeddings."""
    folder, host = str(make_family(family, tmp_path / family)), Host.load(only_builtin=True)
    teacher, student, _, layers, embeddings = documented(family)
    assert (teacher == "yes") == (student == "yes")  # else a case is missing here
    for methods, source, trains in (
        ("freelb", folder, embeddings == "yes"),
        ("eda", folder, student == "yes"),
        ("kd", "layers:0,2", student == layers == "yes"),
    ):
        results = tmp_path / f"results-{methods}"
        settings = {
            "config": tiny_config, "glue_dir": small_glue, "teacher": folder, "student": source, "methods": methods,
            "reference": "none", "tasks": "rte", "seeds": 1, "budget": "student_updates=2", "results": results,
            "device": "cpu", "precision": "float32", "threads": 1, "jobs": 1,
        }  # fmt: skip
        request, store = make_request(settings, host), ResultsStore(results)
        if not trains:
            with pytest.raises(CheckpointError):
                pipeline.run(request, host, Sink())
            assert not store.run_ids()
            assert methods == "kd" or not (cache / "teachers").exists()
            continue
        pipeline.run(request, host, Sink())
        [run_id] = store.run_ids()
        record = store.read(run_id)
        assert record.status in ("ok", "collapsed"), record.reason
        assert (results / "students" / run_id / "model.safetensors").is_file()

"""What the models are asked before anything is trained, and what each answer leads to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from families import make_family
from matekd_bench.distill.artifacts import model_checks
from matekd_bench.distill.artifacts.model_checks import ModelCheck, ModelFacts, Role
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.errors import CheckpointError
from rig import toy_data

Check = Callable[..., ModelCheck]


@pytest.fixture
def check(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """A maker of checks of a family's checkpoint, or of one in a folder, that passed nowhere before."""
    monkeypatch.setattr(model_checks, "_known", {})

    def make(
        family: str,
        role: Role = "student",
        layers: tuple[int, ...] | None = None,
        length: int = 64,
        outputs: int | None = None,
        folder: Path | None = None,
    ) -> ModelCheck:
        folder = folder or make_family(family, tmp_path / family, outputs=outputs)
        checkpoint = describe(folder, id=family)
        return ModelCheck(
            role, ModelSource(checkpoint, layers), Encoder(checkpoint, length), toy_data("pairs")
        )

    return make


@pytest.fixture
def bert(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny BERT to change."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "bert"))


@pytest.mark.parametrize("role", ["teacher", "student", "generator"])
def test_a_bert_passes_in_every_role(role: Role, check: Check, bert: Path) -> None:
    assert check("bert", role, folder=bert).facts() == ModelFacts(None)


def test_what_passed_is_not_asked_again(
    check: Check, bert: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in this process nor in a later one; another length, head or cut is asked for itself."""
    one, asked = check("bert", folder=bert), list[str]()
    run = ModelCheck.run
    monkeypatch.setattr(ModelCheck, "run", lambda self, folder: asked.append(self.role) or run(self, folder))
    for _ in range(2):
        assert one.facts() == ModelFacts(None)
    model_checks._known.clear()
    assert replace(one, data=toy_data("pairs", 20, 20)).facts() == ModelFacts(None)
    assert len(asked) == 1
    [entry] = (cache / "checks").glob("*/facts.json")
    assert sorted(path.name for path in entry.parent.iterdir()) == ["facts.json", "manifest.json"]
    for other in (
        check("bert", folder=bert, length=32),
        check("bert", folder=bert, layers=(0, 2)),
        replace(one, data=toy_data("regression")),
    ):
        assert other.facts() == ModelFacts(None)
    assert len(asked) == 4


def test_fewer_positions_than_max_length(check: Check, bert: Path) -> None:
    check("bert", folder=bert, length=128).facts()
    with pytest.raises(CheckpointError, match=r"128 positions.*max_length is 129.*max_length = 128"):
        check("bert", folder=bert, length=129).facts()


def test_a_tokenizer_that_knows_more_tokens_than_the_model(check: Check, bert: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bert)
    tokenizer.add_tokens(["moth"])
    tokenizer.save_pretrained(bert)
    with pytest.raises(CheckpointError, match="resize_token_embeddings"):
        check("bert", folder=bert).facts()


@pytest.mark.parametrize("family", ["fnet", "funnel"])
@pytest.mark.parametrize("role", ["teacher", "generator"])
def test_a_row_that_depends_on_its_neighbors(family: str, role: Role, check: Check) -> None:
    with pytest.raises(CheckpointError, match=rf"the {role} '{family}' gives a row different outputs"):
        check(family, role).facts()


def test_a_family_without_embeddings_passes_and_says_why(check: Check) -> None:
    facts = check("t5").facts()
    assert facts.no_embeddings is not None
    assert "embeddings" in facts.no_embeddings


@pytest.mark.parametrize("family", ["albert", "t5", "funnel"])
def test_layers_that_cannot_be_cut(family: str, check: Check) -> None:
    with pytest.raises(CheckpointError, match=r"layers: name a student checkpoint"):
        check(family, layers=(0, 1)).facts()


def test_a_cut_that_reads_back_as_another_student(
    check: Check, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a layer does whose kind depends on its place: here the place is not saved."""
    from matekd_bench.distill.models import networks

    keep = networks.keep_layers

    def double(module: object, inputs: object, output: Any) -> Any:
        output.logits = output.logits * 2
        return output

    def keep_and_double(model: Any, layers: tuple[int, ...]) -> None:
        keep(model, layers)
        model.register_forward_hook(double)

    monkeypatch.setattr(networks, "keep_layers", keep_and_double)
    with pytest.raises(CheckpointError, match=r"can't be saved and read again.*instead of layers"):
        check("bert", folder=bert, layers=(0, 2)).facts()


@pytest.mark.parametrize("family", ["gpt2", "xlnet"])
def test_a_given_teacher_answers_as_in_transformers(family: str, check: Check) -> None:
    assert check(family, "given teacher", outputs=2).facts() == ModelFacts(None)


def test_a_given_teacher_whose_padding_token_ends_every_text(check: Check, tmp_path: Path) -> None:
    """transformers looks for the last token that does not pad, so it answers from the one before."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    folder = make_family("gpt2", tmp_path / "ends", outputs=2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    end = tokenizer.eos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    tokenizer.save_pretrained(folder)
    check("ends", "given teacher", folder=folder).facts()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "pad_token_id": tokenizer.eos_token_id}))
    shutil.copytree(folder, tmp_path / "pads")
    with pytest.raises(CheckpointError, match="gives different outputs in plain transformers"):
        check("pads", "given teacher", folder=tmp_path / "pads").facts()


def test_weights_that_give_no_number(check: Check, bert: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(bert / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"][:] = float("nan")
    save_file(weights, bert / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="not finite"):
        check("bert", folder=bert).facts()

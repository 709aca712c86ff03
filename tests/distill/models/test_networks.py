"""Loading networks, cutting layers and naming what was loaded."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import (
    ModelSource,
    load_classifier,
    load_model,
    parameter_count,
    weights_digest,
)
from matekd_bench.errors import CheckpointError

LABELS = ("no", "yes")


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint):
    return describe(tiny_checkpoint, id="tiny")


@pytest.fixture(scope="module")
def ids():
    return torch.tensor([[2, 20, 31, 12, 3], [2, 9, 44, 5, 3]])


def same(one, other):
    return all(value.equal(other.state_dict()[name]) for name, value in one.state_dict().items())


def test_kept_layers_have_the_checkpoints_weights_and_work(checkpoint, ids):
    """The hidden state is that of running embeddings, layer 0 and layer 2 by hand."""
    cut = load_classifier(ModelSource(checkpoint, (0, 2)), 2, LABELS, seed=1)
    whole = load_classifier(ModelSource(checkpoint), 2, LABELS, seed=1)
    assert cut.config.num_hidden_layers == len(cut.bert.encoder.layer) == 2
    for kept, original in zip(cut.bert.encoder.layer, (0, 2), strict=True):
        assert same(kept, whole.bert.encoder.layer[original])
    with torch.no_grad():
        hidden = whole.bert.embeddings(input_ids=ids)
        for number in (0, 2):
            out = whole.bert.encoder.layer[number](hidden)
            hidden = out[0] if isinstance(out, tuple) else out
        assert torch.allclose(cut.bert(ids)[0], hidden, rtol=0, atol=1e-6)
        assert not torch.allclose(cut.bert(ids)[0], whole.bert(ids)[0], rtol=0, atol=1e-3)


def test_a_cut_model_can_be_saved_and_loaded_again(checkpoint, tiny_checkpoint, tmp_path, ids):
    cut = load_classifier(ModelSource(checkpoint, (1, 3)), 2, LABELS, seed=1)
    cut.save_pretrained(tmp_path)
    shutil.copy(tiny_checkpoint / "tokenizer.json", tmp_path)
    again = load_classifier(ModelSource(describe(tmp_path, id="cut")), 2, LABELS, seed=9)
    with torch.no_grad():
        assert again(ids).logits.equal(cut(ids).logits)


def test_the_fresh_head_is_the_seeds_and_the_rest_the_checkpoints(checkpoint):
    state = torch.random.get_rng_state()
    one, again, other = (load_classifier(ModelSource(checkpoint), 2, LABELS, seed) for seed in (1, 1, 2))
    assert torch.random.get_rng_state().equal(state)
    assert weights_digest(one) == weights_digest(again) != weights_digest(other)
    assert same(one.bert.encoder, other.bert.encoder)
    assert not one.classifier.weight.equal(other.classifier.weight)
    assert not one.training


def test_labels_are_written_into_the_config(checkpoint):
    config = load_classifier(ModelSource(checkpoint), 2, LABELS, seed=1).config
    assert config.id2label == {0: "no", 1: "yes"}
    assert config.problem_type == "single_label_classification"
    scores = load_classifier(ModelSource(checkpoint), 1, (), seed=1).config
    assert (scores.num_labels, scores.problem_type) == (1, "regression")


def test_what_the_checkpoint_lacked_is_named(checkpoint):
    _, missing = load_model("AutoModelForSequenceClassification", ModelSource(checkpoint), 1, num_labels=2)
    assert missing == {"classifier.weight", "classifier.bias"}


def spoilt(tiny_checkpoint, folder, **changes):
    shutil.copytree(tiny_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return describe(folder, id="spoilt")


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "no-such-model"},
        {"hidden_size": 64},
        {"vocab_size": "many"},
        {"num_hidden_layers": [2]},
        {"num_attention_heads": 0},
        {"quantization_config": 5},
    ],
)
def test_a_checkpoint_that_does_not_load_is_one_clear_line(tiny_checkpoint, tmp_path, changes):
    checkpoint = spoilt(tiny_checkpoint, tmp_path / "spoilt", **changes)
    with pytest.raises(CheckpointError, match=r"'spoilt'.*AutoModel") as caught:
        load_classifier(ModelSource(checkpoint), 2, LABELS, seed=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_a_head_for_another_number_of_outputs_is_drawn_again(checkpoint, tmp_path, outputs):
    """A classifier of three classes keeps its head for three, and gets that of the seed for others."""
    three = load_classifier(ModelSource(checkpoint), 3, ("a", "b", "c"), seed=1)
    three.save_pretrained(tmp_path)
    shutil.copy(checkpoint.path / "tokenizer.json", tmp_path)
    labels = ("a", "b", "c")[:outputs] if outputs > 1 else ()
    heads = [
        load_classifier(ModelSource(describe(tmp_path, id="three")), outputs, labels, seed).classifier.weight
        for seed in (1, 1, 2)
    ]
    assert heads[0].shape == (outputs, 32)
    assert heads[0].equal(heads[1])
    assert heads[0].equal(heads[2]) == (outputs == 3)
    assert heads[0].equal(three.classifier.weight) == (outputs == 3)
    assert 0.01 < float(heads[0].detach().std()) < 0.03  # as a fresh head is drawn


def test_weights_that_are_not_the_models_are_refused(tiny_checkpoint, tmp_path):
    """All layers would be random: transformers only warns."""
    checkpoint = spoilt(tiny_checkpoint, tmp_path / "spoilt")
    weights = load_file(checkpoint.path / "model.safetensors")
    renamed = {name.replace("encoder.layer", "blocks"): value for name, value in weights.items()}
    save_file(renamed, checkpoint.path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"'spoilt' lacks 64 weights.*bert\.encoder"):
        load_classifier(ModelSource(describe(checkpoint.path, id="spoilt")), 2, LABELS, seed=1)


def test_a_source_is_named_and_identified_by_content(checkpoint):
    cut = ModelSource(checkpoint, (0, 2))
    assert (ModelSource(checkpoint).name, cut.name) == ("tiny", "tiny[layers:0,2]")
    assert cut.identity == {"sha256": checkpoint.sha256, "layers": [0, 2]}
    assert ModelSource(checkpoint).identity == {"sha256": checkpoint.sha256, "layers": None}


def test_shared_parameters_count_once():
    one = nn.Linear(3, 4)
    assert parameter_count(nn.ModuleList([one, one, nn.Linear(2, 2)])) == 16 + 6


def test_the_digest_of_weights_sees_names_and_values():
    class Scalar(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(value))

    assert weights_digest(Scalar(1.0)) == weights_digest(Scalar(1.0)) != weights_digest(Scalar(2.0))
    assert weights_digest(nn.ModuleDict({"a": Scalar(1.0)})) != weights_digest(
        nn.ModuleDict({"b": Scalar(1.0)})
    )

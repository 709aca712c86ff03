"""The choice of layers, the depth of a checkpoint, and the cut of its config."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from torch import nn

from families import make_family
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.layer_cut import count_layers, hidden_width, keep_layers, parse_layers
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.errors import CheckpointError, UsageError


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint):
    return describe(tiny_checkpoint, id="tiny")


@pytest.mark.parametrize(
    ("reference", "layers"),
    [("layers:0,2", (0, 2)), ("layers:3,0", (0, 3)), ("layers:3", (0, 1, 2)), ("layers:4", (0, 1, 2, 3))],
)
def test_layers_are_named_or_counted(checkpoint, reference, layers):
    assert parse_layers(reference, checkpoint) == layers


@pytest.mark.parametrize("reference", ["layers:9", "layers:0,4", "layers:1,1", "layers:0", "layers:0,9"])
def test_layers_that_do_not_exist_are_refused(checkpoint, reference):
    with pytest.raises(UsageError, match=f"'{reference}'.*'tiny'.*4 layers"):
        parse_layers(reference, checkpoint)


@pytest.mark.parametrize("reference", ["layers:", "layers:a", "layers:-1", "layers:1,", "3"])
def test_another_form_is_refused(checkpoint, reference):
    with pytest.raises(UsageError, match="is not a choice of layers"):
        parse_layers(reference, checkpoint)


@pytest.mark.parametrize("family", ["gpt2", "t5", "xlnet"])
def test_depth_and_width_are_found_under_the_familys_own_names(family, tmp_path):
    checkpoint = describe(make_family(family, tmp_path / family), id=family)
    assert not {"num_hidden_layers", "hidden_size"} & set(checkpoint.config)
    assert (count_layers(checkpoint), hidden_width(checkpoint)) == (4, 32)


def test_a_config_that_does_not_say_its_depth_stops_only_a_choice_of_layers(tiny_checkpoint, tmp_path):
    folder = tmp_path / "odd"
    shutil.copytree(tiny_checkpoint, folder)
    (folder / "config.json").write_text('{"model_type": "bert", "num_hidden_layers": [4]}')
    odd = describe(folder, id="odd")
    assert count_layers(odd) is None
    with pytest.raises(CheckpointError, match="'odd' does not say how many layers"):
        parse_layers("layers:2", odd)


def test_a_decoders_layers_and_its_lists_are_cut_together(tmp_path):
    checkpoint = describe(make_family("gemma2", tmp_path / "gemma2"), id="gemma2")
    kinds = load_classifier(ModelSource(checkpoint), 2, ("a", "b"), 0).config.layer_types
    cut = load_classifier(ModelSource(checkpoint, (1, 2)), 2, ("a", "b"), 0)
    assert cut.config.layer_types == kinds[1:3]
    assert [layer.self_attn.layer_idx for layer in cut.model.layers] == [0, 1]
    assert cut.config.eos_token_id == 2  # no list of layers


def model_of(config, **stacks):
    """Modules of two layers each; a name such as `a__b` is module b inside a."""
    model = nn.ModuleDict()
    for name in stacks:
        outer, _, inner = name.partition("__")
        if outer not in model:
            model[outer] = nn.ModuleDict()
        model[outer][inner] = nn.ModuleList([nn.Linear(1, 1) for _ in range(stacks[name])])
    model.config = SimpleNamespace(**config)
    return model


def test_a_model_whose_layers_cannot_be_told_is_refused():
    for model in (
        model_of({"num_hidden_layers": 2}, encoder__layers=2, decoder__layers=2),
        model_of({"num_hidden_layers": 2, "is_encoder_decoder": True}, encoder__layers=2, decoder__layers=3),
        model_of({"num_hidden_layers": 2}, encoder__layers=3),
    ):
        with pytest.raises(
            CheckpointError, match="can't tell which part of ModuleDict contains its 2 layers"
        ):
            keep_layers(model, (0,))


def test_lists_of_one_module_are_cut_together_and_other_lists_of_that_length_are_not():
    config = {"num_hidden_layers": 3, "windows": [8, 16, 32], "eos_token_ids": [5, 6, 7]}
    model = model_of(config, encoder__attentions=3, encoder__norms=3)
    model["encoder"].n_layers = 3
    last = model["encoder"]["norms"][2]
    keep_layers(model, (0, 2))
    assert (len(model["encoder"]["attentions"]), len(model["encoder"]["norms"])) == (2, 2)
    assert model["encoder"]["norms"][1] is last
    assert vars(model.config) == {"num_hidden_layers": 2, "windows": [8, 32], "eos_token_ids": [5, 6, 7]}
    assert model["encoder"].n_layers == 2

"""A frozen network held in the precision of the run answers as before."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from families import FAMILIES, make_family
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.frozen_weights import hold_in_precision
from rig import toy_data

ALWAYS = ("bert", "deberta-v2", "t5")


def dtypes(network: nn.Module) -> set[torch.dtype]:
    return {weight.dtype for weight in network.parameters()}


@pytest.mark.parametrize(
    "family",
    [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.full) for name in sorted(FAMILIES)],
)
def test_the_answers_stay_the_same_bit_by_bit(family, tmp_path):
    checkpoint = describe(make_family(family, tmp_path / family, outputs=2), id=family)
    encoder = Encoder(checkpoint, 32)
    network = load_classifier(ModelSource(checkpoint), 2, ("bad", "good"), 0)
    rows = encoder(toy_data("pairs").train.texts[:8])
    before = predict(network, rows, encoder.tokens.pad, precision="bf16")
    hold_in_precision(network, "bf16")
    assert predict(network, rows, encoder.tokens.pad, precision="bf16").equal(before)
    linear = {module.weight.dtype for module in network.modules() if type(module) is nn.Linear}
    assert linear <= {torch.bfloat16}
    others = [module for module in network.modules() if type(module) in (nn.Embedding, nn.LayerNorm)]
    assert all(dtypes(module) <= {torch.float32} for module in others)


def test_gradients_in_the_embeddings_stay_the_same(rig):
    lab = rig(dtype=torch.float32)
    held, ids = copy.deepcopy(lab.teacher), torch.arange(12).view(2, 6)
    hold_in_precision(held, "bf16")
    embedded = lab.teacher.get_input_embeddings().weight[ids].detach()

    def gradient(network):
        inputs = embedded.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(inputs_embeds=inputs).logits
        (found,) = torch.autograd.grad(logits.float().square().sum(), inputs)
        return found

    assert gradient(held).abs().max() > 0
    assert gradient(held).equal(gradient(lab.teacher))


def test_nothing_changes_in_single_precision(rig):
    network = copy.deepcopy(rig(dtype=torch.float32).teacher)
    hold_in_precision(network, "float32")
    assert dtypes(network) == {torch.float32}


def test_the_head_of_a_regression_and_tied_weights_stay_as_they_are(rig):
    scores = copy.deepcopy(rig("regression", dtype=torch.float32).teacher)
    hold_in_precision(scores, "bf16")
    assert dtypes(scores) == {torch.float32, torch.bfloat16}
    assert dtypes(scores.classifier) == {torch.float32}
    tied = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    tied[1].weight = tied[0].weight
    hold_in_precision(tied, "bf16")
    assert dtypes(tied) == {torch.float32}

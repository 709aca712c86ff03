"""FLOPs from three lengths, and passes counted by model, kind and shape."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

from families import make_family
from matekd_bench.distill.flops import FlopModel, Meter, Polynomial
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier

SMALL = BertConfig(
    hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, vocab_size=100
)
WIDE = BertConfig(num_hidden_layers=3)  # layers as in BERT-base: width 768


def on_meta(kind, config):
    with torch.device("meta"):
        return kind(copy.deepcopy(config)).eval()


def counted(model, rows, length, kind):
    """What torch's own counter says of one pass, eager attention, on the meta device."""
    model.set_attn_implementation("eager")
    model.requires_grad_(kind == "train")
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(kind != "forward"):
        table = model.get_input_embeddings()
        embedded = table(torch.zeros(rows, length, dtype=torch.long, device="meta")).detach()
        logits = model(inputs_embeds=embedded.requires_grad_(kind != "forward")).logits
        if kind != "forward":
            logits.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("kind", ["forward", "train", "inputs"])
@pytest.mark.parametrize(
    ("network", "config"),
    [
        (BertForSequenceClassification, SMALL),
        (DistilBertForSequenceClassification, DistilBertConfig(dim=48, n_layers=2, n_heads=4, hidden_dim=96)),
    ],
)
def test_three_lengths_determine_the_cost_of_every_other(kind, network, config):
    model = on_meta(network, config)
    predicted = FlopModel(model)(kind)
    for rows, length in ((1, 7), (5, 113), (3, 256)):
        assert predicted(rows, length) == counted(model, rows, length, kind)


def test_the_cost_of_layers_as_in_bert_base_is_that_of_its_arithmetic():
    """6 x parameters x tokens for a pass forward and backward, and attention's 12 x layers x L x width per token."""
    model = on_meta(BertForSequenceClassification, WIDE)
    flops = FlopModel(model)("train")(32, 128)
    encoder = sum(weight.numel() for weight in model.bert.encoder.parameters())
    tokens = 32 * 128
    expected = 6 * encoder * tokens + 12 * 3 * 128 * 768 * tokens
    assert flops == pytest.approx(expected, rel=0.03)


def test_models_that_differ_only_in_the_names_of_labels_are_measured_once(monkeypatch):
    def of(labels):
        config = copy.deepcopy(SMALL)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: place for place, label in enumerate(labels)}
        return FlopModel(on_meta(BertForSequenceClassification, config))

    measured = []
    measure = FlopModel._measure
    monkeypatch.setattr("matekd_bench.distill.flops._measured", {})
    monkeypatch.setattr(FlopModel, "_measure", lambda *args: measured.append(args) or measure(*args))
    two = of(("no", "yes"))("forward")
    once = len(measured)
    assert of(("worse", "better"))("forward") == two
    assert len(measured) == once
    three = of(("no", "maybe", "yes"))("forward")
    assert len(measured) == 2 * once
    assert three.constant - two.constant == 2 * SMALL.hidden_size


def test_passes_are_counted_by_model():
    meter = Meter()
    meter.register("student", lambda kind: Polynomial(1, 0, 0) if kind == "forward" else Polynomial(3, 0, 0))
    meter.register("teacher", lambda kind: Polynomial(10, 1, 0))
    for _ in range(4):
        meter.book("student", "train", 8, 16)
    meter.book("student", "forward", 8, 16)
    meter.book("teacher", "inputs", 2, 5)
    meter.extra_flops += 1000
    assert meter.forwards() == {"student": 5, "teacher": 1}
    assert meter.backwards() == {"student": 4, "teacher": 1}
    assert meter.flops == 4 * 24 + 8 + 2 * 15 + 1000  # rows x (constant + linear x length)
    assert meter.cost("teacher", "forward", 1, 1) == 11


def test_a_meter_keeps_no_weights_alive():
    model = BertForSequenceClassification(SMALL)
    meter = Meter()
    meter.register("student", FlopModel(model))
    meter.book("student", "train", 1, 8)
    watched = weakref.ref(model)
    del model
    gc.collect()
    assert watched() is None
    assert meter.flops > 0


def test_measuring_leaves_the_model_and_the_global_generator_alone():
    model = BertForSequenceClassification(SMALL)
    before, state = model.config.to_dict(), torch.random.get_rng_state()
    FlopModel(model)("train")
    assert model.config.to_dict() == before
    assert model.config._attn_implementation == "sdpa"
    assert torch.random.get_rng_state().equal(state)
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("kind", ["forward", "train"])
@pytest.mark.parametrize("family", ["longformer", "t5", "gpt2"])
def test_other_families_are_measured_with_ids_and_a_mask(family, kind, tmp_path):
    """Longformer pads to whole windows; T5 looks for its end token and has no pass from embeddings."""
    folder = make_family(family, tmp_path / family)
    model = load_classifier(ModelSource(describe(folder, id=family)), 2, ("a", "b"), 0)
    model.set_attn_implementation("eager")
    predicted = FlopModel(model)(kind)
    end = model.config.eos_token_id if family == "t5" else 5
    for rows, length in ((1, 7), (3, 40)):
        table = model.get_input_embeddings()
        # A backward pass ends at the embeddings, whose own gradient is no product of matrices.
        table.weight.requires_grad_(kind == "train")
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(kind == "train"):
            ids = torch.full((rows, length), end)
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            if kind == "train":
                logits.sum().backward()
        assert predicted(rows, length) == counter.get_total_flops()

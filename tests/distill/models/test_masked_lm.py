"""The generator: logits at masked positions only, what it costs, and its warm-up."""

from __future__ import annotations

import copy
import shutil
from collections import Counter

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

from host_reads import HostReads
from matekd_bench.distill.artifacts.generator import Generator
from matekd_bench.distill.artifacts.generator_warm_up import GeneratorWarmUp
from matekd_bench.distill.data.batches import pad
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.flops import Meter
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.masked_lm import MaskedRowsLM, load_masked_lm, save_masked_lm
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.settings import Budget, GeneratorSettings, Optimizer
from matekd_bench.distill.training.optimizer import DivergedError, FiniteChecks
from matekd_bench.errors import CheckpointError
from rig import toy_data

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def source(tiny_checkpoint):
    return ModelSource(describe(tiny_checkpoint, id="tiny"))


@pytest.fixture(scope="module")
def encoder(source):
    return Encoder(source.checkpoint, 32)


@pytest.fixture
def network(source):
    return load_masked_lm(source, seed=3)[0]


@pytest.fixture(scope="module")
def inputs(encoder):
    """ids, mask, types of a padded batch, and positions that are neither special nor padding."""
    ids, mask, special, types = pad(encoder(toy_data("pairs").train.texts[:6]), 0)
    at = (torch.rand(ids.shape, generator=torch.Generator().manual_seed(0)) < 0.4) & ~special
    return ids, mask, types, at


def test_logits_are_the_full_models_at_those_positions(network, inputs):
    ids, mask, types, at = inputs
    with torch.no_grad():
        some = network(ids, mask, types, at)
        full = network.model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits
    assert some.shape == (int(at.sum()), network.model.config.vocab_size)
    assert float((some - full[at]).abs().max()) < 1e-6
    assert network(ids, mask, types, torch.zeros_like(at)).shape == (0, network.model.config.vocab_size)
    assert full.shape[:2] == ids.shape  # called without positions, the model is as it was


def test_gradients_are_the_full_models(network, inputs):
    ids, mask, types, at = inputs
    network.double()
    other = copy.deepcopy(network)
    network(ids, mask, types, at).square().sum().backward()
    other.model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits[at].square().sum().backward()
    for name, weight in network.named_parameters():
        reference = other.get_parameter(name).grad
        assert torch.allclose(
            weight.grad, reference, rtol=1e-9, atol=1e-10 * float(reference.abs().max() + 1)
        )


def test_the_cost_is_the_base_on_all_tokens_and_the_head_on_the_masked_ones(source, inputs):
    ids, mask, types, at = inputs
    model = BertForMaskedLM(
        BertConfig.from_pretrained(source.checkpoint.path, attn_implementation="eager")
    ).eval()
    network, meter = MaskedRowsLM(model), Meter()
    meter.register("generator", network.flops)
    with torch.no_grad():
        network.book(meter, "generator", ids, mask, types, at)
        with FlopCounterMode(display=False) as counter:
            network(ids, mask, types, at)
    assert meter.flops == counter.get_total_flops()
    assert (meter.forwards(), meter.backwards()) == ({"generator": 1}, {})
    network.book(meter, "generator", ids, mask, types, at)
    assert meter.backwards() == {"generator": 1}
    assert meter.flops == pytest.approx(4 * counter.get_total_flops(), rel=1e-3)


def test_a_head_that_came_with_the_checkpoint_is_told_from_a_random_one(source, tiny_checkpoint, tmp_path):
    random, trained = load_masked_lm(source, seed=3)
    assert not trained
    save_masked_lm(random, tmp_path)
    shutil.copy(tiny_checkpoint / "tokenizer.json", tmp_path)
    again, trained = load_masked_lm(ModelSource(describe(tmp_path, id="saved")), seed=4)
    assert trained
    assert all(value.equal(random.state_dict()[name]) for name, value in again.state_dict().items())
    cut, trained = load_masked_lm(ModelSource(describe(tmp_path, id="saved"), (0, 3)), seed=4)
    assert (trained, len(cut.model.bert.encoder.layer)) == (True, 2)


def test_a_model_that_fills_no_masks_is_one_clear_line(tmp_path):
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=20)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"'gpt'.*AutoModelForMaskedLM") as caught:
        load_masked_lm(ModelSource(describe(tmp_path, id="gpt")), seed=0)
    assert "\n" not in str(caught.value)


def test_copies_are_trainable_and_their_own(network, inputs):
    generator = Generator(network.requires_grad_(False).eval(), None)
    one, other = generator.copy(), generator.copy()
    assert one.training
    assert all(weight.requires_grad for weight in one.parameters())
    with torch.no_grad():
        next(one.parameters()).add_(1)
    assert next(other.parameters()).equal(next(network.parameters()))
    assert not network.training
    with torch.no_grad():
        assert other.eval()(*inputs).equal(network(*inputs))
    assert len(one.model.base_model._forward_hooks) == 1


SENTENCES = (
    "the man sees a big house .",
    "she plays music and he sings .",
    "the old dog sleeps in the car .",
    "what is the red bird ?",
)


def phrases(encoder):
    """Two hundred rows of four sentences: text whose gaps can be filled."""
    texts = [(SENTENCES[row % 4],) for row in range(200)]
    return Corpus([f"u{row}" for row in range(200)], texts, encoder(texts), torch.zeros(200), 0)


def untrained(source, encoder, updates, lr=1e-3, rows=None):
    """A warm-up that has not begun."""
    network = load_masked_lm(source, seed=3)[0]
    settings = GeneratorSettings(
        checkpoint="tiny", optimizer=Optimizer(lr=lr, batch_size=16), budget=Budget(limit=updates)
    )
    return GeneratorWarmUp(
        network,
        rows or phrases(encoder),
        settings,
        encoder.tokens,
        task="toy",
        device=CPU,
        precision="float32",
    )


def warmed(*arguments, **options):
    """A warm-up that has ended."""
    session = untrained(*arguments, **options)
    with contained_randomness(CPU):
        assert len(list(session.losses())) == session.limit == session.updates
    return session


def test_a_warm_up_learns_to_fill_gaps_in_held_out_text(source, encoder):
    before = warmed(source, encoder, updates=1, lr=1e-9).held_out()["accuracy"]
    after = warmed(source, encoder, updates=60, lr=1e-2)
    assert before < 0.2
    assert after.held_out()["accuracy"] > before + 0.3
    assert after.meter.flops > 0


def test_a_warm_up_reads_of_each_update_where_its_masks_are_and_nothing_of_the_answers(source, encoder):
    session, updates = untrained(source, encoder, updates=4), []
    session.checks = FiniteChecks(late=True)  # as on a GPU
    with HostReads() as reads, contained_randomness(CPU):
        for _ in session.losses():
            updates.append(Counter(reads.names))
            reads.names.clear()
    first, *others = updates
    assert first == {"tolist": 1}
    assert others == [first + Counter(__float__=2)] * 3  # the norm and loss of the update before


def test_a_warm_up_that_explodes_says_so(source, encoder):
    with pytest.raises(DivergedError, match="the generator"):
        warmed(source, encoder, updates=5, lr=1e30)


def test_one_row_is_enough_to_warm_up_on(source, encoder):
    rows = Corpus(["u0"], [(SENTENCES[0],)], encoder([(SENTENCES[0],)]), torch.zeros(1), 0)
    assert 0 <= warmed(source, encoder, 2, rows=rows).held_out()["accuracy"] <= 1


def test_what_is_saved_loads_in_plain_transformers(source, tmp_path, inputs):
    network, _ = load_masked_lm(source, seed=3)
    save_masked_lm(network, tmp_path)
    ids, mask, types, at = inputs
    plain = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        full = plain(input_ids=ids, attention_mask=mask, token_type_ids=types).logits
        assert torch.allclose(full[at], network(ids, mask, types, at), rtol=0, atol=1e-6)

"""How each family reads its input, compared with what its base model and head compute."""

from __future__ import annotations

import logging

import pytest
import torch

from families import make_family
from matekd_bench.distill.data.batches import pad
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.model_inputs import position_count, text_inputs, word_table
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.distill.models.tokenizers import Encoder

TEXTS = [("the old man runs",), ("a woman eats in the red house and a small bird sings",)]


def loaded(family, folder):
    """A classifier of the family with its encoder."""
    checkpoint = describe(make_family(family, folder / family), id=family)
    return load_classifier(ModelSource(checkpoint), 2, ("a", "b"), 0), Encoder(checkpoint, 32)


@torch.no_grad()
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_decoder_answers_from_the_last_token_that_the_mask_shows(family, tmp_path):
    """The padding token may be a token of the text; embeddings have no padding token."""
    model, encoder = loaded(family, tmp_path)
    ids, mask, _, _ = pad(encoder(TEXTS), encoder.tokens.pad)
    ids[1, -1] = encoder.tokens.pad  # the text ends in the token that also pads
    hidden = model.base_model(ids, attention_mask=mask).last_hidden_state
    expected = torch.stack([model.score(hidden[0, mask[0].sum() - 1]), model.score(hidden[1, -1])])
    found = model(ids, attention_mask=mask).logits
    assert torch.allclose(found, expected, rtol=0, atol=1e-6)
    embedded = model(inputs_embeds=word_table(model)(ids), attention_mask=mask).logits
    assert torch.allclose(embedded, expected, rtol=0, atol=1e-6)
    cut = mask.clone()
    cut[1, -1] = 0  # as a method hides a token
    assert not torch.allclose(model(ids, attention_mask=cut).logits[1], expected[1], rtol=0, atol=1e-4)


def test_gradients_reach_the_last_token_and_none_the_padding(tmp_path):
    model, encoder = loaded("llama", tmp_path)
    ids, mask, _, _ = pad(encoder(TEXTS), encoder.tokens.pad)
    embedded = word_table(model)(ids).detach().requires_grad_()
    model(inputs_embeds=embedded, attention_mask=mask).logits.sum().backward()
    reached = embedded.grad.abs().sum(dim=-1) > 0
    assert reached.equal(mask.bool())


def test_the_warning_about_padding_among_embeddings_is_dropped_since_it_is_not_true(tmp_path, caplog):
    model, _ = loaded("gpt2", tmp_path)
    logger = logging.getLogger(type(model).forward.__module__)
    with caplog.at_level(logging.WARNING):
        logger.warning("GPT2 will not detect padding tokens in `inputs_embeds`.")
        logger.warning("another")
    assert "will not detect" not in caplog.text


@torch.no_grad()
def test_xlnet_answers_from_its_last_token_and_sees_token_types(tmp_path):
    model, encoder = loaded("xlnet", tmp_path)
    pairs = encoder([("a man", "the dog runs"), ("the old woman sings", "a bird sees the red house")])
    ids, mask, _, types = pad(pairs, encoder.tokens.pad)
    both = model(ids, **text_inputs(model, mask, types)).logits
    ids, mask, _, types = pad(pairs[:1], encoder.tokens.pad)
    alone = model(ids, **text_inputs(model, mask, types)).logits
    assert torch.allclose(both[:1], alone, rtol=0, atol=1e-6)
    assert not torch.allclose(model(ids, attention_mask=mask).logits, alone, rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("family", ["bert", "gemma3"])
def test_the_rows_of_the_word_table_are_the_embeddings(family, tmp_path):
    model, _ = loaded(family, tmp_path)
    table, ids = word_table(model), torch.tensor([[5, 9, 7]])
    assert table(ids).equal(table.weight[ids])
    assert table(ids).equal(model.get_input_embeddings()(ids))
    assert (table is model.get_input_embeddings()) is (family == "bert")


@pytest.mark.parametrize(
    ("family", "positions"),
    [
        ("bert", 512),
        ("roberta", 510),
        ("gpt2", 512),
        ("opt", 512),
        ("bart", 512),
        ("llama", None),
        ("t5", None),
    ],
)
def test_positions_are_counted_as_a_row_may_use_them(family, positions, tmp_path):
    """One token more than there are positions fails in the model itself."""
    model, _ = loaded(family, tmp_path)
    assert position_count(model) == positions
    if family in ("bert", "roberta", "gpt2", "opt"):
        longest = torch.full((1, positions), 5)
        model(longest)
        with pytest.raises((IndexError, RuntimeError, ValueError)):
            model(torch.full((1, positions + 1), 5), attention_mask=torch.ones(1, positions + 1).long())

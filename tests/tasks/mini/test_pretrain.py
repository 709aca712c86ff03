"""The tiny checkpoint: how it is made, and that the one in the package is such a one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from matekd_bench.distill.models.checkpoints import find_checkpoint
from matekd_bench.distill.models.masked_lm import load_masked_lm
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_tasks.mini import pretrain
from matekd_tasks.mini.corpus import sentences
from matekd_tasks.mini.splits import TASKS, rows, sizes
from matekd_tasks.mini.vocabulary import namesakes

SHIPPED = "package:matekd_tasks/mini/checkpoint"
SMALL = pretrain.PretrainingRecipe(updates=3, batch=8, passages_batch=4, passages=40, exercises=64)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return pretrain.make_tokenizer()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of three updates."""
    folder = tmp_path_factory.mktemp("mini-checkpoint")
    model, tokenizer, _ = pretrain.train(SMALL, lambda line: None)
    pretrain.name_the_strangers(model, tokenizer)
    pretrain.save(model, tokenizer, folder)
    return folder


def test_every_word_of_the_tasks_is_one_token(tokenizer: Any) -> None:
    for name in TASKS:
        for split in sizes(name):
            for texts in rows(name, split).texts[:40]:
                for token in tokenizer.tokenize(" ".join(texts)):
                    assert not token.startswith("##")
                    assert token != "[UNK]"


def test_other_words_are_spelled_out(tokenizer: Any) -> None:
    assert tokenizer.tokenize("Xylo-9!") == ["x", "##y", "##l", "##o", "-", "9", "!"]


def test_batches_are_as_long_as_their_longest_row(tokenizer: Any) -> None:
    encoded = pretrain.encode(tokenizer, [("The tailor smiled.",), ("A cat.", "An owl.")], [0.0, 1.0])
    inputs, targets = encoded.draw(torch.Generator().manual_seed(0), 16)
    assert targets is not None
    assert inputs["input_ids"].shape[1] == inputs["attention_mask"].sum(dim=1).max()
    for row, target in enumerate(targets):
        text = tokenizer.decode(inputs["input_ids"][row][inputs["attention_mask"][row].bool()])
        assert (text == "[CLS] a cat. [SEP] an owl. [SEP]") == bool(target)
        assert int(inputs["token_type_ids"][row].sum()) == (4 if target else 0)


def test_a_word_is_found_in_the_other_segment_by_its_sense(tokenizer: Any) -> None:
    encoded = pretrain.encode(tokenizer, [("The doctor met a tailor.", "A physician met the baker.")])
    inputs, _ = encoded.draw(torch.Generator().manual_seed(0), 1)
    found, words = pretrain.occurs_across(inputs, pretrain.senses(tokenizer))
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    told = {
        token for token, there, word in zip(tokens, found[0], words[0], strict=True) if word and not there
    }
    assert told == {"tailor", "baker"}
    assert [token for token, word in zip(tokens, words[0], strict=True) if not word] == [
        "[CLS]",
        "[SEP]",
        "[SEP]",
    ]


def test_a_single_text_has_no_other_segment(tokenizer: Any) -> None:
    encoded = pretrain.encode(tokenizer, [("The doctor met the doctor.",)])
    inputs, _ = encoded.draw(torch.Generator().manual_seed(0), 1)
    assert not pretrain.occurs_across(inputs, pretrain.senses(tokenizer))[0].any()


def test_names_of_the_tasks_stand_where_their_namesakes_do(tokenizer: Any) -> None:
    model = pretrain.make_model(len(tokenizer))
    pretrain.name_the_strangers(model, tokenizer)
    words = model.bert.embeddings.word_embeddings.weight
    pairs = namesakes()
    for stranger, namesake in pairs.items():
        ours, theirs = tokenizer.convert_tokens_to_ids([stranger, namesake])
        assert torch.equal(words[ours], words[theirs])
    assert len({tuple(words[tokenizer.convert_tokens_to_ids(name)].tolist()) for name in pairs}) == len(pairs)


def test_making_is_reproducible(made: Path, tmp_path: Path) -> None:
    model, tokenizer, _ = pretrain.train(SMALL, lambda line: None)
    pretrain.name_the_strangers(model, tokenizer)
    pretrain.save(model, tokenizer, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (made / "model.safetensors").read_bytes()


def test_what_is_made_loads_as_every_part_of_a_study(made: Path) -> None:
    checkpoint = find_checkpoint(str(made))
    classifier = load_classifier(ModelSource(checkpoint, (0, 1)), 2, ("no", "yes"), seed=0)
    with safe_open(made / "model.safetensors", "pt") as file:
        pooler = file.get_tensor("bert.pooler.dense.weight").float()
    assert torch.equal(classifier.bert.pooler.dense.weight, pooler)  # pretrained, so not drawn anew
    assert len(classifier.bert.encoder.layer) == 2
    assert classifier.config.hidden_dropout_prob == pretrain.DROPOUT
    _, trained = load_masked_lm(ModelSource(checkpoint, (0, 1)), seed=0)
    assert trained


def test_the_shipped_checkpoint_is_what_the_script_makes(tokenizer: Any) -> None:
    folder = find_checkpoint(SHIPPED).path
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert vocabulary == tokenizer.get_vocab()
    how = json.loads((folder / "made.json").read_text(encoding="utf-8"))
    assert how["recipe"] == asdict(pretrain.PretrainingRecipe())
    assert (folder / "model.safetensors").stat().st_size < 5_000_000


@pytest.mark.parametrize("layers", [(0, 1), None])
def test_the_shipped_vocabulary_head_reads_both_layers(
    tokenizer: Any, layers: tuple[int, ...] | None
) -> None:
    network, trained = load_masked_lm(ModelSource(find_checkpoint(SHIPPED), layers), seed=0)
    assert trained
    passages = pretrain.encode(tokenizer, ((text,) for text in sentences(64, 99)))
    inputs, _ = passages.draw(torch.Generator().manual_seed(0), 64)
    ids = inputs["input_ids"]
    chosen = (torch.rand(ids.shape, generator=torch.Generator().manual_seed(1)) < 0.2) & (
        ids >= len(pretrain.SPECIAL)
    )
    shown = torch.where(chosen, pretrain.MASK, ids)
    with torch.no_grad():
        logits = network(shown, inputs["attention_mask"], inputs["token_type_ids"], chosen)
    assert (logits.argmax(dim=1) == ids[chosen]).double().mean() > 0.5

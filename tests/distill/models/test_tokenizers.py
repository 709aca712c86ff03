"""Tokenizers: pairs, truncation, vocabularies and use from two threads."""

from __future__ import annotations

import json
import shutil
import threading

import pytest

from families import make_family
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.tokenizers import Encoder, check_vocabularies, load_tokenizer, tokens_of
from matekd_bench.errors import CheckpointError
from rig import toy_examples, toy_task


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint):
    return Encoder(describe(tiny_checkpoint, id="tiny"), 12)


def test_a_text_becomes_ids_with_special_tokens_marked(encoder, tiny_checkpoint):
    vocabulary = (tiny_checkpoint / "vocab.txt").read_text().split("\n")
    (row,) = encoder([("The dog ran9",)])
    tokens = [vocabulary[number] for number in row.ids]
    assert tokens == ["[CLS]", "the", "dog", "r", "##a", "##n", "##9", "[SEP]"]
    assert row.special == [True, *[False] * 6, True]
    assert row.types == [0] * 8


def test_a_pair_has_two_kinds_of_tokens(encoder):
    (row,) = encoder([("the dog", "a cat sings")])
    assert row.types == [0, 0, 0, 0, 1, 1, 1, 1]
    assert row.special == [True, False, False, True, False, False, False, True]


def test_what_is_too_long_is_cut_from_the_longer_segment(encoder):
    (row,) = encoder([("the dog", "a cat " * 20)])
    assert len(row.ids) == 12
    assert row.types == [0] * 4 + [1] * 8
    assert encoder.decode(row.ids) == "the dog a cat a cat a cat a"


def test_an_empty_text_is_two_special_tokens_and_no_texts_are_no_rows(encoder):
    assert [row.special for row in encoder([("",)])] == [[True, True]]
    assert encoder([]) == []


def test_tokens_describe_the_vocabulary(encoder, tiny_checkpoint, other_vocabulary):
    tokens = encoder.tokens
    assert (tokens.pad, tokens.mask, tokens.special) == (0, 4, frozenset(range(5)))
    assert tokens.size == len((tiny_checkpoint / "vocab.txt").read_text().split())
    assert tokens_of(describe(tiny_checkpoint, id="x")) == tokens
    assert tokens_of(describe(other_vocabulary, id="y")).vocabulary != tokens.vocabulary


def test_models_of_one_vocabulary_go_together(tiny_checkpoint, other_vocabulary):
    ours, theirs = describe(tiny_checkpoint, id="ours"), describe(other_vocabulary, id="theirs")
    roles = {"student": (ours, tokens_of(ours)), "teacher": (ours, tokens_of(ours))}
    check_vocabularies(roles, "method 'matekd'")
    with pytest.raises(CheckpointError, match=r"'matekd'.*student 'ours'.*generator 'theirs'"):
        check_vocabularies({**roles, "generator": (theirs, tokens_of(theirs))}, "method 'matekd'")


def test_a_checkpoint_without_a_tokenizer_is_one_clear_line(tiny_checkpoint, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_checkpoint / name, tmp_path)
    with pytest.raises(CheckpointError, match="'bare'") as caught:
        load_tokenizer(describe(tmp_path, id="bare"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", ["[SEP]", None])
def test_a_tokenizer_without_padding_pads_with_its_end_token(tiny_checkpoint, tmp_path, end):
    folder = tmp_path / "no-pad"
    shutil.copytree(tiny_checkpoint, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "pad_token": None, "eos_token": end}))
    checkpoint = describe(folder, id="no-pad")
    if end is None:
        with pytest.raises(CheckpointError, match="'no-pad' has neither a padding token"):
            load_tokenizer(checkpoint)
        return
    encoder = Encoder(checkpoint, 12)
    assert encoder.tokens.pad == 3
    assert "'[SEP]'" in encoder.padding_note


def test_a_tokenizer_with_padding_has_no_note(encoder):
    assert encoder.padding_note is None


def test_an_empty_text_has_a_token_to_answer_from(tmp_path):
    encoder = Encoder(describe(make_family("gpt2", tmp_path / "gpt2"), id="gpt2"), 12)
    [empty, other] = encoder([("",), ("a dog",)])
    assert (empty.ids, empty.special) == ([encoder.tokens.pad], [True])
    assert len(other.ids) == 2


def test_one_tokenizer_serves_several_threads(encoder):
    """The background thread encodes perturbed text while an evaluation encodes dev: no "Already borrowed"."""
    texts = toy_examples(toy_task("pairs"), "train", 200).texts
    wanted = [[row] for row in encoder(texts)]
    found, start = {}, threading.Barrier(4)

    def work(number):
        start.wait()
        found[number] = [encoder([text]) for text in texts]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), wanted)

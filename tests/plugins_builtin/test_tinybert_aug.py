"""TinyBERT's augmentation: candidates against the whole model one word at a time, and what is drawn from them."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from matekd_plugins.tinybert_aug import TinyBertAugParams
from matekd_plugins.tinybert_aug import candidates as module
from matekd_plugins.tinybert_aug.augmentation import TinyBertAug
from matekd_plugins.tinybert_aug.candidates import Candidates, Slot

TEXT = "the Old man sees a zebra , red music"
ELIGIBLE = ["Old", "man", "sees", "zebra", "red", "music"]  # the others are stop words or no words


def made(lab, **params):
    return TinyBertAug(TinyBertAugParams(**params), lab.context)


def words_of(lab, text, slots):
    return [text[slot.start : slot.stop] for slot in slots]


def reference(lab, text, word, most):
    """The whole words among the most probable tokens at one word, by the whole model and the tokenizer itself."""
    tokenizer = lab.encoder._tokenizer
    masked = text.replace(word, "[MASK]")
    inputs = tokenizer(masked, text, return_tensors="pt")
    model = lab.session.parts.generator().model.eval()
    with torch.no_grad():
        logits = model(**inputs).logits[0, inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)]
    tokens = tokenizer.convert_ids_to_tokens(logits.topk(most).indices.tolist())
    whole = [
        token for token in tokens if not token.startswith("##") and token not in tokenizer.all_special_tokens
    ]
    return tuple(word if token == word.lower() else token for token in whole)


def test_candidates_are_the_whole_models_one_word_at_a_time(rig):
    lab = rig()
    slots = Candidates(lab.context, 15).find(TEXT)
    assert words_of(lab, TEXT, slots) == ELIGIBLE
    for word, slot in zip(ELIGIBLE, slots, strict=True):
        assert slot.words == reference(lab, TEXT, word, 15)
        assert (
            0 < len(slot.words) < 15
        )  # continuations of words, which are half of this vocabulary, are left out


def test_a_word_of_several_pieces_is_masked_as_one(rig):
    lab = rig()
    assert len(lab.encoder._tokenizer.tokenize("zebra")) == 5
    finder = Candidates(lab.context, 15)
    (ask,) = [ask for ask in finder._masked_words(TEXT) if TEXT[ask.start : ask.stop] == "zebra"]
    tokenizer = lab.encoder._tokenizer
    assert ask.ids == tokenizer(TEXT.replace("zebra", "[MASK]"), TEXT)["input_ids"]
    assert ask.types == tokenizer(TEXT.replace("zebra", "[MASK]"), TEXT)["token_type_ids"]
    assert ask.ids[ask.at] == tokenizer.mask_token_id


def test_the_cut_of_passes_changes_no_candidate(rig, monkeypatch):
    lab = rig("pairs")
    texts = [text for texts in lab.corpus.texts for text in texts]
    whole = Candidates(lab.context, 5)
    found = [whole.find(text) for text in texts]
    monkeypatch.setattr(module, "MAX_TOKENS", 60)
    other = rig("pairs")
    cut = Candidates(other.context, 5)
    assert [cut.find(text) for text in texts] == found
    assert other.meter.forwards()["generator"] > lab.meter.forwards()["generator"]


def test_an_answer_is_kept_for_other_runs_and_booked_in_each(rig, monkeypatch):
    monkeypatch.setattr(module, "_answers", {})
    labs = [rig(), rig()]
    finders = [Candidates(lab.context, 15) for lab in labs]
    first = finders[0].find(TEXT)

    def asked(*_):
        raise AssertionError("the generator is asked again")

    monkeypatch.setattr(type(finders[1]._model.module.network), "forward", asked)
    assert finders[1].find(TEXT) == first
    assert labs[0].meter.flops == labs[1].meter.flops > 0
    with pytest.raises(AssertionError, match="again"):
        finders[1].find("a zebra sees a dog")


def test_another_generator_gives_answers_of_its_own(rig):
    labs = [rig(), rig()]
    with torch.no_grad():
        finders = [Candidates(lab.context, 15) for lab in labs]
        for weight in finders[1]._model.module.parameters():
            weight.copy_(weight.roll(1))
    assert finders[0].find(TEXT) != finders[1].find(TEXT)


def test_reading_stops_at_the_cut(rig, monkeypatch):
    lab = rig()
    finder = Candidates(lab.context, 15)
    calls = []
    encode = lab.context.encode
    monkeypatch.setattr(lab.context, "encode", lambda texts: calls.append(texts) or encode(texts))
    counts = []
    for words in (40, 4000):
        calls.clear()
        finder.find(" ".join(["dog"] * words))
        counts.append(len(calls))
    assert counts[1] <= counts[0]


def test_batches_keep_within_their_bounds_and_lose_nothing(monkeypatch):
    monkeypatch.setattr(module, "MAX_TOKENS", 20)
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    asks = [SimpleNamespace(ids=[0] * length) for length in (9, 3, 3, 30, 2, 2, 2, 9)]
    batches = list(module._batches(asks))
    assert [len(ask.ids) for batch in batches for ask in batch] == [2, 2, 2, 3, 3, 9, 9, 30]
    assert [len(batch) for batch in batches] == [3, 2, 2, 1]


def test_what_preparing_costs_is_booked_and_nothing_is_trained(rig):
    lab = rig()
    method = made(lab)
    before = {key: value.clone() for key, value in lab.context.trained[0].module.state_dict().items()}
    assert lab.meter.flops == 0
    method.prepare([TEXT, TEXT])
    cost = lab.meter.flops
    assert cost > 0
    method.prepare([TEXT])
    assert lab.meter.flops == cost
    assert lab.meter.forwards() == {"generator": 1}
    lab.update(method, lab.batch(method, range(8)))
    module_ = lab.context.trained[0].module
    assert all(value.equal(before[key]) for key, value in module_.state_dict().items())
    assert not any(weight.requires_grad for weight in module_.parameters())
    assert not module_.network.training


def test_preparing_ahead_changes_no_result(rig):
    early, late = made(rig()), made(rig())
    early.prepare([TEXT, "a dog runs"])
    for seed in range(30):
        assert early.perturb(TEXT, random.Random(seed)) == late.perturb(TEXT, random.Random(seed))


def with_slots(lab, words=("x", "y"), **params):
    """The method with candidates of our own at the eligible words."""
    method = made(lab, **params)
    slots = [Slot(TEXT.index(word), TEXT.index(word) + len(word), tuple(words)) for word in ELIGIBLE]
    method._slots[TEXT] = tuple(slots)
    return method


@pytest.mark.parametrize("rate", [0.4, 0.9])
def test_each_word_is_replaced_with_the_rate_by_each_candidate_as_often(rig, rate):
    method = with_slots(rig(), replace_rate=rate, versions=4000)
    seen: Counter[str] = Counter()
    for seed in range(2000):
        new = method.perturb(TEXT, random.Random(seed)).split()
        seen.update(word for word in new if word in "xy")
        assert [word for word in new if word not in "xyz"] == [w for w in new if w in TEXT.split()]
    number = 2000 * len(ELIGIBLE)
    for word in "xy":
        share = rate / 2
        assert abs(seen[word] - number * share) < 6 * (number * share * (1 - share)) ** 0.5


def test_a_rate_of_one_replaces_every_eligible_word_and_nothing_else(rig):
    method = with_slots(rig(), words=("new word",), replace_rate=1.0)
    expected = " ".join("new word" if word in ELIGIBLE else word for word in TEXT.split())
    assert method.perturb(TEXT, random.Random(0)) == expected


def test_there_are_as_many_versions_as_asked_for_whatever_the_seed(rig):
    method = with_slots(rig(), words=[f"w{n}" for n in range(50)], replace_rate=1.0, versions=7)
    seen = {method.perturb(TEXT, random.Random(seed)) for seed in range(300)}
    assert len(seen) == 7
    other = with_slots(rig(rows=16), words=[f"w{n}" for n in range(50)], replace_rate=1.0, versions=7)
    assert {other.perturb(TEXT, random.Random(seed)) for seed in range(900, 1200)} == seen


@pytest.mark.parametrize(
    ("task", "versions"), [("cola", 30), ("mnli", 10), ("mini-qqp", 10), ("sst2", 20), ("wnli", 20)]
)
def test_the_number_of_versions_is_the_released_codes_for_the_task(rig, task, versions):
    lab = rig()
    lab.context.task = SimpleNamespace(name=task)
    assert made(lab).versions == versions


def test_pairs_are_rewritten_segment_by_segment(rig):
    lab = rig("pairs")
    method = made(lab, replace_rate=1.0)
    batch = lab.batch(method, range(8))
    for texts, (row,) in zip(lab.corpus.texts, batch.prepared, strict=False):
        for before, after in zip(texts, row.texts, strict=True):
            assert len(before.split()) == len(after.split())
            slots = method._slots[before]
            assert words_of(lab, before, slots) == [
                w for w in before.split() if w in words_of(lab, before, slots)
            ]
    assert any(row.edits for (row,) in batch.prepared)
    lab.update(method, batch)
    assert lab.context.diagnostics()["words_changed"] > 0


@pytest.mark.parametrize("text", ["", "  ", "the of", "😀 ...", "1 2nd", "don't", "word " * 200])
def test_strange_texts_pass_through(rig, text):
    method = made(rig(), replace_rate=1.0)
    new = method.perturb(text, random.Random(1))
    assert bool(new.strip()) == bool(text.strip())


def test_words_beyond_the_length_of_the_model_stay(rig):
    text = " ".join(["dog"] * 40)  # a pair of two such is cut at 32 tokens
    method = made(rig(), replace_rate=1.0)
    method.prepare([text])
    assert 10 < len(method._slots[text]) <= 15


def test_teacher_and_student_may_read_different_vocabularies(rig, other_vocabulary):
    lab = rig("pairs", teacher=other_vocabulary)
    method = made(lab)
    assert lab.update(method, lab.batch(method, range(8))) > 0

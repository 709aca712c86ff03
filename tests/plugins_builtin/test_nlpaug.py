"""The family `nlpaug:NAME`: nlpaug's own results from a private generator."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys

import nlpaug
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nlpaug.augmenter import char, sentence, word
from nlpaug.augmenter.char import KeyboardAug, OcrAug, RandomCharAug
from nlpaug.augmenter.word import RandomWordAug, SpellingAug, SplitAug
from pydantic import ValidationError

from matekd_bench.methods.grammar import parse
from matekd_bench.methods.params import resolve
from matekd_bench.plugins.host import Host
from matekd_plugins.nlpaug import matekd_bench_methods

TEXT = "A deep and meaningful film, because it isn't trying to receive any prizes."
STRANGE = ["", "  ", "a", "7", "word", "...", "!", "😀", "don't", "\u00df", "word " * 1000, "ABCD"]
RECORDS = {record.name: record for record in matekd_bench_methods() if record.refused is None}
NAMES = sorted(RECORDS)


def make(name, **settings):
    """A method of the family, outside any run."""
    record = RECORDS[name]
    return record.factory(record.params(**settings), None)


@pytest.fixture(scope="module")
def methods():
    return {name: make(name) for name in NAMES}


OFFERED = {
    "RandomWordAug": {"swap", "delete", "substitute"},
    "SpellingAug": {"spelling"},
    "SplitAug": {"split"},
    "KeyboardAug": {"keyboard"},
    "OcrAug": {"ocr"},
    "RandomCharAug": {"char-swap", "char-delete", "char-insert", "char-substitute"},
}
NOT_OFFERED = {
    "RandomWordAug": {"crop"},
    "SynonymAug": {"synonym"},
    "AntonymAug": {"antonym"},
    "ReservedAug": {"reserved"},
    "ContextualWordEmbsAug": {"contextual"},
    "WordEmbsAug": {"word-embs"},
    "TfIdfAug": {"tfidf"},
    "BackTranslationAug": {"back-translation"},
    "RandomSentAug": {"sentence-random"},
    "ContextualWordEmbsForSentenceAug": {"sentence-contextual"},
    "AbstSummAug": {"abst-summ"},
    "LambadaAug": {"lambada"},
}


def named(table):
    return {f"nlpaug:{name}" for names in table.values() for name in names}


def test_every_augmenter_of_nlpaug_for_text_is_offered_or_refused():
    classes = {name for part in (char, sentence, word) for name in vars(part) if name.endswith("Aug")}
    assert classes == {*OFFERED, *NOT_OFFERED}
    assert set(NAMES) == named(OFFERED)
    assert {one.name for one in matekd_bench_methods() if one.refused} == named(NOT_OFFERED)


def test_what_is_refused_names_a_method_that_comes_near():
    host = Host.load(only_builtin=True)
    for record in matekd_bench_methods():
        if record.refused:
            text = re.search(r"; '([a-z:-]+(?:\[.*?\])?)'", record.refused)[1]
            (ref,) = parse(text)
            assert resolve(ref, host.method(ref.name).record, {}).variant == text


@pytest.mark.parametrize("text", ["one", "one two", "one two three"])
def test_crop_fails_on_short_texts_in_this_nlpaug(text):
    """Where this stops being so the method can be offered."""
    crop = RandomWordAug(action="crop")
    draws = random.Random(0)
    crop.sample = lambda items, number: (
        [1] if items == [-1, 1] else draws.sample(items, number)
    )  # to the right
    with pytest.raises(ValueError, match="larger than population"):
        crop.augment(text)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_global_generators_stay_untouched(methods, name):
    method = methods[name]
    states = random.getstate(), repr(np.random.get_state())
    first = [method.perturb(TEXT, random.Random(seed)) for seed in range(20)]
    assert (random.getstate(), repr(np.random.get_state())) == states
    random.seed(99)
    np.random.seed(99)
    assert first == [method.perturb(TEXT, random.Random(seed)) for seed in range(20)]
    random.setstate(states[0])
    assert len(set(first)) > 10


def test_the_results_are_those_of_nlpaug_under_the_same_seed(methods):
    from nlpaug.augmenter.char import KeyboardAug, OcrAug, RandomCharAug

    originals = {
        "nlpaug:swap": RandomWordAug(action="swap"),
        "nlpaug:delete": RandomWordAug(action="delete"),
        "nlpaug:keyboard": KeyboardAug(),
        "nlpaug:ocr": OcrAug(),
        "nlpaug:substitute": RandomWordAug(action="substitute"),
        **{
            f"nlpaug:char-{do}": RandomCharAug(action=do) for do in ("swap", "delete", "insert", "substitute")
        },
    }
    state = random.getstate()
    for name, original in originals.items():
        for seed in range(10):
            random.seed(seed)
            (expected,) = original.augment(TEXT)
            assert methods[name].perturb(TEXT, random.Random(seed)) == expected
    random.setstate(state)


def test_split_cuts_long_words_anywhere_inside(methods):
    seen = set()
    for seed in range(400):
        new = methods["nlpaug:split"].perturb("an abcdef", random.Random(seed))
        assert new.replace(" ", "") == "anabcdef"
        seen.add(new)
    assert seen == {
        f"an {'abcdef'[:cut]} {'abcdef'[cut:]}" for cut in range(1, 5)
    }  # as nlpaug: never the last one
    assert methods["nlpaug:split"].perturb("an old cat", random.Random(0)) == "an old cat"


def test_aug_p_sets_the_share_of_words():
    text = "one two three four five six seven eight nine ten"
    assert len(make("nlpaug:delete", aug_p=0.8).perturb(text, random.Random(0)).split()) in (2, 3)
    assert len(make("nlpaug:delete", aug_p=0.8, aug_max=1).perturb(text, random.Random(0)).split()) == 9


@pytest.mark.parametrize("name", NAMES)
def test_strange_texts_neither_crash_nor_vanish(methods, name):
    strongest = {
        key: 1.0 for key in ("aug_p", "aug_char_p", "aug_word_p") if key in RECORDS[name].params.model_fields
    }
    for method in (methods[name], make(name, **strongest)):
        for text in STRANGE:
            for seed in range(3):
                new = method.perturb(text, random.Random(seed))
                assert bool(new.strip()) == bool(text.strip())


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=100), seed=st.integers(0, 2**63 - 1), name=st.sampled_from(NAMES))
def test_any_text_gives_text(methods, text, seed, name):
    new = methods[name].perturb(text, random.Random(seed))
    assert bool(new.strip()) == bool(text.strip())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("nlpaug:swap", {"aug_p": 0}),
        ("nlpaug:swap", {"aug_p": 1.1}),
        ("nlpaug:swap", {"aug_min": 5, "aug_max": 2}),
        ("nlpaug:swap", {"aug_char_p": 0.1}),
        ("nlpaug:char-swap", {"min_char": 1}),
        ("nlpaug:split", {"min_char": 2}),
        ("nlpaug:keyboard", {"aug_word_min": 11}),
    ],
)
def test_parameters_out_of_bounds_are_refused(name, wrong):
    with pytest.raises(ValidationError):
        RECORDS[name].params(**wrong)


def test_defaults_are_those_of_nlpaug(methods):
    originals = {
        "nlpaug:swap": RandomWordAug(action="swap"),
        "nlpaug:spelling": SpellingAug(),
        "nlpaug:split": SplitAug(),
        "nlpaug:keyboard": KeyboardAug(),
        "nlpaug:ocr": OcrAug(),
        "nlpaug:char-swap": RandomCharAug(action="swap"),
    }
    for name, original in originals.items():
        for key, value in RECORDS[name].params().model_dump(exclude={"segments"}).items():
            assert getattr(original, key) == value, (name, key)


def test_the_version_of_nlpaug_is_a_resource():
    record = RECORDS["nlpaug:swap"]
    assert record.resources(record.params()) == {"nlpaug": nlpaug.__version__}


PROGRAM = """
import random
from matekd_plugins.nlpaug import matekd_bench_methods
record = next(record for record in matekd_bench_methods() if record.name == "nlpaug:spelling")
method = record.factory(record.params(aug_p=0.9), None)
misspelled = [method.perturb({text!r}, random.Random(seed)) for seed in range(50)]
"""


@pytest.mark.full
def test_misspellings_do_not_depend_on_the_hash_seed():
    program = PROGRAM.format(text=TEXT)
    here: dict[str, list[str]] = {}
    exec(program, here)  # under whatever seed this process has
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    env = {**os.environ, "PYTHONHASHSEED": other, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", f"{program}\nprint(*misspelled, sep='\\n')"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == here["misspelled"]


def test_announcing_the_family_loads_neither_nlpaug_nor_torch():
    program = (
        "import sys; from matekd_plugins.nlpaug import matekd_bench_methods as hook; list(hook());"
        "print(sorted({'nlpaug', 'torch', 'transformers', 'nltk', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

"""The method `eda`: parameters, draws, strange input and independence of the hash seed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from matekd_plugins.eda import EDA, EDAParams

TEXT = "The big movie is a very funny story about a strange child and his friend ."
STRANGE = [
    "",
    " \n",
    "7",
    "12 34",
    "word",
    "the of and",
    "😀 🎬",
    "don't",
    "word " * 1000,
    "\u202eabc\x00",
    "!" * 5000,
]


def make(**settings):
    """`eda` with the embedded thesaurus, outside any run."""
    return EDA(EDAParams(thesaurus="embedded", **settings), None)


METHODS = {
    f"{variant}-{alpha}": make(variant=variant, alpha=alpha)
    for variant in ("fixed", "official")
    for alpha in (0.1, 1.0)
}


def only(name, **settings):
    return make(**{other: other == name for other in ("synonym", "insert", "swap", "delete")}, **settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0},
        {"alpha": 1.5},
        {"alpha_rd": -0.1},
        {"alpha": float("nan")},
        {"num_aug": 0},
        {"variant": "mine"},
        {"segments": "third"},
        {"thesaurus": "roget"},
        {"beta": 1},
        {"synonym": False, "insert": False, "swap": False, "delete": False},
    ],
)
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError):
        EDAParams(**wrong)


def test_operations_are_drawn_uniformly():
    method = make()
    words = len(TEXT.split())
    seen: Counter[str] = Counter()
    for seed in range(4000):
        new = method.perturb(TEXT, random.Random(seed)).split()
        if sorted(new) == sorted(TEXT.split()) and new != TEXT.split():
            seen["swap"] += 1
        elif set(new) <= set(TEXT.split()) and len(new) < words:
            seen["delete"] += 1
    # a quarter each; swapping "a" with "a" and deleting nothing leave the text as it is
    swap = 1 - 1 / (words * (words - 1) / 2)
    delete = 1 - 0.9**words
    for name, share in (("swap", swap / 4), ("delete", delete / 4)):
        assert abs(seen[name] - 4000 * share) < 4 * (4000 * share * (1 - share)) ** 0.5, name


@pytest.mark.parametrize("name", ["synonym", "insert", "swap", "delete"])
def test_one_operation_alone_does_only_that(name):
    old = TEXT.split()
    for seed in range(100):
        new = only(name).perturb(TEXT, random.Random(seed)).split()
        allowed = {
            "synonym": len(new) >= len(old) and sum(word in old for word in new) == len(old) - 1,
            "insert": len(new) > len(old),
            "swap": sorted(new) == sorted(old),
            "delete": len(new) <= len(old),
        }
        assert allowed[name], new


def test_a_strength_of_its_own_overrides_alpha():
    method = only("delete", alpha=0.01, alpha_rd=1.0)
    assert len(method.perturb(TEXT, random.Random(0)).split()) == 1
    assert EDA.resources(method.params) == {}  # deletion needs no thesaurus


def test_a_text_that_nothing_changes_comes_back_as_it_was():
    text = "  the\tof  and\n"
    assert only("synonym").perturb(text, random.Random(0)) == text
    assert only("insert").perturb(text, random.Random(0)) == text


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=200), seed=st.integers(0, 2**63 - 1), name=st.sampled_from(sorted(METHODS)))
def test_any_text_gives_the_same_text_for_the_same_seed(text, seed, name):
    method = METHODS[name]
    new = method.perturb(text, random.Random(seed))
    assert new == method.perturb(text, random.Random(seed))
    assert bool(new.strip()) == bool(text.strip())


PIECES = [
    *"😀🎬👩\u200d👧é\u0301\u202e\x00\t\n  .,!'-_’",
    *("the", "of", "film", "good", "GOOD", "naïve", "фильм", "映画", "سينما", "ß", "don't", "7", "1,000.5", "e-mail"),
    *("a" * 200, "\ud800"),
]  # fmt: skip


def strange(rng):
    """A text of the pieces above: mostly short, now and then of a thousand words."""
    count = rng.choice([0, 1, 1, 2, 3, 5, 8, 13, 21, 1000]) if rng.random() < 0.02 else rng.randrange(9)
    return rng.choice(["", " ", "  "]).join(rng.choices(PIECES, k=count))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**63 - 1))
def test_ten_thousand_strange_texts_neither_crash_nor_vanish(seed):
    """Empty, emoji, digits, stop words, mixed scripts, lone surrogates, a thousand words: 20 times 500 and more."""
    rng = random.Random(seed)
    for method in METHODS.values():
        for text in (*STRANGE, *(strange(rng) for _ in range(125))):
            state = rng.randrange(2**63)
            new = method.perturb(text, random.Random(state))
            assert bool(new.strip()) == bool(text.strip()), (text, state)


@pytest.mark.parametrize("workers", [1, 4])
def test_results_do_not_depend_on_the_number_of_workers(workers):
    rng = random.Random(5)
    texts = [strange(rng) for _ in range(400)] + [TEXT] * 100

    def rewritten(at):
        return method.perturb(texts[at], random.Random(at))

    method = make(alpha=0.3)
    alone = [rewritten(at) for at in range(len(texts))]
    method = make(alpha=0.3)  # its cache of synonyms is empty again
    with ThreadPoolExecutor(workers) as pool:
        assert list(pool.map(rewritten, range(len(texts)))) == alone


def test_looking_words_up_ahead_changes_no_result():
    ahead, late = make(), make()
    ahead.prepare([TEXT])
    for seed in range(50):
        assert ahead.perturb(TEXT, random.Random(seed)) == late.perturb(TEXT, random.Random(seed))


PROGRAM = """
import random
from matekd_plugins.eda import EDA, EDAParams
for variant in ("fixed", "official"):
    method = EDA(EDAParams(thesaurus="embedded", variant=variant, alpha=0.3), None)
    for seed in range(200):
        print(method.perturb({text!r}, random.Random(seed)))
    for text in {strange!r}:
        print(ascii(method.perturb(text, random.Random(7))))
"""


def test_results_do_not_depend_on_the_hash_seed():
    printed = set()
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", PROGRAM.format(text=TEXT, strange=STRANGE)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        printed.add(done.stdout)
    assert len(printed) == 1
    assert len(set(printed.pop().splitlines())) > 100

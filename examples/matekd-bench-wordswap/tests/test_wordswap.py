"""The contract of every matekd-bench method, and tests for this one alone."""

import random

from matekd_bench_wordswap import kitchen
from matekd_bench_wordswap.method import WordSwap, WordSwapParams

from matekd_bench.testing import contract_tests

test_contract = contract_tests(WordSwap, thesaurus="embedded")


def test_words_with_synonyms_are_replaced() -> None:
    method = WordSwap(WordSwapParams(rate=1.0, thesaurus="embedded"), None)
    text = method.perturb("the film is great", random.Random(0))
    assert text.split()[0] == "the"
    assert text != "the film is great"


def test_a_rate_of_zero_changes_nothing() -> None:
    method = WordSwap(WordSwapParams(rate=0.0, thesaurus="embedded"), None)
    assert method.perturb("a great film", random.Random(0)) == "a great film"


def test_the_kitchen_has_words() -> None:
    assert kitchen().synonyms("good") == ("delicious", "tasty")

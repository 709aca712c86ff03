"""The four operations of EDA, variant by variant, on a thesaurus of a few words."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from matekd_bench import Synonyms
from matekd_plugins.eda.official import OfficialOperations
from matekd_plugins.eda.operations import Operations, count, sample
from matekd_plugins.eda.synonym_lookup import STOP_WORDS, Lexicon

WORDS = {
    "film": ["movie", "Motion_Picture", "film"],
    "good": ["fine", "well-made", "fine"],
    "about": ["around"],  # a stop word with a synonym
}
SMALL = Synonyms("small", lambda word: WORDS.get(word, ()))
LETTERS = [f"w{letter}" for letter in "abcdefghij"]


def draws(operation, words, alpha, number=4000):
    """How often each result comes out of one operation, over many seeds of one generator."""
    rng = random.Random(0)
    return Counter(tuple(operation(list(words), alpha, rng)) for _ in range(number))


def close(seen: int, number: int, share: float) -> bool:
    """Whether a count agrees with a binomial share within four standard deviations."""
    return abs(seen - number * share) < 4 * (number * share * (1 - share)) ** 0.5 + 1e-9


@pytest.mark.parametrize(
    ("alpha", "length", "edits"), [(0.1, 1, 1), (0.1, 19, 1), (0.1, 20, 2), (0.5, 5, 2), (1.0, 7, 7)]
)
def test_number_of_edits_is_the_floor_and_at_least_one(alpha, length, edits):
    assert count(alpha, ["w"] * length) == edits


def test_sample_takes_distinct_items_each_equally_often():
    rng = random.Random(0)
    seen = Counter(item for _ in range(3000) for item in sample(list("abcde"), 2, rng))
    assert sample(list("ab"), 5, rng) in (["a", "b"], ["b", "a"])
    assert all(close(seen[letter], 3000, 2 / 5) for letter in "abcde")


def test_fixed_replacement_draws_uniformly_from_the_synonyms_of_words_that_have_any():
    seen = draws(Operations(SMALL).replace, ["a", "good", "x", "film"], 0.1)
    quarter = ["fine", "well-made"], ["movie", "Motion Picture"]
    expected = {("a", word, "x", "film") for word in quarter[0]} | {("a", "good", "x", w) for w in quarter[1]}
    assert set(seen) == expected
    assert all(close(number, 4000, 1 / 4) for number in seen.values())


def test_fixed_replacement_makes_as_many_edits_as_asked_at_distinct_positions():
    words = ["film"] * 10 + ["the"] * 10
    for result in draws(Operations(SMALL).replace, words, 0.25, number=200):
        assert sum(new != old for new, old in zip(result, words, strict=True)) == 5


def test_fixed_keeps_case_punctuation_and_digits_and_skips_stop_words():
    operations = Operations(SMALL)
    text = "About 3 FILM2 'Film' (GOOD), 's n't ..."
    replaced = {" ".join(words) for words in draws(operations.replace, text.split(), 1.0, number=300)}
    assert replaced == {
        f"About 3 FILM2 '{film}' ({good}), 's n't ..."
        for film in ("Movie", "Motion Picture")
        for good in ("FINE", "WELL-MADE")
    }
    assert operations.join(text.split(), f"  {text}\n") == f"  {text}\n"


def test_fixed_insertion_reaches_both_ends_and_uses_every_synonym():
    seen = draws(Operations(SMALL).insert, ["the", "film"], 0.1)
    expected = {
        result
        for new in ("movie", "Motion Picture")
        for result in ((new, "the", "film"), ("the", new, "film"), ("the", "film", new))
    }
    assert set(seen) == expected
    assert all(close(number, 4000, 1 / 6) for number in seen.values())


def test_fixed_insertion_adds_as_many_synonyms_as_asked():
    assert {len(words) for words in draws(Operations(SMALL).insert, ["good"] * 20, 0.2, number=50)} == {24}


def test_fixed_swap_always_exchanges_two_distinct_positions_uniformly():
    seen = draws(Operations(None).swap, ["a", "b", "c"], 0.1)
    assert set(seen) == {("b", "a", "c"), ("c", "b", "a"), ("a", "c", "b")}
    assert all(close(number, 4000, 1 / 3) for number in seen.values())
    assert set(draws(Operations(None).swap, ["one"], 1.0, number=20)) == {("one",)}


@pytest.mark.parametrize("kind", [Operations, OfficialOperations])
def test_deletion_keeps_a_word_with_probability_one_minus_alpha_and_never_all_go(kind):
    delete = kind(None).delete
    seen = draws(delete, LETTERS, 0.3)
    kept = sum(len(words) * number for words, number in seen.items())
    assert close(kept, 4000 * len(LETTERS), 0.7)
    last = draws(delete, ["a", "b", "c"], 1.0)
    assert set(last) == {("a",), ("b",), ("c",)}
    assert all(close(number, 4000, 1 / 3) for number in last.values())
    assert set(draws(delete, ["one"], 1.0, number=20)) == {("one",)}


@pytest.mark.parametrize(("length", "number"), [(2, 8000), (3, 8000), (10, 40000)])
def test_official_swap_is_a_no_op_with_probability_n_to_the_minus_three(length, number):
    words = LETTERS[:length]
    still = draws(OfficialOperations(None).swap, words, 0.1, number)[tuple(words)]
    assert close(still, number, length**-3)


def test_official_replacement_replaces_every_occurrence_and_skips_stop_words():
    seen = draws(OfficialOperations(SMALL).replace, ["film", "about", "a", "film"], 1.0)
    assert set(seen) == {(new, "about", "a", new) for new in ("movie", "motion picture")}
    assert all(close(number, 4000, 1 / 2) for number in seen.values())


def test_official_insertion_takes_the_first_synonym_of_any_word_and_never_ends_the_text():
    insert = OfficialOperations(SMALL).insert
    seen = draws(insert, ["film", "good"], 0.1)
    assert set(seen) == {
        result
        for new in ("motion picture", "fine")
        for result in ((new, "film", "good"), ("film", new, "good"))
    }
    assert all(close(number, 4000, 1 / 4) for number in seen.values())
    assert "about" in STOP_WORDS
    assert set(draws(insert, ["about"], 0.1, number=20)) == {("around", "about")}
    assert set(draws(insert, ["x", "y"], 1.0, number=20)) == {("x", "y")}


def test_official_insertion_gives_up_after_nine_words_without_a_synonym():
    words = ["film"] + ["x"] * 9
    unchanged = draws(OfficialOperations(SMALL).insert, words, 0.1)[tuple(words)]
    assert close(unchanged, 4000, 0.9**9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's a Well-Made film, #1!", ["its", "a", "well", "made", "film"]),
        ("don\u2019t\tstop\n2 caf\u00e9", ["dont", "stop", "caf"]),
        ("3.14 !?", []),
    ],
)
def test_official_cleaning(text, words):
    assert OfficialOperations(None).split(text) == words


def test_official_synonyms_are_cleaned_as_the_text_is():
    written = ["Carbon-14_dating", "1", "it's", "X", "x"]
    operations = OfficialOperations(Synonyms("numbers", lambda word: written))
    assert operations.synonyms["x"] == ("carbon dating", "its")


def test_operations_leave_their_input_alone():
    for operations in (Operations(SMALL), OfficialOperations(SMALL)):
        for operation in (operations.replace, operations.insert, operations.swap, operations.delete):
            words = ["a", "good", "film", "x"]
            operation(words, 1.0, random.Random(2))
            assert words == ["a", "good", "film", "x"]


def test_the_thesaurus_is_asked_once_for_each_lower_cased_word():
    asked = []

    def lookup(word):
        asked.append(word)
        return WORDS.get(word, ())

    lexicon = Lexicon(Synonyms("counting", lookup))
    for word in ["Film", "FILM,", "film", "film", "the", "7", "x", "\u201cgood\u201d"]:
        lexicon[word]
    assert asked == ["film", "good"]

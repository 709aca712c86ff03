"""Forms of words, and the thesaurus that goes with them."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest

from matekd_tasks.mini import thesaurus
from matekd_tasks.mini.lexicon import (
    DEALINGS,
    DEEDS,
    LOOKS,
    MOODS,
    THINGS,
    doable,
    fitting,
    plural,
    siblings,
)
from matekd_tasks.mini.splits import TASKS, rows, sizes
from matekd_tasks.mini.vocabulary import words_in


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("car", "cars"),
        ("lorry", "lorries"),
        ("toy", "toys"),
        ("bus", "buses"),
        ("peach", "peaches"),
        ("trout", "trout"),
        ("scarf", "scarves"),
        ("axe", "axes"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    "forms",
    [
        "buy buys bought bought buying",
        "purchase purchases purchased purchased purchasing",
        "steal steals stole stolen stealing",
        "wash washes washed washed washing",
        "scrub scrubs scrubbed scrubbed scrubbing",
        "fix fixes fixed fixed fixing",
        "teach teaches taught taught teaching",
    ],
)
def test_verbs(forms: str) -> None:
    verbs = {verb.base: verb for action in (*DEEDS, *DEALINGS) for verb in action.verbs}
    base, third, past, part, ing = forms.split()
    verb = verbs[base]
    assert (verb.third, verb.past, verb.part, verb.ing) == (third, past, part, ing)


def test_opposites_point_at_each_other() -> None:
    pairs = {adjective.words: adjective.opposite for adjective in (*LOOKS, *MOODS)}
    assert all(pairs[opposite] == words for words, opposite in pairs.items())


def test_things_can_be_dealt_with() -> None:
    for action in DEEDS:
        assert len(doable(action)) >= 3
    for thing in THINGS:
        assert siblings(thing), thing
        assert len(fitting(thing)) >= 6
        assert sum(thing in doable(action) for action in DEEDS) >= 4


def test_no_word_has_two_meanings() -> None:
    nouns = Counter(word for thing in THINGS for word in {*thing.words, thing.kind})
    kinds = {thing.kind for thing in THINGS}
    assert [word for word, count in nouns.items() if count > 1 and word not in kinds] == []


def test_the_thesaurus_file_agrees_with_the_lexicon() -> None:
    stored = (files("matekd_tasks.mini") / "synonyms.txt").read_text(encoding="utf-8")
    assert stored == thesaurus.text(), "thesaurus.text() makes synonyms.txt"


def test_every_synonym_is_used_in_the_tasks() -> None:
    used = set(
        words_in(
            text for task in TASKS for split in sizes(task) for row in rows(task, split).texts for text in row
        )
    )
    assert [word for group in thesaurus.groups() for word in group if word not in used] == []


def test_a_word_is_in_one_group_but_for_past_and_participle() -> None:
    counts = Counter(word for group in thesaurus.groups() for word in group)
    assert {word for word, count in counts.items() if count > 1} == {"concealed", "selected", "sketched"}

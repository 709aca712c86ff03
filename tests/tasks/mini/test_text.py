"""The texts read as English: articles, capitals, full stops, length and vocabulary."""

from __future__ import annotations

import re

import pytest

from matekd_tasks.mini import corpus
from matekd_tasks.mini.splits import TASKS, rows, sizes
from matekd_tasks.mini.vocabulary import namesakes, word_list, words_in
from matekd_tasks.mini.world import MEMORIES, NEWS


def texts_of(task: str) -> list[str]:
    return [text for split in sizes(task) for row in rows(task, split).texts for text in row]


@pytest.fixture(scope="module")
def corpus_texts() -> list[str]:
    passages = list(corpus.sentences(2000, seed=3))
    return passages + [text for exercise in corpus.exercises(2000, seed=3) for text in exercise.texts]


def mistakes(text: str) -> list[str]:
    """What an English teacher would mark in any sentence, a grammatical one or not."""
    wrong = (
        r"\b[Aa] (?!one\b)[aeiou]\w+",
        r"\b[Aa]n (?!honest)[^aeiou\W]\w*",
        r"(?i)\b(?!that\b)(\w+) \1\b",
        r"  | [.,?]|,,|[{}]",
        r"^[a-z]|[.?] [a-z]",
        r"[^.?]$",
    )
    return [pattern for pattern in wrong if re.search(pattern, text)]


@pytest.mark.parametrize("source", [*TASKS, "corpus"])
def test_spelling(source: str, corpus_texts: list[str]) -> None:
    texts = corpus_texts if source == "corpus" else texts_of(source)
    assert {text: mistakes(text) for text in texts if mistakes(text)} == {}


@pytest.mark.parametrize(
    "wrong", ["He has a apple.", "An man sat.", "he sat.", "He sat", "The the man.", "Oh . No."]
)
def test_mistakes_are_found(wrong: str) -> None:
    assert mistakes(wrong)


@pytest.mark.parametrize("task", [task for task in TASKS if task != "cola"])
def test_subjects_and_verbs_agree(task: str) -> None:
    singular = r"\b(?:every|no|a|an) \w+ (?:in|at) (?:the )?\w+ were\b"
    several = r"\b(?:all the|some of the|several) \w+ (?:in|at) (?:the )?\w+ was\b"
    assert [text for text in texts_of(task) if re.search(f"{singular}|{several}", text)] == []


@pytest.mark.parametrize("task", TASKS)
def test_texts_are_short(task: str) -> None:
    lengths = [len(text.split()) for text in texts_of(task)]
    assert min(lengths) >= 3
    assert max(lengths) <= 30


def test_every_word_is_in_the_word_list(corpus_texts: list[str]) -> None:
    known = set(word_list())
    used = set(words_in([text for task in TASKS for text in texts_of(task)]))
    assert used - known == set()
    assert set(words_in(corpus_texts)) - known == set()
    assert 500 <= len(used) <= 800
    assert len(word_list()) == len(known) <= 1050
    assert list(word_list()) == sorted(known)


def test_tasks_and_corpus_share_no_name(corpus_texts: list[str]) -> None:
    ours, theirs = ({*world.people, *world.towns} for world in (NEWS, MEMORIES))
    assert not ours & theirs
    tasks = " ".join(text for task in TASKS for text in texts_of(task))
    used = set(re.findall(r"[A-Za-z]+", tasks))
    assert ours <= used
    assert not theirs & used
    assert not ours & set(re.findall(r"[A-Za-z]+", " ".join(corpus_texts)))


def test_tasks_and_corpus_share_no_single_sentence(corpus_texts: list[str]) -> None:
    assert not {text for task in TASKS for text in texts_of(task)} & set(corpus_texts)


def test_every_name_of_the_tasks_has_a_namesake_of_its_own() -> None:
    found = namesakes()
    assert set(found) == {name.lower() for name in (*NEWS.people, *NEWS.towns)}
    assert set(found.values()) == {name.lower() for name in (*MEMORIES.people, *MEMORIES.towns)}
    assert (found["anna"], found["adam"], found["ashford"]) == ("amina", "alan", "lindow")

"""The corpus for pretraining: deterministic, in other frames than the tasks', with the skills they need."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from matekd_tasks.mini.corpus import EXERCISES, exercises, sentences
from matekd_tasks.mini.texts import answers, paraphrase, sentiment
from matekd_tasks.mini.texts.passages import PASSAGES, Draw
from matekd_tasks.mini.world import LATER, LETTERS, NEWS, TENSES, Dice


def test_the_same_seed_gives_the_same_text() -> None:
    assert list(sentences(50, seed=1)) == list(islice(sentences(80, seed=1), 50))
    assert list(sentences(50, seed=1)) != list(sentences(50, seed=2))
    assert list(exercises(50, seed=1)) == list(islice(exercises(80, seed=1), 50))
    assert list(exercises(50, seed=1)) != list(exercises(50, seed=2))


def test_exercises_come_in_turn_with_balanced_targets() -> None:
    found = list(exercises(4000, seed=5))
    assert Counter(exercise.name for exercise in found) == dict.fromkeys(EXERCISES, 500)
    pairs = {"same-meaning", "follows", "supported", "overlap"}
    segments = {(exercise.name, len(exercise.texts)) for exercise in found}
    assert {*((name, 2) for name in pairs), ("acceptable", 1), ("attitude", 1)} <= segments
    assert len(segments) == len(EXERCISES)
    for name, outputs in EXERCISES.items():
        targets = [exercise.target for exercise in found if exercise.name == name]
        if outputs == 1:
            assert min(targets) == 0.0
            assert max(targets) == 1.0
            assert all(isinstance(target, float) for target in targets)
        else:
            counts = Counter(targets)
            assert set(counts) == set(range(outputs))
            assert min(counts.values()) > 0.8 * 500 / outputs


def test_most_exercises_and_passages_are_unlike_each_other() -> None:
    assert len(set(exercises(3000, seed=1))) > 2900
    assert len(set(sentences(3000, seed=1))) > 2300


@pytest.mark.parametrize("passage", PASSAGES, ids=lambda passage: passage.__name__)
def test_passages_are_one_to_three_sentences(passage: Draw) -> None:
    for place in range(50):
        text = passage(Dice("passage", place))
        assert text[0].isupper()
        assert 1 <= text.count(".") <= 3


def test_no_frame_is_both_a_tasks_and_the_corpus() -> None:
    ours = {frame for register in (NEWS, LETTERS) for frame in register.frames}
    assert not ours & {frame for register in TENSES for frame in register.frames}
    assert not set(paraphrase.SCENES) & set(paraphrase.PLANNED_SCENES)
    for one, two in ((paraphrase.ASKED, paraphrase.WONDERED), (answers.ASKED, answers.WONDERED)):
        assert one.keys() == two.keys()
        assert all(not set(one[purpose]) & set(two[purpose]) for purpose in one)
    for kind in sentiment.SHARES:
        assert not set(getattr(sentiment.FILMS, kind)) & set(getattr(sentiment.OUTINGS, kind))
    assert NEWS.tense not in [register.tense for register in LATER]

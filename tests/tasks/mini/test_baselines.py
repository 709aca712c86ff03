"""No giveaway: counting words gets little above the majority class where two segments must be compared."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from matekd_tasks.mini.splits import rows, sizes

PAIRS = ["mrpc", "qqp", "mnli", "qnli", "rte"]


def counted(task: str, split: str, segments: list[int]) -> tuple[list[str], np.ndarray]:
    found = rows(task, split)
    texts = [
        " ".join(f"{segment}{word}" for segment in segments for word in row[segment].split())
        for row in found.texts
    ]
    return texts, np.asarray(found.labels)


def accuracy(task: str, dev: str, segments: list[int]) -> tuple[float, float]:
    """Dev accuracy of a logistic regression on word counts, and of the majority class."""
    texts, labels = counted(task, "train", segments)
    dev_texts, gold = counted(task, dev, segments)
    vectorizer = CountVectorizer(token_pattern=r"\S+")
    model = LogisticRegression(C=0.3, max_iter=400).fit(vectorizer.fit_transform(texts), labels)
    hits = model.predict(vectorizer.transform(dev_texts)) == gold
    return float(hits.mean()), float(np.bincount(gold).max() / len(gold))


@pytest.mark.parametrize("task", PAIRS)
def test_the_second_segment_alone_tells_nothing(task: str) -> None:
    for dev in (split for split in sizes(task) if split.startswith("dev")):
        found, majority = accuracy(task, dev, [1])
        assert found <= majority + 0.08


@pytest.mark.parametrize("task", PAIRS)
def test_words_of_both_segments_tell_little(task: str) -> None:
    for dev in (split for split in sizes(task) if split.startswith("dev")):
        found, majority = accuracy(task, dev, [0, 1])
        assert found <= majority + 0.18


def test_words_do_not_tell_how_much_two_scenes_share() -> None:
    texts, labels = counted("stsb", "train", [0, 1])
    dev_texts, gold = counted("stsb", "dev", [0, 1])
    vectorizer = CountVectorizer(token_pattern=r"\S+")
    guess = Ridge(3.0).fit(vectorizer.fit_transform(texts), labels).predict(vectorizer.transform(dev_texts))
    assert abs(np.corrcoef(guess, gold)[0, 1]) < 0.25


def test_polar_words_decide_most_opinions_and_not_all() -> None:
    found, _ = accuracy("sst2", "dev", [0])
    assert 0.65 <= found <= 0.82


def test_grammar_is_not_in_the_words() -> None:
    found, majority = accuracy("cola", "dev", [0])
    assert found <= majority + 0.1

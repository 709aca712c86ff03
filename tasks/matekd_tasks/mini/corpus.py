"""Generates text and exercises for pretraining a tiny checkpoint, with other names and frames than the tasks.

People and towns have other names. The tasks are written in the simple past; the corpus uses the future, the perfect, or
the simple past in frames that no task uses. The common words are the same, so a pretrained model has seen all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .texts import answers, entailment, grammar, inference, paraphrase, sentiment
from .texts.passages import PASSAGES
from .vocabulary import word_list
from .world import LATER, TENSES, Dice

__all__ = ["EXERCISES", "Exercise", "exercises", "sentences", "word_list"]


@dataclass(frozen=True)
class Exercise:
    """One labeled example of a skill; `target` is a class id, or a number from 0 to 1 for a regression."""

    name: str
    texts: tuple[str, ...]
    target: int | float


# Number of outputs per skill: its number of classes, or 1 for a regression.
EXERCISES: Mapping[str, int] = {
    "same-meaning": 2,
    "same-question": 2,
    "follows": 3,
    "supported": 2,
    "acceptable": 2,
    "attitude": 2,
    "answers": 2,
    "overlap": 1,
}


def exercises(count: int, seed: int) -> Iterator[Exercise]:
    """Yield `count` exercises, cycling through the skills; class ids mean the same as in the tasks (paraphrase: 1)."""
    dice, names = Dice("exercises", seed), tuple(EXERCISES)
    for place in range(count):
        name = names[place % len(names)]
        yield _exercise(dice, name)


def _exercise(dice: Dice, name: str) -> Exercise:
    """Return one exercise of the skill `name`."""
    label = dice.pick(range(EXERCISES[name]))
    register, other_tense = dice.pick(TENSES), dice.pick(LATER)
    texts: tuple[str, ...]
    match name:
        case "same-meaning":
            texts = paraphrase.same_meaning(dice, label, register)
        case "same-question":
            texts = paraphrase.questions(dice, label, register)
        case "follows":
            texts = inference.inference(dice, label, other_tense)
        case "supported":
            texts = entailment.entailment(dice, label, other_tense)
        case "acceptable":
            texts = grammar.acceptable(dice, label, other_tense)
        case "attitude":
            texts = sentiment.opinion(dice, label, sentiment.OUTINGS)
        case "answers":
            texts = answers.answers(dice, label, register)
        case _:
            texts, score = paraphrase.overlap(dice, register)
            return Exercise(name, texts, score / 5)
    return Exercise(name, texts, label)


def sentences(count: int, seed: int) -> Iterator[str]:
    """Yield `count` passages of one to three sentences, for masked language modeling."""
    dice = Dice("sentences", seed)
    for _ in range(count):
        yield dice.pick(PASSAGES)(dice)

"""Text and exercises to pretrain a tiny checkpoint on: another world than the tasks', in other sentence frames.

People and towns have other names, and what tasks tell of in the simple past happens here in the future or the
perfect, or in frames that no task uses. The common words are the same: a pretrained model has seen them all.
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
    """One labelled example of a skill; `target` is a class id, or a number from 0 to 1 for a regression."""

    name: str
    texts: tuple[str, ...]
    target: int | float


# The skills and the outputs each needs: its number of classes, or 1 for a regression.
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
    """`count` exercises, the skills in turn; class ids mean what they mean in the tasks (paraphrase: 1)."""
    dice, names = Dice("exercises", seed), tuple(EXERCISES)
    for place in range(count):
        name = names[place % len(names)]
        yield _exercise(dice, name)


def _exercise(dice: Dice, name: str) -> Exercise:
    label = dice.pick(range(EXERCISES[name]))
    register, unlike = dice.pick(TENSES), dice.pick(LATER)
    texts: tuple[str, ...]
    match name:
        case "same-meaning":
            texts = paraphrase.same_meaning(dice, label, register)
        case "same-question":
            texts = paraphrase.questions(dice, label, register)
        case "follows":
            texts = inference.inference(dice, label, unlike)
        case "supported":
            texts = entailment.entailment(dice, label, unlike)
        case "acceptable":
            texts = grammar.acceptable(dice, label, unlike)
        case "attitude":
            texts = sentiment.opinion(dice, label, sentiment.OUTINGS)
        case "answers":
            texts = answers.answers(dice, label, register)
        case _:
            texts, score = paraphrase.overlap(dice, register)
            return Exercise(name, texts, score / 5)
    return Exercise(name, texts, label)


def sentences(count: int, seed: int) -> Iterator[str]:
    """`count` passages of one to three sentences, for masked language modelling."""
    dice = Dice("sentences", seed)
    for _ in range(count):
        yield dice.pick(PASSAGES)(dice)

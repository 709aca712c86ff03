"""Makes the rows of every split of mini-GLUE: exactly balanced, without repetitions or overlap between splits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from matekd_bench import DataError, Rows

from .texts import answers, entailment, grammar, inference, paraphrase, pronouns, sentiment
from .world import LETTERS, NEWS, Dice, Register

Texts = tuple[str, ...]
Made = tuple[Texts, int | float]
SIZES: Mapping[str, int] = {"train": 1200, "dev": 300, "test": 150}
WNLI_SIZES: Mapping[str, int] = {"train": 120, "dev": 60, "test": 40}
WNLI_SHARED = 30  # dev rows whose sentence is also in train, with the other reading and the opposite label


@dataclass(frozen=True)
class SplitRecipe:
    """The generator of one task: a function `make`, the shares of the classes, and the register of each split.

    Of `sum(shares)` rows, `shares[label]` have that label. A regression has one share, and `make` draws the score.
    """

    make: Callable[[Dice, int, Register], Made]
    shares: tuple[int, ...]
    splits: Mapping[str, Register]


def _plain(make: Callable[[Dice, int, Register], Texts]) -> Callable[[Dice, int, Register], Made]:
    """Return a maker that adds the label to the texts of `make`."""
    return lambda dice, label, register: (make(dice, label, register), label)


ONE_REGISTER = {"train": NEWS, "dev": NEWS, "test": NEWS}
MATCHED = {
    "train": NEWS,
    "dev-matched": NEWS,
    "dev-mismatched": LETTERS,
    "test-matched": NEWS,
    "test-mismatched": LETTERS,
}
RECIPES: Mapping[str, SplitRecipe] = {
    "cola": SplitRecipe(_plain(grammar.acceptable), (3, 7), ONE_REGISTER),
    "sst2": SplitRecipe(
        _plain(lambda dice, label, _: sentiment.opinion(dice, label, sentiment.FILMS)), (1, 1), ONE_REGISTER
    ),
    "mrpc": SplitRecipe(_plain(paraphrase.same_meaning), (4, 6), ONE_REGISTER),
    "stsb": SplitRecipe(lambda dice, _, register: paraphrase.overlap(dice, register), (1,), ONE_REGISTER),
    "qqp": SplitRecipe(_plain(paraphrase.questions), (6, 4), ONE_REGISTER),
    "mnli": SplitRecipe(_plain(inference.inference), (1, 1, 1), MATCHED),
    "qnli": SplitRecipe(_plain(answers.answers), (1, 1), ONE_REGISTER),
    "rte": SplitRecipe(_plain(entailment.entailment), (1, 1), ONE_REGISTER),
}
TASKS = (*RECIPES, "wnli")


def sizes(task: str) -> dict[str, int]:
    """Return the row count of every split of a task, whose name comes without "mini-"."""
    if task == "wnli":
        return dict(WNLI_SIZES)
    return {split: SIZES[split.split("-")[0]] for split in RECIPES[task].splits}


def rows(task: str, split: str) -> Rows:
    """Return the rows of a split, e.g. ``rows("mnli", "dev-matched")``; test rows have no labels.

    Raises DataError for an unknown task or split.
    """
    if task not in TASKS or split not in sizes(task):
        raise DataError(f"mini-GLUE has no split '{split}' of a task '{task}'.")
    examples = _made(task)[split]
    labels = None if split.startswith("test") else [label for _, label in examples]
    return Rows([texts for texts, _ in examples], labels)


@functools.cache
def _made(task: str) -> dict[str, list[Made]]:
    """Make all splits of a task in order; a later split repeats no first text of an earlier one."""
    if task == "wnli":
        return _wnli()
    recipe, splits = RECIPES[task], {}
    earlier: set[str] = set()
    for split, count in sizes(task).items():
        splits[split] = list(_split(task, split, recipe, count, earlier))
        earlier.update(texts[0] for texts, _ in splits[split])
    return splits


def _split(task: str, split: str, recipe: SplitRecipe, count: int, earlier: set[str]) -> Iterator[Made]:
    """Yield `count` different rows, none with a first text that is in `earlier`."""
    dice = Dice(task, split)
    total = sum(recipe.shares)
    labels = [label for label, share in enumerate(recipe.shares) for _ in range(count * share // total)]
    seen: set[Texts] = set()
    for label in dice.shuffled(labels):
        row = recipe.make(dice, label, recipe.splits[split])
        while row[0] in seen or row[0][0] in earlier:
            row = recipe.make(dice, label, recipe.splits[split])
        seen.add(row[0])
        yield row


def _wnli() -> dict[str, list[Made]]:
    """Make the splits of WNLI, with one reading per sentence.

    `WNLI_SHARED` sentences of train are repeated in dev with the other reading.
    """
    dice = Dice("wnli")
    readings: dict[str, tuple[str, str]] = {}
    total = sum(WNLI_SIZES.values()) - WNLI_SHARED
    while len(readings) < total:
        text, right_and_wrong = pronouns.readings(dice, NEWS)
        readings[text] = right_and_wrong
    pool = list(readings.items())
    train = pool[: WNLI_SIZES["train"]]
    fresh = WNLI_SIZES["dev"] - WNLI_SHARED
    splits = {
        "train": _read(train, 0),
        "dev": _read(train[:WNLI_SHARED], 1) + _read(pool[len(train) : len(train) + fresh], 0),
        "test": _read(pool[len(train) + fresh :], 0),
    }
    return {split: dice.shuffled(examples) for split, examples in splits.items()}


def _read(pool: list[tuple[str, tuple[str, str]]], turn: int) -> list[Made]:
    """Return each sentence with its right reading (1) or its wrong one (0), alternating from label `turn` on."""
    examples: list[Made] = []
    for place, (text, readings) in enumerate(pool):
        label = (place + turn) % 2
        examples.append(((text, readings[1 - label]), label))
    return examples

"""The people, places and times of the texts, the registers in which they are written, and the random draws."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from matekd_bench import seed_of

from .lexicon import Verb, Words, words

T = TypeVar("T")

PLACES: tuple[Words, ...] = (
    ("in the garden",),
    ("at the market",),
    ("in the park",),
    ("in the forest", "in the woods"),
    ("at the harbour", "at the port"),
    ("in the village",),
    ("at the school",),
    ("at the hotel", "at the inn"),
    ("in the library",),
    ("in the museum",),
    ("at the station",),
    ("in the shop", "in the store"),
)
DAYS: tuple[Words, ...] = tuple(
    (f"on {day}",) for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
)
SEASONS: tuple[Words, ...] = (("in spring",), ("in summer",), ("in autumn",), ("in winter",))
HOURS: tuple[Words, ...] = (
    ("at noon", "at midday"),
    ("at midnight",),
    ("in the morning",),
    ("in the evening",),
)


@dataclass(frozen=True)
class Tense:
    """A conjugation: format strings over the forms of a :class:`Verb`, and the time phrases that go with it."""

    does: str
    does_not: str
    never: str
    done: str  # passive
    was: str
    were: str
    times: tuple[Words, ...]

    def active(self, verb: Verb) -> str:
        """Return the affirmative active form, e.g. "will buy"."""
        return self.does.format_map(vars(verb))

    def negative(self, verb: Verb) -> str:
        """Return the negated active form, e.g. "did not buy"."""
        return self.does_not.format_map(vars(verb))

    def passive(self, verb: Verb) -> str:
        """Return the affirmative passive form, e.g. "was bought"."""
        return self.done.format_map(vars(verb))


PAST = Tense(
    "{past}",
    "did not {base}",
    "never {past}",
    "was {part}",
    "was",
    "were",
    (*DAYS, *SEASONS, *HOURS, ("last week",), ("last year",)),
)
FUTURE = Tense(
    "will {base}",
    "will not {base}",
    "will never {base}",
    "will be {part}",
    "will be",
    "will be",
    (*DAYS, *SEASONS, *HOURS, ("tomorrow",), ("next week",)),
)
PERFECT = Tense(
    "has {part}",
    "has not {part}",
    "has never {part}",
    "has been {part}",
    "has been",
    "have been",
    (("this week",), ("this year",), ("today",), ("twice",), ("lately", "recently")),
)


@dataclass(frozen=True)
class Register:
    """A style of text: its people and towns, its tense, and the frames of its sentences.

    `frames` have the slots {who} {does} {what} {done} {where} {when}, `openers` have the slot {}.
    """

    name: str
    women: Words
    men: Words
    towns: Words
    tense: Tense
    frames: Words
    openers: Words = ("{}",)
    corpus: bool = False  # a register of the pretraining corpus; every kind of text has other frames for it

    @cached_property
    def people(self) -> Words:
        """All names of people."""
        return self.women + self.men

    @cached_property
    def names(self) -> tuple[Words, ...]:
        """The people as concepts, each with one word: a name has no synonyms."""
        return tuple((name,) for name in self.people)

    @cached_property
    def places(self) -> tuple[Words, ...]:
        """All places: the common ones and the towns of this register."""
        return PLACES + tuple((f"in {town}",) for town in self.towns)


_WOMEN = words("Anna Clara Emma Helen Julia Laura Maria Nora Olivia Sarah Vera Alice Diana Irene Ruth Wendy")
_MEN = words("Adam Ben David Erik Frank George Henry Jack Leo Martin Oscar Paul Robert Simon Thomas Victor")
_TOWNS = words("Ashford Bramley Corby Dalton Elton Farley Granton Helmsby Ilford Kenwick")

NEWS = Register(
    "news",
    _WOMEN,
    _MEN,
    _TOWNS,
    PAST,
    (
        "{who} {does} {what} {where} {when}",
        "{when}, {who} {does} {what} {where}",
        "{what} {done} by {who} {where} {when}",
        "it was {who} who {does} {what} {where} {when}",
        "{where}, {who} {does} {what} {when}",
        "{when}, {what} {done} by {who} {where}",
    ),
)
LETTERS = Register(
    "letters",
    _WOMEN,
    _MEN,
    _TOWNS,
    PAST,
    (
        "it was {where} that {who} {does} {what} {when}",
        "it was {when} that {who} {does} {what} {where}",
        "it was {what} that {who} {does} {where} {when}",
    ),
    (
        "as you know, {}",
        "I can tell you that {}",
        "this is to inform you that {}",
        "as I wrote before, {}",
        "you should know that {}",
    ),
)

_OTHER_WOMEN = words(
    "Amina Bridget Chloe Elena Fiona Grace Hannah Ingrid Jane Kate Lucy Nina Petra Sofia Tessa Zoe"
)
_OTHER_MEN = words(
    "Alan Boris Carlos Daniel Edward Felix Gavin Hugo Ivan James Karl Luke Marco Nigel Omar Peter"
)
_OTHER_TOWNS = words("Lindow Marston Norby Oxley Penrith Quarley Redmere Stanton Tarbury Wickham")

PLANS = Register(
    "plans",
    _OTHER_WOMEN,
    _OTHER_MEN,
    _OTHER_TOWNS,
    FUTURE,
    (
        "{where} {who} {does} {what} {when}",
        "the one who {does} {what} {where} {when} is {who}",
        "{what} {done} {where} by {who} {when}",
        "{who} {does} {what} {when}, and it will be {where}",
        "we hear that {who} {does} {what} {where} {when}",
        "{when} {what} {done} {where} by {who}",
    ),
    corpus=True,
)
TALES = Register(
    "tales",
    _OTHER_WOMEN,
    _OTHER_MEN,
    _OTHER_TOWNS,
    PERFECT,
    (
        "{where} {who} {does} {what} {when}",
        "the one who {does} {what} {where} {when} is {who}",
        "{what} {done} {where} by {who} {when}",
        "we hear that {who} {does} {what} {where} {when}",
        "people say that {what} {done} by {who} {when} {where}",
    ),
    corpus=True,
)
MEMORIES = Register(
    "memories",
    _OTHER_WOMEN,
    _OTHER_MEN,
    _OTHER_TOWNS,
    PAST,
    (
        "the one who {does} {what} {where} {when} was {who}",
        "{what} {done} {where} by {who} {when}",
        "we remember that {who} {does} {what} {where} {when}",
        "{where} {who} {does} {what}, and that was {when}",
        "somebody {does} {what} {where} {when}, and it was {who}",
    ),
    corpus=True,
)


TENSES = (PLANS, TALES, MEMORIES)  # the registers of the corpus
LATER = (PLANS, TALES)  # those whose tense is not the simple past of the tasks


class Dice:
    """A source of random draws that are the same on every machine: a `random.Random` seeded with named parts."""

    def __init__(self, *parts: str | int) -> None:
        self._random = random.Random(seed_of("mini-glue", *parts))

    def pick(self, options: Sequence[T]) -> T:
        """Return one of `options`, all equally likely."""
        return options[self._random.randrange(len(options))]

    def picks(self, options: Sequence[T], count: int) -> list[T]:
        """Return `count` options from different positions of `options`."""
        return self._random.sample(options, count)

    def other(self, options: Sequence[T], *taken: T) -> T:
        """Return one of `options` that is not in `taken`."""
        return self.pick([option for option in options if option not in taken])

    def chance(self, share: float) -> bool:
        """Return True with probability `share`."""
        return self._random.random() < share

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return all `items` in random order."""
        return self._random.sample(items, len(items))


def sentence(clause: str, end: str = ".") -> str:
    """Return a clause as a sentence, with a capital letter and a full stop (or `end`)."""
    return clause[0].upper() + clause[1:] + end

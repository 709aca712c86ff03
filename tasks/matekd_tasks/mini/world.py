"""Who lives where and when things happen, how a register of texts speaks of them, and the dice that draw them."""

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
    """How verbs are conjugated: format strings over the forms of a :class:`Verb`."""

    does: str
    does_not: str
    never: str
    done: str  # passive
    was: str
    were: str
    times: tuple[Words, ...]

    def active(self, verb: Verb) -> str:
        return self.does.format_map(vars(verb))

    def negative(self, verb: Verb) -> str:
        return self.does_not.format_map(vars(verb))

    def passive(self, verb: Verb) -> str:
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
    """How one kind of text speaks: its people and towns, its tense, the frames of its sentences.

    `frames` hold the slots {who} {does} {what} {done} {where} {when}, `openers` the slot {}.
    """

    name: str
    women: Words
    men: Words
    towns: Words
    tense: Tense
    frames: Words
    openers: Words = ("{}",)
    corpus: bool = False  # the text for pretraining has frames of its own, in every family

    @cached_property
    def people(self) -> Words:
        return self.women + self.men

    @cached_property
    def names(self) -> tuple[Words, ...]:
        """Its people, each as the one word that there is for them."""
        return tuple((name,) for name in self.people)

    @cached_property
    def places(self) -> tuple[Words, ...]:
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
LATER = (PLANS, TALES)  # those that do not speak in the tasks' tense


class Dice:
    """Draws that are the same on every machine: a `random.Random` seeded with named parts."""

    def __init__(self, *parts: str | int) -> None:
        self._random = random.Random(seed_of("mini-glue", *parts))

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, each as likely."""
        return options[self._random.randrange(len(options))]

    def picks(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different places of `options`."""
        return self._random.sample(options, count)

    def other(self, options: Sequence[T], *taken: T) -> T:
        """One of `options` that is none of `taken`."""
        return self.pick([option for option in options if option not in taken])

    def chance(self, share: float) -> bool:
        """True with that probability."""
        return self._random.random() < share

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of `items` in a new order."""
        return self._random.sample(items, len(items))


def sentence(clause: str, end: str = ".") -> str:
    """A clause with a capital and a full stop (or `end`)."""
    return clause[0].upper() + clause[1:] + end

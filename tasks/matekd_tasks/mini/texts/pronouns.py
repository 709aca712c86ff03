"""Writes sentences with a pronoun and one of its two readings, for mini-WNLI: 0 wrong, 1 right."""

from __future__ import annotations

from dataclasses import dataclass

from ..lexicon import Words
from ..world import Dice, Register, sentence


@dataclass(frozen=True)
class Schema:
    """A clause about two nouns {a} and {b}, and a `reason` that is true of {a} if `first`, else of {b}.

    `things` is True if the nouns are things, False if they are people.
    """

    clause: str
    reason: str
    first: bool
    things: bool = True


CONTAINED: tuple[tuple[str, str], ...] = tuple(
    (f"the {thing}", f"the {container}")
    for thing in ("guitar", "violin", "doll", "kite", "trumpet", "shovel", "coat", "puzzle", "drill", "melon")
    for container in ("basket", "bucket", "jar", "box", "bag", "case")
)
SCHEMAS = (
    Schema("{a} does not fit into {b} because", "is too big", True),
    Schema("{a} does not fit into {b} because", "is too small", False),
    Schema("we took {a} out of {b} because", "was hidden there", True),
    Schema("we took {a} out of {b} because", "was full", False),
    Schema("{a} fell through {b} because", "had a hole", False),
    Schema("{a} fell through {b} because", "was too heavy", True),
    Schema("{a} thanked {b} because", "received a lot of help", True, things=False),
    Schema("{a} thanked {b} because", "gave a lot of help", False, things=False),
    Schema("{a} called {b} because", "wanted to ask for advice", True, things=False),
    Schema("{a} could not lift {b} because", "was too weak", True, things=False),
    Schema("{a} could not lift {b} because", "was too heavy", False, things=False),
    Schema("{a} dismissed {b} because", "was always late", False, things=False),
    Schema("{a} paid {b} after", "got the bill", True, things=False),
    Schema("{a} paid {b} after", "did the work", False, things=False),
)


def readings(dice: Dice, register: Register) -> tuple[str, tuple[str, str]]:
    """Return a sentence with a pronoun, and its right and wrong readings."""
    schema = dice.pick(SCHEMAS)
    if schema.things:
        a, b, pronoun = *dice.pick(CONTAINED), "it"
    else:
        same: Words = dice.pick((register.women, register.men))
        a, b = dice.picks(same, 2)
        pronoun = "she" if same is register.women else "he"
    text = f"{schema.clause.format(a=a, b=b)} {pronoun} {schema.reason}"
    right, wrong = (a, b) if schema.first else (b, a)
    return sentence(text), (sentence(f"{right} {schema.reason}"), sentence(f"{wrong} {schema.reason}"))

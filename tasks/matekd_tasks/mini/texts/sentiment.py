"""Writes opinions for mini-SST-2: 0 negative, 1 positive; negation and contrast can reverse the polar words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..lexicon import PRAISE, SCORN, Words, an
from ..world import Dice, sentence


@dataclass(frozen=True)
class ReviewSubject:
    """A subject of opinions: words for the whole and for its parts (singular), and three kinds of sentence frames."""

    wholes: Words
    parts: tuple[Words, ...]
    plain: Words
    turned: Words  # frames with negation, which mean the opposite of {a}
    contrast: Words  # frames in which {a} decides and {b} is the opposite


FILMS = ReviewSubject(
    ("film", "movie"),
    (
        ("plot", "story"),
        ("script", "screenplay"),
        ("acting",),
        ("music",),
        ("dialogue",),
        ("ending", "finale"),
        ("hero",),
        ("cast",),
        ("camera work",),
        ("humour", "wit"),
    ),
    (
        "the {part} is {a} and the {part2} is {a2}",
        "this {whole} has {a_part} and {a2_part2}",
        "from start to finish, this is {an_a} {whole} with {a2_part}",
        "the {part} alone makes this {an_a}, {a2} {whole}",
        "what {an_a} {whole} this is, with its {a2} {part}",
    ),
    (
        "the {part} is never {a} and the {part2} is not {a2}",
        "this is not {an_a} {whole}, and its {part} is hardly {a2}",
        "nobody could call this {whole} {a} or its {part} {a2}",
        "the {part} is anything but {a}, and so is the {part2}",
        "there is nothing {a} about the {part} of this {whole}",
        "it is not true that this {whole} is {a} or its {part} {a2}",
    ),
    (
        "the {part} is {b}, but the {whole} as a whole is {a}",
        "although the {part} is {b}, this {whole} is {a}",
        "this {whole} is {a}, although its {part} is {b}",
        "despite {b_part}, this is {an_a} {whole}",
        "this is {an_a} {whole} in spite of its {b} {part}",
        "the {part} may be {b} and the {part2} may be {b2}, but the {whole} is {a}",
        "I expected {an_b} {whole}, but this one is {a}",
        "critics called the {whole} {b}, but they were wrong",
    ),
)
OUTINGS = ReviewSubject(
    ("book", "novel", "hotel", "concert", "lesson", "journey", "dinner", "speech"),
    (("beginning", "start"), ("middle",), ("end",), ("style",), ("tone",), ("idea", "notion"), ("mood",)),
    (
        "we found the {whole} {a} and its {part} {a2}",
        "everybody says that this {whole} is {a} and {a2}",
        "I remember {an_a} {whole} with {a2_part}",
    ),
    (
        "we did not find the {whole} {a} or its {part} {a2}",
        "nobody says that this {whole} was {a}",
        "the {whole} was far from {a}, and its {part} was never {a2}",
    ),
    (
        "we found the {part} {b}, yet the {whole} was {a}",
        "even with {b_part}, the {whole} stays {a}",
        "the {whole} was {a}, even though the {part} was {b}",
        "we were told that the {whole} was {b}, yet we found it {a}",
    ),
)
MASS = ("acting", "music", "dialogue", "camera work", "humour", "wit")  # mass nouns, which have no article
SHARES: Mapping[str, float] = {"plain": 0.6, "turned": 0.18, "contrast": 0.22}


def opinion(dice: Dice, label: int, subject: ReviewSubject) -> tuple[str]:
    """Return a negative (0) or positive (1) sentence on a subject."""
    kind = _kind(dice)
    frame = dice.pick(getattr(subject, kind))
    polar = (SCORN, PRAISE)
    meant, opposite = polar[label], polar[1 - label]
    a, a2 = (dice.pick(group) for group in dice.picks(opposite if kind == "turned" else meant, 2))
    b, b2 = (dice.pick(group) for group in dice.picks(opposite, 2))
    part, part2 = (dice.pick(words) for words in dice.picks(subject.parts, 2))
    clause = frame.format(
        a=a,
        a2=a2,
        b=b,
        b2=b2,
        an_a=an(a),
        a_part=_with(a, part),
        a2_part=_with(a2, part),
        a2_part2=_with(a2, part2),
        b_part=_with(b, part),
        an_b=an(b),
        part=part,
        part2=part2,
        whole=dice.pick(subject.wholes),
    )
    return (sentence(clause),)


def _with(word: str, part: str) -> str:
    """Return adjective and part with their article, if the part has one."""
    phrase = f"{word} {part}"
    return phrase if part in MASS else an(phrase)


def _kind(dice: Dice) -> str:
    """Draw the kind of sentence frame, with the probabilities of `SHARES`."""
    plain = SHARES["plain"]
    if dice.chance(plain):
        return "plain"
    return "turned" if dice.chance(SHARES["turned"] / (1 - plain)) else "contrast"

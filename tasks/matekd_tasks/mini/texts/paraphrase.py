"""Pairs that say the same or do not: mini-MRPC, mini-QQP and, by degrees, mini-STS-B."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..lexicon import DEEDS, JOBS, Action, Noun, Verb, Words, an, doable, fitting
from ..world import Dice, Register, Tense, sentence
from .facts import PARTS, Fact, drawn, say, score, swapped, varied

Pair = tuple[str, str]

CHANGES = (1, 1, 2, 3)  # how many parts differ where two sentences or questions do not mean the same
NOW = Tense("is {ing}", "is not {ing}", "is never {ing}", "is being {part}", "is", "are", ())
SCENES = (
    "{who} {does} {what} {where}",
    "{what} {done} by {who} {where}",
    "{where}, {who} {does} {what}",
    "{where}, {what} {done} by {who}",
)
PLANNED_SCENES = (
    "{where} {who} {does} {what}",
    "{who}, {where}, {does} {what}",
    "the one who {does} {what} {where} is {who}",
    "{what} {done} {where} by {who}",
)


def same_meaning(dice: Dice, label: int, register: Register) -> Pair:
    """Two sentences on one fact (1), or on two that differ in one to three parts or in who did it to whom (0)."""
    people = dice.chance(0.4)
    fact = drawn(dice, register, people)
    if label:
        other = fact
    elif people and dice.chance(0.5):
        other = swapped(fact)
    else:
        other = varied(fact, dice.picks((*fact.parts, "when"), dice.pick(CHANGES)), dice, register)
    frames = dice.picks(register.frames, 2)
    one, two = (
        sentence(say(each, dice, [frame], register.tense))
        for each, frame in zip((fact, other), frames, strict=True)
    )
    return one, two


def scene(dice: Dice, register: Register) -> Fact:
    """A fact about nobody in particular: "a doctor", "a physician"."""
    job = dice.pick(JOBS)
    return replace(drawn(dice, register), who=tuple(map(an, job.words)))


def overlap(dice: Dice, register: Register) -> tuple[Pair, float]:
    """Two scenes of which 0 to 5 parts differ, with their score of :func:`matekd_tasks.mini.texts.facts.score`."""
    fact = scene(dice, register)
    parts = dice.picks(PARTS, dice.pick(range(6)))
    other = varied(fact, parts, dice, register)
    if "who" in parts:
        other = replace(other, who=tuple(map(an, dice.other([job.words for job in JOBS], _job(fact)))))
    frames, tense = (PLANNED_SCENES, register.tense) if register.corpus else (SCENES, NOW)
    one = two = sentence(say(fact, dice, frames, tense))
    while two == one:
        two = sentence(say(other, dice, frames, tense))
    return (one, two), score(fact, other)


def _job(fact: Fact) -> Words:
    return tuple(who.split()[-1] for who in fact.who)


WRONGS = ("steal", "hide", "destroy")  # nobody should ask how to do these
# What one can ask about doing something; the phrasings of a purpose mean the same.
ASKED: dict[str, Words] = {
    "how": ("how can I {base} {what}", "how do I {base} {what}", "what is the best way to {base} {what}"),
    "where": ("where can I {base} {what}", "what is the best place to {base} {what}"),
    "price": ("how much does it cost to {base} {what}", "what is the price of {ing} {what}"),
    "when": ("when should I {base} {what}", "what is the best time to {base} {what}"),
    "why": ("why should I {base} {what}", "what is the reason for {ing} {what}"),
    "time": ("how long does it take to {base} {what}", "how many hours does it take to {base} {what}"),
    "who": ("who can {base} {what} for me", "which person can {base} {what} for me"),
    "law": ("is it legal to {base} {what}", "does the law let me {base} {what}"),
}
WONDERED: dict[str, Words] = {
    "how": ("please tell us how to {base} {what}", "we wonder in what way we should {base} {what}"),
    "where": ("please tell us where to {base} {what}", "we wonder which place is good for {ing} {what}"),
    "price": ("please tell us the cost of {ing} {what}", "we wonder what we must pay to {base} {what}"),
    "when": ("please tell us when to {base} {what}", "we wonder which time is good for {ing} {what}"),
    "why": (
        "please tell us why we should {base} {what}",
        "we wonder for what reason we should {base} {what}",
    ),
    "time": (
        "please tell us how long {ing} {what} takes",
        "we wonder how many hours we need to {base} {what}",
    ),
    "who": ("please tell us who should {base} {what}", "we wonder which person should {base} {what}"),
    "law": ("please tell us if we may {base} {what}", "we wonder if the law lets us {base} {what}"),
}


@dataclass(frozen=True)
class Question:
    """What is asked: a purpose, an action, and a thing with a property."""

    purpose: str
    action: Action
    look: Words
    thing: Noun


def questions(dice: Dice, label: int, register: Register) -> Pair:
    """Two questions that ask the same (1) or differ in purpose, action, property or thing (0)."""
    one = _question(dice)
    other = one
    while not label and other == one:
        changed = _question(dice)
        parts = dice.picks(("purpose", "action", "look", "thing"), dice.pick(CHANGES))
        other = replace(one, **{part: getattr(changed, part) for part in parts})
        other = other if _sensible(other) else one
    first = second = _asked(one, dice, register)
    while second == first:
        second = _asked(other, dice, register)
    return first, second


def _question(dice: Dice) -> Question:
    action = dice.pick([deed for deed in DEEDS if deed.verbs[0].base not in WRONGS])
    thing = dice.pick(doable(action))
    return Question(dice.pick(tuple(ASKED)), action, dice.pick(fitting(thing)).words, thing)


def _sensible(question: Question) -> bool:
    looks = [look.words for look in fitting(question.thing)]
    return question.thing in doable(question.action) and question.look in looks


def _asked(question: Question, dice: Dice, register: Register) -> str:
    frames = WONDERED if register.corpus else ASKED
    verb: Verb = dice.pick(question.action.verbs)
    thing = an(f"{dice.pick(question.look)} {dice.pick(question.thing.words)}")
    return sentence(
        dice.pick(frames[question.purpose]).format(what=thing, base=verb.base, ing=verb.ing),
        "." if register.corpus else "?",
    )

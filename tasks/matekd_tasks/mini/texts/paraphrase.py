"""Writes pairs that have the same meaning or not, for mini-MRPC and mini-QQP, and by degrees for mini-STS-B."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..lexicon import DEEDS, JOBS, Action, Noun, Verb, Words, an, doable, fitting
from ..world import Dice, Register, Tense, sentence
from .facts import PARTS, Fact, drawn, say, score, swapped, varied

Pair = tuple[str, str]

CHANGES = (1, 1, 2, 3)  # numbers of differing parts, drawn for pairs with different meanings
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
    """Return two sentences on the same fact (1), or on two facts (0).

    Two facts differ in one to three parts, or in who did it to whom.
    """
    people = dice.chance(0.4)
    fact = drawn(dice, register, people)
    if label:
        other = fact
    elif people and dice.chance(0.5):
        other = swapped(fact)
    else:
        other = varied(fact, dice.picks((*fact.parts, "when"), dice.pick(CHANGES)), dice, register)
    frames = dice.picks(register.frames, 2)
    first, second = (
        sentence(say(version, dice, [frame], register.tense))
        for version, frame in zip((fact, other), frames, strict=True)
    )
    return first, second


def scene(dice: Dice, register: Register) -> Fact:
    """Draw a fact about an unspecific person: "a doctor", "a physician"."""
    job = dice.pick(JOBS)
    return replace(drawn(dice, register), who=tuple(map(an, job.words)))


def overlap(dice: Dice, register: Register) -> tuple[Pair, float]:
    """Return two scenes that differ in 0 to 5 parts, with their :func:`matekd_tasks.mini.texts.facts.score`."""
    fact = scene(dice, register)
    parts = dice.picks(PARTS, dice.pick(range(6)))
    other = varied(fact, parts, dice, register)
    if "who" in parts:
        other = replace(other, who=tuple(map(an, dice.other([job.words for job in JOBS], _job(fact)))))
    frames, tense = (PLANNED_SCENES, register.tense) if register.corpus else (SCENES, NOW)
    first = second = sentence(say(fact, dice, frames, tense))
    while second == first:
        second = sentence(say(other, dice, frames, tense))
    return (first, second), score(fact, other)


def _job(fact: Fact) -> Words:
    """Return the words for the job of a scene's person, without articles."""
    return tuple(who.split()[-1] for who in fact.who)


WRONGS = ("steal", "hide", "destroy")  # nobody should ask how to do these
# Questions about doing something, by purpose; the phrasings of one purpose have the same meaning.
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
    """The content of a question: a purpose, an action, and a thing with a property."""

    purpose: str
    action: Action
    look: Words
    thing: Noun


def questions(dice: Dice, label: int, register: Register) -> Pair:
    """Return two questions with the same meaning (1), or that differ in purpose, action, property or thing (0)."""
    question = _question(dice)
    other = question
    while not label and other == question:
        changed = _question(dice)
        parts = dice.picks(("purpose", "action", "look", "thing"), dice.pick(CHANGES))
        other = replace(question, **{part: getattr(changed, part) for part in parts})
        other = other if _sensible(other) else question
    first = second = _asked(question, dice, register)
    while second == first:
        second = _asked(other, dice, register)
    return first, second


def _question(dice: Dice) -> Question:
    """Draw a question."""
    action = dice.pick([deed for deed in DEEDS if deed.verbs[0].base not in WRONGS])
    thing = dice.pick(doable(action))
    return Question(dice.pick(tuple(ASKED)), action, dice.pick(fitting(thing)).words, thing)


def _sensible(question: Question) -> bool:
    """Return True if the action applies to the thing and the thing can have the property."""
    looks = [look.words for look in fitting(question.thing)]
    return question.thing in doable(question.action) and question.look in looks


def _asked(question: Question, dice: Dice, register: Register) -> str:
    """Return a question as a sentence, with random words of its concepts."""
    frames = WONDERED if register.corpus else ASKED
    verb: Verb = dice.pick(question.action.verbs)
    thing = an(f"{dice.pick(question.look)} {dice.pick(question.thing.words)}")
    return sentence(
        dice.pick(frames[question.purpose]).format(what=thing, base=verb.base, ing=verb.ing),
        "." if register.corpus else "?",
    )

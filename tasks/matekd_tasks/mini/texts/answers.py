"""Writes questions with a sentence that answers them (0) or does not (1), for mini-QNLI.

For both labels the sentence gives two of place, time, reason and company. An answered question asks for one of the two,
or for the person. Other questions ask for a missing detail, or about another person, action or thing.
"""

from __future__ import annotations

from dataclasses import replace

from ..lexicon import Words
from ..world import Dice, Register, sentence
from . import facts
from .facts import Fact, drawn, varied

REASONS: Words = (
    "to please a friend",
    "to win a bet",
    "to save money",
    "for a school play",
    "for a birthday party",
    "as a joke",
    "out of pity",
    "by mistake",
)
ASKED: dict[str, Words] = {
    "where": ("where {did} {who} {do} {what}", "in which place {did} {who} {do} {what}"),
    "when": ("when {did} {who} {do} {what}", "at what time {did} {who} {do} {what}"),
    "why": ("why {did} {who} {do} {what}", "for what reason {did} {who} {do} {what}"),
    "with": ("with whom {did} {who} {do} {what}", "in whose company {did} {who} {do} {what}"),
    "who": ("who {does} {what}", "which person {does} {what}"),
}
WONDERED: dict[str, Words] = {
    "where": ("tell me where {who} {does} {what}", "I wonder in what place {who} {does} {what}"),
    "when": ("tell me when {who} {does} {what}", "I wonder at which time {who} {does} {what}"),
    "why": ("tell me why {who} {does} {what}", "I wonder for which reason {who} {does} {what}"),
    "with": ("tell me with whom {who} {does} {what}", "I wonder who is there when {who} {does} {what}"),
    "who": ("tell me who {does} {what}", "I wonder which person {does} {what}"),
}
DETAILS = ("where", "when", "why", "with")
FRAMES = (
    "{who} {does} {what} {one} {two}",
    "{one}, {who} {does} {what} {two}",
    "{what} {done} by {who} {one} {two}",
    "{one}, {what} {done} by {who} {two}",
)


def answers(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return a question, and a sentence that answers it (0) or does not (1)."""
    fact = drawn(dice, register)
    details = dice.picks(DETAILS, 2)
    asked = fact
    wanted = dice.pick((*details, *details, *details, "who"))
    if label and wanted != "who" and dice.chance(0.6):
        wanted = dice.other(DETAILS, *details)
    elif label:
        part = "thing" if wanted == "who" else dice.pick(("who", "action", "thing"))
        asked = varied(fact, [part], dice, register)
    return _question(dice, register, wanted, asked), _told(dice, register, fact, details, asked.who)


def _question(dice: Dice, register: Register, wanted: str, fact: Fact) -> str:
    """Return the question for the detail `wanted` of a fact."""
    verb = dice.pick(fact.action.verbs)
    clause = dice.pick((WONDERED if register.corpus else ASKED)[wanted]).format(
        did="did",
        do=verb.base,
        does=register.tense.active(verb),
        who=dice.pick(fact.who),
        what=facts.what(replace(fact, look=()), dice),
    )
    return sentence(clause, "." if register.corpus else "?")


def _told(dice: Dice, register: Register, fact: Fact, names: list[str], asked: Words) -> str:
    """Return a sentence on the fact with the details `names`; its company is not in the fact or in `asked`."""
    verb = dice.pick(fact.action.verbs)
    details = {
        "where": dice.pick(fact.where),
        "when": dice.pick(fact.when),
        "why": dice.pick(REASONS),
        "with": f"with {dice.other(register.people, *fact.who, *asked)}",
    }
    first, second = (details[name] for name in names)
    clause = dice.pick(FRAMES).format(
        who=dice.pick(fact.who),
        does=register.tense.active(verb),
        done=register.tense.passive(verb),
        what=facts.what(fact, dice),
        one=first,
        two=second,
    )
    return sentence(clause)

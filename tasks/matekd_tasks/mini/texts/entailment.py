"""Writes short texts with a sentence that follows from them (0) or does not (1), for mini-RTE.

As in :mod:`matekd_tasks.mini.texts.inference`, the hypothesis is drawn in the same way for both labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..lexicon import DEALINGS, DEEDS, JOBS, Noun, an, doable, plural, siblings
from ..world import Dice, Register, sentence
from .facts import Fact, drawn, say
from .inference import BY, DO, distinct, plans, roles

Schema = Callable[[Dice, int, Register], tuple[str, str]]
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def entailment(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return a text of one or two sentences, and a sentence that follows from it (0) or does not (1)."""
    return dice.pick(SCHEMAS)(dice, label, register)


def binding(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return two facts as text; the hypothesis restates the first, or replaces its person with that of the second."""
    first = drawn(dice, register)
    second = drawn(dice, register)
    while first.who == second.who or first.thing.kind == second.thing.kind or first.where == second.where:
        second = drawn(dice, register)
    claimed = replace(first, who=second.who) if label else first
    text = [sentence(say(fact, dice, register.frames, register.tense)) for fact in (first, second)]
    return " ".join(dice.shuffled(text)), sentence(_restated(dice, register, claimed))


def _restated(dice: Dice, register: Register, fact: Fact) -> str:
    """Return the fact without time and place; in half of the cases its thing is named by its kind."""
    fact = replace(fact, look=())
    if dice.chance(0.5):
        fact = replace(fact, thing=Noun((fact.thing.kind,), fact.thing.kind))
    return say(fact, dice, (DO, BY), register.tense)


def apposition(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return a text that gives two people's jobs and towns in appositions, and a claim about one person."""
    people, towns, jobs = dice.picks(register.people, 2), dice.picks(register.towns, 2), dice.picks(JOBS, 2)
    verb = dice.pick(dice.pick(DEALINGS).verbs)
    first, second = (
        f"{who}, {an(dice.pick(job.words))} from {town},"
        for who, job, town in zip(people, jobs, towns, strict=True)
    )
    when = dice.pick(dice.pick(register.tense.times))
    text = dice.pick(
        (
            f"{first} {register.tense.active(verb)} {second} {when}",
            f"{when}, {first} {register.tense.passive(verb)} by {second[:-1]}",
        )
    )
    asked = dice.pick((0, 1))
    described = asked if label == 0 else 1 - asked
    claim = dice.pick((f"is {an(dice.pick(jobs[described].words))}", f"comes from {towns[described]}"))
    return sentence(text), sentence(f"{people[asked]} {claim}")


def numbers(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return a text with a number of things, and a claim that they are more or fewer than another number."""
    action = dice.pick(DEEDS)
    fact = replace(drawn(dice, register), action=action, thing=dice.pick(doable(action)))
    limit, more = dice.pick(range(2, 7)), dice.chance(0.5)
    above = more == (label == 0)
    count = dice.pick(range(limit + 1, 9) if above else range(limit))
    text = _counted(dice, register, fact, NUMBERS[count], plural(dice.pick(fact.thing.words)), full=True)
    claim = f"{'more' if more else 'fewer'} than {NUMBERS[limit]}"
    noun = dice.pick((plural(dice.pick(fact.thing.words)), plural(dice.pick(fact.thing.words))))
    return sentence(text), sentence(_counted(dice, register, fact, claim, noun, full=False))


def _counted(dice: Dice, register: Register, fact: Fact, count: str, noun: str, full: bool) -> str:
    """Return a clause with a number of things; with `full` it also has place and time."""
    verb = register.tense.active(dice.pick(fact.action.verbs))
    clause = f"{dice.pick(fact.who)} {verb} {count} {noun}"
    if not full:
        return clause
    return dice.pick(
        (
            f"{clause} {dice.pick(fact.where)} {dice.pick(fact.when)}",
            f"{dice.pick(fact.when)}, {clause} {dice.pick(fact.where)}",
        )
    )


def direction(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return a fact and a claim about its thing or kind.

    A trout entails a fish, but a fish does not entail a trout, and a trout entails neither a salmon nor a bird.
    """
    fact = drawn(dice, register)
    general = dice.chance(0.5)
    kind = Noun((fact.thing.kind,), fact.thing.kind)
    if label == 0:
        premise = fact
    elif general:
        things = [thing for thing in doable(fact.action) if thing.kind != fact.thing.kind]
        premise = replace(fact, thing=dice.pick(things), look=())
    else:
        premise = replace(fact, thing=dice.pick((kind, *siblings(fact.thing))))
    claimed = replace(fact, look=(), thing=kind if general else fact.thing)
    text = sentence(say(premise, dice, register.frames, register.tense))
    return text, sentence(say(claimed, dice, (DO, BY), register.tense))


def willing(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return a pair of the schema :func:`matekd_tasks.mini.texts.inference.plans`, with two labels."""
    return _two_way(plans, dice, label, register)


def converse(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return a pair of the schema :func:`matekd_tasks.mini.texts.inference.roles`, with two labels."""
    return _two_way(roles, dice, label, register)


def _two_way(schema: Schema, dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return a pair of a schema with three labels, where 1 is neutral or contradiction, beside an unrelated fact."""
    premise, hypothesis = distinct(schema, dice, dice.pick((1, 2)) if label else 0, register)
    aside = sentence(say(drawn(dice, register), dice, register.frames, register.tense))
    return " ".join(dice.shuffled((sentence(premise), aside))), sentence(hypothesis)


SCHEMAS: Sequence[Schema] = (binding, apposition, numbers, direction, willing, converse)

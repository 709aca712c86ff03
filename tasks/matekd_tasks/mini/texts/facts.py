"""Facts (who did what to what, where and when): drawn at random, varied, and written as clauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..lexicon import DEALINGS, DEEDS, JOBS, Action, Noun, Words, an, doable, fitting, siblings
from ..world import Dice, Register, Tense

PARTS = ("who", "action", "look", "thing", "where")
PEOPLE_PARTS = ("who", "action", "thing", "where")
PERSON = "person"
BY_JOB = tuple(tuple(f"the {word}" for word in job.words) for job in JOBS)


@dataclass(frozen=True)
class Fact:
    """A fact whose parts are concepts, that is, groups of synonyms; `look` is empty if `thing` is a person."""

    who: Words
    action: Action
    look: Words
    thing: Noun
    where: Words
    when: Words

    @property
    def parts(self) -> Words:
        """Names of the parts that :func:`varied` can change, besides "when"."""
        return PEOPLE_PARTS if self.thing.kind == PERSON else PARTS


def person(dice: Dice, register: Register, *taken: Words) -> Words:
    """Draw a name, or a job such as "the doctor" with its synonyms; never one of `taken`."""
    return dice.other(BY_JOB if dice.chance(0.4) else register.names, *taken)


def drawn(dice: Dice, register: Register, people: bool = False) -> Fact:
    """Draw a fact with the names and places of the register; with `people` the object is a person, not a thing."""
    who = person(dice, register)
    where, when = dice.pick(register.places), dice.pick(register.tense.times)
    if people:
        whom = Noun(person(dice, register, who), PERSON)
        return Fact(who, dice.pick(DEALINGS), (), whom, where, when)
    action = dice.pick(DEEDS)
    thing = dice.pick(doable(action))
    return Fact(who, action, dice.pick(fitting(thing)).words, thing, where, when)


def what(fact: Fact, dice: Dice) -> str:
    """Return the object of a fact as a phrase: a person, or a thing with article and property, "an old car"."""
    noun = dice.pick(fact.thing.words)
    return noun if fact.thing.kind == PERSON else an(f"{dice.pick(fact.look)} {noun}" if fact.look else noun)


def say(fact: Fact, dice: Dice, frames: Sequence[str], tense: Tense) -> str:
    """Return the fact as a clause in one of `frames`, with random words of its concepts."""
    verb = dice.pick(fact.action.verbs)
    return dice.pick(frames).format(
        who=dice.pick(fact.who),
        does=tense.active(verb),
        done=tense.passive(verb),
        what=what(fact, dice),
        where=dice.pick(fact.where),
        when=dice.pick(fact.when),
    )


def varied(fact: Fact, parts: Sequence[str], dice: Dice, register: Register) -> Fact:
    """Return `fact` with each of `parts` changed to another concept.

    In half of the cases the new thing has the same kind. Draws are repeated until the fact is sensible.
    """
    while True:
        changed = fact
        if "who" in parts:
            changed = replace(changed, who=person(dice, register, fact.who, fact.thing.words))
        if "where" in parts:
            changed = replace(changed, where=dice.other(register.places, fact.where))
        if "when" in parts:
            changed = replace(changed, when=dice.other(register.tense.times, fact.when))
        if "action" in parts:
            actions = DEALINGS if fact.thing.kind == PERSON else DEEDS
            changed = replace(changed, action=dice.other(actions, fact.action))
        if "thing" in parts:
            changed = replace(changed, thing=_other_thing(changed, fact, dice, register))
        if "look" in parts:
            changed = replace(
                changed, look=dice.other([look.words for look in fitting(changed.thing)], fact.look)
            )
        if sensible(changed):
            return changed


def sensible(fact: Fact) -> bool:
    """Return True if the thing can have the property and the action applies to it."""
    if fact.thing.kind == PERSON:
        return True
    looks = [look.words for look in fitting(fact.thing)]
    return fact.thing in doable(fact.action) and (not fact.look or fact.look in looks)


def _other_thing(changed: Fact, fact: Fact, dice: Dice, register: Register) -> Noun:
    """Draw another object for `fact`; `changed` is `fact` with the changes made so far."""
    if fact.thing.kind == PERSON:
        return Noun(person(dice, register, changed.who, fact.who, fact.thing.words), PERSON)
    options = siblings(fact.thing) if dice.chance(0.5) else doable(changed.action)
    return dice.other(options, fact.thing)


def swapped(fact: Fact) -> Fact:
    """Return a fact between two people with their roles exchanged."""
    return replace(fact, who=fact.thing.words, thing=Noun(fact.who, PERSON))


def score(first: Fact, second: Fact) -> float:
    """Return how much two facts share, from 0 to 5.

    Each of who, action, look, thing and place gives a point; two different things of one kind give half a point. The
    time does not count.
    """
    points = 1.0 * (first.who == second.who) + (first.action == second.action) + (first.look == second.look)
    if first.thing.kind == second.thing.kind:
        points += 1 if first.thing == second.thing else 0.5
    return points + (first.where == second.where)

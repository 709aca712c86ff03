"""A fact of the small world: who did what to what, where and when; how it is said, and how it is varied."""

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
    """Every part is a concept: the words with which it may be said. `look` is empty where `thing` is a person."""

    who: Words
    action: Action
    look: Words
    thing: Noun
    where: Words
    when: Words

    @property
    def parts(self) -> Words:
        """The names of the parts that :func:`varied` can change."""
        return PEOPLE_PARTS if self.thing.kind == PERSON else PARTS


def person(dice: Dice, register: Register, *taken: Words) -> Words:
    """A name, or "the doctor" with its synonyms; never one of `taken`."""
    return dice.other(BY_JOB if dice.chance(0.4) else register.names, *taken)


def drawn(dice: Dice, register: Register, people: bool = False) -> Fact:
    """A fact of the register's world; `people`: done to a person, not to a thing."""
    who = person(dice, register)
    where, when = dice.pick(register.places), dice.pick(register.tense.times)
    if people:
        whom = Noun(person(dice, register, who), PERSON)
        return Fact(who, dice.pick(DEALINGS), (), whom, where, when)
    action = dice.pick(DEEDS)
    thing = dice.pick(doable(action))
    return Fact(who, action, dice.pick(fitting(thing)).words, thing, where, when)


def what(fact: Fact, dice: Dice) -> str:
    """The thing of a fact with its article and property: "an old car"; or a person."""
    noun = dice.pick(fact.thing.words)
    return noun if fact.thing.kind == PERSON else an(f"{dice.pick(fact.look)} {noun}" if fact.look else noun)


def say(fact: Fact, dice: Dice, frames: Sequence[str], tense: Tense) -> str:
    """The fact as a clause in one of `frames`, with any of the words of its concepts."""
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
    """`fact` with each of `parts` changed to another concept, half of the things to one of the same kind."""
    while True:
        found = fact
        if "who" in parts:
            found = replace(found, who=person(dice, register, fact.who, fact.thing.words))
        if "where" in parts:
            found = replace(found, where=dice.other(register.places, fact.where))
        if "when" in parts:
            found = replace(found, when=dice.other(register.tense.times, fact.when))
        if "action" in parts:
            actions = DEALINGS if fact.thing.kind == PERSON else DEEDS
            found = replace(found, action=dice.other(actions, fact.action))
        if "thing" in parts:
            found = replace(found, thing=_other_thing(found, fact, dice, register))
        if "look" in parts:
            found = replace(found, look=dice.other([look.words for look in fitting(found.thing)], fact.look))
        if sensible(found):
            return found


def sensible(fact: Fact) -> bool:
    """Whether the thing can have the property and be treated so."""
    if fact.thing.kind == PERSON:
        return True
    looks = [look.words for look in fitting(fact.thing)]
    return fact.thing in doable(fact.action) and (not fact.look or fact.look in looks)


def _other_thing(found: Fact, fact: Fact, dice: Dice, register: Register) -> Noun:
    if fact.thing.kind == PERSON:
        return Noun(person(dice, register, found.who, fact.who, fact.thing.words), PERSON)
    options = siblings(fact.thing) if dice.chance(0.5) else doable(found.action)
    return dice.other(options, fact.thing)


def swapped(fact: Fact) -> Fact:
    """A fact between two people with their roles exchanged."""
    return replace(fact, who=fact.thing.words, thing=Noun(fact.who, PERSON))


def score(one: Fact, two: Fact) -> float:
    """How much two facts share, from 0 to 5: a point for each of who, action, look, thing and place, and half a
    point for two things of one kind. The time does not count."""
    points = 1.0 * (one.who == two.who) + (one.action == two.action) + (one.look == two.look)
    if one.thing.kind == two.thing.kind:
        points += 1 if one.thing == two.thing else 0.5
    return points + (one.where == two.where)

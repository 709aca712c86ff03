"""Writes premise and hypothesis with three labels, for mini-MNLI: entailment 0, neutral 1, contradiction 2.

Every schema draws the hypothesis in the same way for all labels, and the label decides the content of the premise. So
the hypothesis alone gives no information about the label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..lexicon import (
    DEEDS,
    HAPPENINGS,
    JOBS,
    MODES,
    MOODS,
    SCALES,
    Noun,
    Scale,
    Verb,
    Words,
    an,
    doable,
    fitting,
    plural,
)
from ..world import PAST, Dice, Register, sentence
from . import facts
from .facts import person, say

Clauses = tuple[str, str]
Event = tuple[str, Verb]
Schema = Callable[[Dice, int, Register], Clauses]
ENTAILED, NEUTRAL, CONTRADICTED = range(3)
SIMPLE = ("{who} {does} {what} {where} {when}", "{when}, {who} {does} {what} {where}")
BY = "{what} {done} by {who}"
DO = "{who} {does} {what}"


def inference(dice: Dice, label: int, register: Register) -> tuple[str, str]:
    """Return two sentences: the second follows from the first (0), may or may not be true (1), or is false (2)."""
    premise, hypothesis = distinct(dice.pick(SCHEMAS), dice, label, register)
    return sentence(dice.pick(register.openers).format(premise)), sentence(hypothesis)


def distinct(schema: Schema, dice: Dice, label: int, register: Register) -> Clauses:
    """Return premise and hypothesis of a schema, drawn again while they are the same clause."""
    premise, hypothesis = schema(dice, label, register)
    while premise == hypothesis:
        premise, hypothesis = schema(dice, label, register)
    return premise, hypothesis


def kinds(dice: Dice, label: int, register: Register) -> Clauses:
    """Return clauses about kinds of things: a trout is a fish, so who bought a trout bought a fish.

    The premise may also say that somebody bought nothing.
    """
    tense, action = register.tense, dice.pick(DEEDS)
    who, thing = dice.pick(person(dice, register)), dice.pick(doable(action))
    when = dice.pick(dice.pick(tense.times))
    verb, again = dice.pick(action.verbs), dice.pick(action.verbs)
    positive, general = dice.chance(0.5), dice.chance(0.5)
    look = dice.pick(dice.pick(fitting(thing)).words)
    kind, specific = an(thing.kind), an(f"{look} {dice.pick(thing.words)}")
    bought, not_bought = f"{tense.active(verb)} ", f"{tense.negative(verb)} "
    happened = {
        (True, True): (bought + specific, bought + f"something {look}", bought + "nothing"),
        (True, False): (bought + specific, bought + kind, not_bought + kind),
        (False, True): (bought + "nothing", not_bought + an(dice.pick(thing.words)), bought + specific),
        (False, False): (not_bought + kind, bought + kind, bought + specific),
    }[positive, general][label]
    claimed = tense.active(again) if positive else tense.negative(again)
    noun = thing.kind if general else dice.pick(thing.words)
    return _beside(dice, register, f"{who} {happened}", when, who), f"{who} {claimed} {an(noun)} {when}"


def _beside(dice: Dice, register: Register, clause: str, when: str, who: str) -> str:
    """Return `clause` with its time; in half of the cases with a clause about what somebody else does then."""
    if dice.chance(0.5):
        return dice.pick((f"{when}, {clause}", f"{clause} {when}"))
    fact = facts.drawn(dice, register)
    while who in fact.who:
        fact = facts.drawn(dice, register)
    aside = say(fact, dice, [DO], register.tense)
    return f"{when}, " + dice.pick((f"{clause}, but {aside}", f"{aside}, but {clause}"))


def plans(dice: Dice, label: int, register: Register) -> Clauses:
    """Return clauses about intentions: who managed to do it did it, who refused did not, who wanted to may have."""
    tense, fact = register.tense, facts.drawn(dice, register)
    positive = dice.chance(0.5)
    sides = ("done", "open", "not done") if positive else ("not done", "open", "done")
    mode = dice.pick(dice.pick(MODES[sides[label]]).verbs)
    who, where = dice.pick(fact.who), dice.pick(fact.where)
    verb, again = dice.pick(fact.action.verbs), dice.pick(fact.action.verbs)
    thing, same = (an(dice.pick(fact.thing.words)) for _ in range(2))
    claimed = tense.active(again) if positive else tense.negative(again)
    premise = f"{who} {tense.active(mode)} to {verb.base} {thing} {where}"
    return dice.pick((premise, f"{premise} {dice.pick(fact.when)}")), f"{who} {claimed} {same} {where}"


QUANTITIES: dict[str, Words] = {
    "all": ("all the {many} {where} {were} {mood}", "every {one} {where} {was} {mood}"),
    "none": ("none of the {many} {where} {was} {mood}", "no {one} {where} {was} {mood}"),
    "some": ("some of the {many} {where} {were} {mood}", "several {many} {where} {were} {mood}"),
    "not all": ("not all the {many} {where} {were} {mood}", "not every {one} {where} {was} {mood}"),
}
FOLLOWS = {  # for a hypothesis: the premises that entail it, and those that contradict it
    "all": (("all",), ("none", "not all")),
    "none": (("none",), ("all", "some")),
    "some": (("some", "all"), ("none",)),
    "not all": (("not all", "none"), ("all",)),
}


def quantities(dice: Dice, label: int, register: Register) -> Clauses:
    """Return clauses about all, some, not all or none of a group.

    A neutral premise is about another group, or about this one but too weak: "some" for "all", "not all" for "none".
    """
    claimed = dice.pick(tuple(QUANTITIES))
    job, mood, where = dice.pick(JOBS), dice.pick(MOODS).words, dice.pick(register.places)
    premise_job = job
    if label == NEUTRAL:
        open_side = {"all": "some", "none": "not all"}.get(claimed)
        if open_side and dice.chance(0.5):
            quantity = open_side
        else:
            quantity, premise_job = dice.pick(tuple(QUANTITIES)), dice.other(JOBS, job)
    else:
        quantity = dice.pick(FOLLOWS[claimed][0 if label == ENTAILED else 1])
    when = dice.pick(dice.pick(register.tense.times))
    premise = _quantity(dice, register, quantity, premise_job, mood, where)
    hypothesis = _quantity(dice, register, claimed, job, mood, where)
    return (f"{when}, {premise}" if dice.chance(0.3) else premise), hypothesis


def _quantity(dice: Dice, register: Register, quantity: str, job: Noun, mood: Words, where: Words) -> str:
    """Return a clause that states which quantity of people with a job has a mood."""
    word = dice.pick(job.words)
    return dice.pick(QUANTITIES[quantity]).format(
        many=plural(word),
        one=word,
        where=dice.pick(where),
        was=register.tense.was,
        were=register.tense.were,
        mood=dice.pick(mood),
    )


def comparisons(dice: Dice, label: int, register: Register) -> Clauses:
    """Return clauses about who is older than whom, in either direction.

    In about a third of the cases that are not neutral, the conclusion involves a third person.
    """
    high, low, third = dice.picks(register.people, 3)
    scale, other_scale = dice.picks(SCALES, 2)
    is_ = register.tense.was if register.corpus else "is"
    hypothesis = _compared(dice, scale, high, low, is_)
    if label == CONTRADICTED:
        high, low = low, high
    if label == NEUTRAL:
        pairs = [(scale, high, third), (scale, low, third)]
        if dice.chance(0.5):
            pairs = [(scale, third, high), (scale, third, low)]
    elif dice.chance(0.35):
        pairs = [(scale, high, third), (scale, third, low)]
    else:
        pairs = [(scale, high, low), (other_scale, third, dice.pick((high, low)))]
    clauses = [_compared(dice, *pair, is_) for pair in dice.shuffled(pairs)]
    return ", and ".join(clauses), hypothesis


def _compared(dice: Dice, scale: Scale, high: str, low: str, is_: str) -> str:
    """Return a comparison of two people, in one of its two directions."""
    if dice.chance(0.5):
        return f"{high} {is_} {dice.pick(scale.more)} than {low}"
    return f"{low} {is_} {dice.pick(scale.less)} than {high}"


def properties(dice: Dice, label: int, register: Register) -> Clauses:
    """Return clauses about properties: an expensive thing is costly and not cheap, whatever its color."""
    tense, positive = register.tense, dice.chance(0.5)
    while True:
        fact = facts.drawn(dice, register)
        pairs = [look for look in fitting(fact.thing) if look.opposite]
        claimed = dice.pick(pairs)
        unrelated = [
            look.words for look in fitting(fact.thing) if look.words not in (claimed.words, claimed.opposite)
        ]
        if unrelated:
            break
    sides = [claimed.words, dice.pick(unrelated), claimed.opposite]
    fact = replace(fact, look=(sides if positive else sides[::-1])[label])
    noun = dice.pick(fact.thing.words)
    word = dice.pick(claimed.words)
    hypothesis = (
        f"the {noun} that {dice.pick(fact.who)} {tense.active(dice.pick(fact.action.verbs))} "
        f"{'was' if tense is PAST else 'is'} {'' if positive else 'not '}{word}"
    )
    return say(fact, dice, (*SIMPLE, *register.frames[:2]), tense), hypothesis


def roles(dice: Dice, label: int, register: Register) -> Clauses:
    """Return clauses about who did it to whom, active or passive; the converse neither follows nor is excluded."""
    tense, fact = register.tense, facts.drawn(dice, register, people=True)
    verb = dice.pick(fact.action.verbs)
    who, whom = dice.pick(fact.who), dice.pick(fact.thing.words)
    where = dice.pick(fact.where)
    frames = (DO + " {where}", BY + " {where}", "{where}, " + DO)
    same_fact = say(fact, dice, frames, tense)
    nobody = dice.pick((f"nobody {tense.active(verb)} {whom}", f"{who} {tense.negative(verb)} anybody"))
    positive = dice.chance(0.6)
    if positive:
        premise = (same_fact, say(facts.swapped(fact), dice, frames, tense), f"{nobody} {where}")[label]
        hypothesis = say(fact, dice, (DO, BY), tense)
    else:
        premise = (f"{nobody} {where}", f"{whom} {tense.negative(verb)} {who} {where}", same_fact)[label]
        hypothesis = f"{who} {tense.negative(dice.pick(fact.action.verbs))} {whom}"
    return premise, f"{hypothesis} {where}"


def order(dice: Dice, label: int, register: Register) -> Clauses:
    """Return clauses about which of two events came first, in any order of the clauses."""
    verbs = dice.picks(HAPPENINGS, 2)
    first, second, third = dice.picks(register.people, 3)
    early, late = [(first, verbs[0]), (second, verbs[1])]
    hypothesis = _ordered(dice, register, early, late)
    if label == CONTRADICTED:
        early, late = late, early
    elif label == NEUTRAL and dice.chance(0.5):
        early = (third, early[1])
    elif label == NEUTRAL:
        late = (third, late[1])
    return f"{dice.pick(dice.pick(register.places))}, {_ordered(dice, register, early, late)}", hypothesis


def _ordered(dice: Dice, register: Register, early: Event, late: Event) -> str:
    """Return a clause that says that `early` came before `late`."""
    past = register.tense is PAST

    def main(event: Event) -> str:
        return f"{event[0]} {event[1].past if past else 'will ' + event[1].base}"

    def side(event: Event) -> str:
        return f"{event[0]} {event[1].past if past else event[1].third}"

    return dice.pick(
        (
            f"{main(early)} before {side(late)}",
            f"{main(late)} after {side(early)}",
            f"before {side(late)}, {main(early)}",
            f"after {side(early)}, {main(late)}",
        )
    )


SCHEMAS: Sequence[Schema] = (kinds, plans, quantities, comparisons, properties, roles, order)

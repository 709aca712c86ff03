"""Writes sentences that are grammatical (1) or not (0), for mini-CoLA; each wrong one breaks one rule.

Every rule makes both kinds from the same random words. Nearly always both have the same words, or the same number of
words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..lexicon import DEALINGS, HAPPENINGS, JOBS, MODES, MOODS, SCALES, Verb, an, plural, words
from ..world import PAST, Dice, Register, sentence
from .facts import Fact, drawn, what

Rule = Callable[[Dice, bool, Register], str]
SHORT = ("{who} {does} {what} {where}", "{where}, {who} {does} {what}", "{when}, {who} {does} {what}")
NEEDY = words("find discover conceal repair fix mend examine inspect destroy wreck purchase select")
LONE = words("arrive sleep laugh")
SELFISH = words("help praise blame accuse trust annoy teach")


def acceptable(dice: Dice, label: int, register: Register) -> tuple[str]:
    """Return a sentence that is (1) or is not (0) acceptable English."""
    clause = dice.pick(RULES)(dice, bool(label), register)
    return (sentence(clause[:-1], "?") if clause.endswith("?") else sentence(clause),)


def agreement(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause like "The nurses beside the cook are tired".

    The verb agrees with the first noun, not with the nearest one.
    """
    job, near = (dice.pick(noun.words) for noun in dice.picks(JOBS, 2))
    many, near_many = dice.chance(0.5), dice.chance(0.5)
    subject = plural(job) if many else job
    aside = plural(near) if near_many else near
    place = dice.pick(("beside", "behind", "with", "near"))
    mood = dice.pick(dice.pick(MOODS).words)
    past = register.tense is PAST
    verb = (("was", "were") if past else ("is", "are"))[many == good]
    where = dice.pick(dice.pick(register.places))
    if past:
        return f"the {subject} {place} the {aside} {verb} {mood} {where}"
    return dice.pick(
        (
            f"{where} the {subject} that we saw with the {aside} {verb} {mood}",
            f"we think the {subject} {verb} {mood}",
        )
    )


def reflexives(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause like "Anna praised herself": the pronoun has the gender and number of the subject."""
    woman, man = dice.pick(register.women), dice.pick(register.men)
    doer, right, wrong = dice.pick(
        (
            (woman, "herself", "himself"),
            (man, "himself", "herself"),
            (f"{woman} and {man}", "themselves", "herself"),
        )
    )
    verb = dice.pick([verb for action in DEALINGS for verb in action.verbs if verb.base in SELFISH])
    plural_doer = right == "themselves"  # the register's tense may not agree with two people: "has praised"
    clause = verb.past if plural_doer else register.tense.active(verb)
    met = "met" if register.tense is PAST else "knows"
    aside = (
        f", who {met} {dice.other(register.people, woman, man)},"
        if dice.chance(0.5) and not plural_doer
        else ""
    )
    return f"{doer}{aside} {clause} {right if good else wrong} {dice.pick(dice.pick(register.places))}"


def forms(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause like "did not buy" or "has bought": each auxiliary needs its form of the verb."""
    fact = drawn(dice, register)
    verb = dice.pick(fact.action.verbs)
    mode = dice.pick(dice.pick(MODES[dice.pick(tuple(MODES))]).verbs)
    pairs = (
        (
            ("did not", verb.base, verb.past),
            (f"{mode.past} to", verb.base, verb.past),
            ("may", verb.base, verb.past),
        )
        if register.tense is PAST
        else (("will", verb.base, verb.part), ("has", verb.part, verb.base), ("is", verb.ing, verb.base))
    )
    helper, right, wrong = dice.pick(pairs)
    frame = dice.pick(SHORT)
    return frame.format(
        who=dice.pick(fact.who),
        does=f"{helper} {right if good else wrong}",
        what=what(fact, dice),
        where=dice.pick(fact.where),
        when=dice.pick(fact.when),
    )


def word_order(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause with "an old car": the article comes before the adjective, which comes before the noun."""
    fact = drawn(dice, register)
    noun, look = dice.pick(fact.thing.words), dice.pick(fact.look)
    wrong = dice.pick((f"{an(noun)} {look}", f"{look} {an(noun)}"))
    return dice.pick(SHORT).format(
        who=dice.pick(fact.who),
        does=register.tense.active(dice.pick(fact.action.verbs)),
        what=an(f"{look} {noun}") if good else wrong,
        where=dice.pick(fact.where),
        when=dice.pick(fact.when),
    )


def _transitive(dice: Dice, register: Register) -> tuple[Fact, Verb]:
    """Draw a fact and a verb for it that needs an object."""
    while True:
        fact = drawn(dice, register)
        verb = dice.pick(fact.action.verbs)
        if verb.base in NEEDY:
            return fact, verb


def objects(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause like "Anna slept" or "Anna repaired a car": some verbs have no object, others need one."""
    fact, needy = _transitive(dice, register)
    has_object = dice.chance(0.5)
    verb = needy if has_object == good else dice.pick([verb for verb in HAPPENINGS if verb.base in LONE])
    thing = f" {what(fact, dice)}" if has_object else ""
    clause = f"{dice.pick(fact.who)} {register.tense.active(verb)}{thing}"
    return f"{clause} {dice.pick(fact.where)} {dice.pick(fact.when)}"


def cases(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause like "She praised him": subject and object pronouns have different forms."""
    verb = dice.pick(dice.pick(DEALINGS).verbs)
    subject, other = dice.pick(
        (("she", "him"), ("he", "her"), ("they", "him"), ("she", "them"), ("we", "her"))
    )
    swap = {"she": "her", "he": "him", "they": "them", "we": "us", "him": "he", "her": "she", "them": "they"}
    if not good:
        subject, other = (swap[subject], other) if dice.chance(0.5) else (subject, swap[other])
    where = dice.pick(dice.pick(register.places))
    when = dice.pick(dice.pick(register.tense.times))
    if register.tense is PAST:
        return f"{when}, {subject} {verb.past} {other} {where}"
    return f"{where} {subject} can {verb.base} {other} {when}"


def gaps(dice: Dice, good: bool, register: Register) -> str:
    """Return a question like "What did Anna repair?": only the part that is asked for is missing in the clause."""
    fact, verb = _transitive(dice, register)
    who, thing = dice.pick(fact.who), what(fact, dice)
    if register.tense is PAST:
        asked = dice.pick(("what", "where"))
        filled = f" {thing}" if (asked == "where") == good else ""
        return f"{asked} did {who} {verb.base}{filled} {dice.pick(fact.when)}?"
    noun, where = thing.split()[-1], dice.pick(fact.where)
    return f"this is the {noun} that {who} {register.tense.active(verb)}{'' if good else ' it'} {where}"


def negatives(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause like "Nobody ever bought anything": "ever" and "anything" need a negation before them."""
    fact = drawn(dice, register)
    tense, verb = register.tense, dice.pick(fact.action.verbs)
    where, when = dice.pick(fact.where), dice.pick(fact.when)
    job, thing = dice.pick(dice.pick(JOBS).words), what(fact, dice)
    doer = dice.pick(
        ("nobody", f"no {job}", "none of us") if good else ("somebody", f"the {job}", "one of us")
    )
    if tense is not PAST:
        return f"{doer} {tense.active(verb)} any {plural(dice.pick(fact.thing.words))} {where}"
    return f"{doer} {dice.pick((f'ever {verb.past} {thing}', f'{verb.past} anything'))} {where} {when}"


def articles(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause with "a car in the garden": singular nouns need an article."""
    fact = drawn(dice, register)
    who = f"the {dice.pick(dice.pick(JOBS).words)}"
    verb = register.tense.active(dice.pick(fact.action.verbs))
    thing = what(fact, dice)
    if not good and dice.chance(0.5):
        thing = thing.split(" ", 1)[1]
    elif not good:
        who = who.split(" ", 1)[1]
    return f"{dice.pick(fact.when)}, {who} {verb} {thing} {dice.pick(fact.where)}"


def comparatives(dice: Dice, good: bool, register: Register) -> str:
    """Return a clause with "older than Ben": a comparative is followed by "than"."""
    scale = dice.pick(SCALES)
    word = dice.pick(dice.pick((scale.more, scale.less)))
    who, whom = dice.picks(register.people, 2)
    is_ = register.tense.was
    when = dice.pick(dice.pick(register.tense.times))
    wrong = dice.pick((f"{word} as", f"more {word} than", f"than {word}"))
    job = dice.pick(dice.pick(JOBS).words)
    other = dice.pick((whom, an(job), f"the {job}"))
    return f"{when}, {who} {is_} {f'{word} than' if good else wrong} {other}"


RULES: Sequence[Rule] = (
    agreement,
    agreement,
    reflexives,
    forms,
    word_order,
    objects,
    cases,
    gaps,
    negatives,
    articles,
    comparatives,
)

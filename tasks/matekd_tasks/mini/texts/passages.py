"""Writes short passages of the corpus: meanings of words, conclusions, and stories with other names than the tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..lexicon import (
    DEALINGS,
    DEEDS,
    GROWING,
    HAPPENINGS,
    JOBS,
    KINDS,
    LIVING,
    LOOKS,
    MODES,
    MOODS,
    PRAISE,
    SCALES,
    SCORN,
    THINGS,
    Adjective,
    an,
    plural,
    siblings,
)
from ..thesaurus import FILM
from ..world import LATER, MEMORIES, PLANS, TENSES, Dice, sentence
from . import answers, entailment, facts, grammar, inference, paraphrase, sentiment

Draw = Callable[[Dice], str]


def _retold(dice: Dice) -> str:
    """Return two sentences that give one fact in different words."""
    register = dice.pick(TENSES)
    first, second = paraphrase.same_meaning(dice, 1, register)
    return f"{first} {second}"


def _story(dice: Dice) -> str:
    """Return two sentences with a fact each."""
    register = dice.pick(TENSES)
    drawn_facts = (facts.drawn(dice, register, people=dice.chance(0.4)) for _ in range(2))
    return " ".join(sentence(facts.say(fact, dice, register.frames, register.tense)) for fact in drawn_facts)


def _conclusion(dice: Dice) -> str:
    """Return a premise and a sentence that follows from it or is excluded by it."""
    label = dice.pick((inference.ENTAILED, inference.CONTRADICTED))
    premise, hypothesis = inference.inference(dice, label, dice.pick(LATER))
    claim = hypothesis[0].lower() + hypothesis[1:] if _common(hypothesis) else hypothesis
    return f"{premise} {'So' if label == inference.ENTAILED else 'It is wrong that'} {claim}"


def _common(text: str) -> bool:
    """Return True if a sentence begins with a common word, not with a name."""
    first = text.split()[0].strip(",")
    return all(first not in (*register.people, *register.towns) for register in TENSES)


def _asking(dice: Dice) -> str:
    """Return a question and a sentence that answers it."""
    return " ".join(answers.answers(dice, 0, dice.pick(TENSES)))


def _opinion(dice: Dice) -> str:
    """Return a sentence that says that something loved is charming, or something hated is dull."""
    good = dice.chance(0.5)
    group, other = (dice.pick(words) for words in ((PRAISE, SCORN) if good else (SCORN, PRAISE)))
    whole, word = dice.pick(sentiment.OUTINGS.wholes), dice.pick(group)
    feeling = dice.pick(("loved", "liked", "enjoyed") if good else ("hated", "disliked", "regretted"))
    ending = dice.pick(
        (f"it was {word}", f"it was {word} and not {dice.pick(other)}", f"it was not {dice.pick(other)}")
    )
    return sentence(f"we {feeling} the {whole} because {ending}")


def _opinions(dice: Dice) -> str:
    """Return an opinion in the corpus's sentence frames."""
    return sentiment.opinion(dice, dice.pick((0, 1)), sentiment.OUTINGS)[0]


def _kind(dice: Dice) -> str:
    """Return a sentence on the kind of a thing."""
    thing = dice.pick(THINGS)
    word, other = dice.pick(thing.words), dice.pick(dice.pick(siblings(thing)).words)
    not_this = an(dice.other(KINDS, thing.kind))
    return sentence(
        dice.pick(
            (
                f"{an(word)} is a kind of {thing.kind}",
                f"{an(word)} is {an(thing.kind)} and not {not_this}",
                f"{an(word)} and {an(other)} are both {plural(thing.kind)}",
                f"whoever has {an(word)} has {an(thing.kind)}",
                f"{an(word)} is not {an(other)}, but both are {plural(thing.kind)}",
            )
        )
    )


def _synonym(dice: Dice) -> str:
    """Return a sentence that says that two words are synonyms."""
    nouns = [words for words in (*(noun.words for noun in (*THINGS, *JOBS)), *FILM) if len(words) > 1]
    verbs = [action.verbs for action in (*DEEDS, *DEALINGS) if len(action.verbs) > 1]
    looks = [
        words for words in (*(look.words for look in (*LOOKS, *MOODS)), *PRAISE, *SCORN) if len(words) > 1
    ]
    noun, noun2 = dice.picks(dice.pick(nouns), 2)
    verb, verb2 = dice.picks(dice.pick(verbs), 2)
    look, look2 = dice.picks(dice.pick(looks), 2)
    return sentence(
        dice.pick(
            (
                f"{an(noun)} is the same as {an(noun2)}",
                f"{plural(noun)} are also called {plural(noun2)}",
                f"to {verb.base} is to {verb2.base}",
                f"what was {verb.part} was {verb2.part}",
                f"who {verb.past} it {verb2.past} it",
                f"{verb.ing} means {verb2.ing}",
                f"what is {look} is {look2}",
                f"{look} means the same as {look2}",
            )
        )
    )


def _opposite(dice: Dice) -> str:
    """Return a sentence on two properties or comparisons that are opposites."""
    pool: Sequence[Adjective] = LOOKS if dice.chance(0.5) else MOODS
    thing = dice.pick([thing for thing in THINGS if thing.kind not in (*LIVING, *GROWING)]).words
    bearer = dice.pick(thing if pool is LOOKS else dice.pick(JOBS).words)
    adjective, scale = dice.pick(pool), dice.pick(SCALES)
    word, opposite = dice.pick(adjective.words), dice.pick(adjective.opposite)
    first, second = dice.picks(PLANS.people, 2)
    return sentence(
        dice.pick(
            (
                f"what is {word} is not {opposite}",
                f"{word} is the opposite of {opposite}",
                f"if {first} is {dice.pick(scale.more)} than {second}, "
                f"then {second} is {dice.pick(scale.less)} than {first}",
                f"{an(f'{word} {bearer}')} is not {an(f'{opposite} {bearer}')}",
                f"{an(bearer)} is either {word} or {opposite}",
            )
        )
    )


def _number(dice: Dice) -> str:
    """Return a sentence on which of two numbers is more."""
    few, many = sorted(dice.picks(range(len(entailment.NUMBERS)), 2))
    low, high = entailment.NUMBERS[few], entailment.NUMBERS[many]
    thing = plural(dice.pick(dice.pick(THINGS).words))
    return sentence(
        dice.pick((f"{high} {thing} are more than {low}", f"{low} {thing} are fewer than {high}"))
    )


def _english(dice: Dice) -> str:
    """Return a grammatical sentence of the exercises on grammar."""
    return grammar.acceptable(dice, 1, dice.pick(LATER))[0]


REMARKS = (
    "first {who} {happened}, and later {whom} {happened2}",
    "{who} {happened} near the {place}, and {whom} {happened2} behind it",
    "although {who} was {mood}, {whom} was {mood2}",
    "despite the rain, {who} was {mood}",
    "in spite of the snow, {who} was {mood}",
    "{who} was hardly {mood}, for {who} was {mood2}",
    "{who} is anything but {mood}, {who} is {mood2}",
    "critics expected a good {film} and met the hero of a bad one",
    "the {part}, the {part2} and the rest make a {film}, and we know all about it",
    "the {part} is a part of the whole {film}, from start to finish",
)


def _remark(dice: Dice) -> str:
    """Return a sentence with words that tasks use and no other passage has.

    These are linking words, past forms, and the parts of a film.
    """
    who, whom = dice.picks(MEMORIES.people, 2)
    happened, happened2 = dice.picks(HAPPENINGS, 2)
    mood = dice.pick(MOODS)
    part, part2 = (dice.pick(words) for words in dice.picks(sentiment.FILMS.parts, 2))
    clause = dice.pick(REMARKS).format(
        who=who,
        whom=whom,
        happened=happened.past,
        happened2=happened2.past,
        place=dice.pick(("box", "station", "library", "museum")),
        mood=dice.pick(mood.words),
        mood2=dice.pick(mood.opposite),
        film=dice.pick(sentiment.FILMS.wholes),
        part=part,
        part2=part2,
    )
    return sentence(clause)


def _intention(dice: Dice) -> str:
    """Return a sentence on an intention and its outcome."""
    side = dice.pick(tuple(MODES))
    mode = dice.pick(dice.pick(MODES[side]).verbs)
    fact = facts.drawn(dice, MEMORIES)
    outcomes = {
        "done": "and it was done",
        "not done": "and it was not done",
        "open": "and we do not know the rest",
    }
    verb, who = dice.pick(fact.action.verbs), dice.pick(fact.who)
    return sentence(f"{who} {mode.past} to {verb.base} {facts.what(fact, dice)}, {outcomes[side]}")


PASSAGES: Sequence[Draw] = (
    _remark,
    _intention,
    _retold,
    _retold,
    _story,
    _conclusion,
    _conclusion,
    _asking,
    _opinion,
    _opinions,
    _kind,
    _synonym,
    _opposite,
    _number,
    _english,
)

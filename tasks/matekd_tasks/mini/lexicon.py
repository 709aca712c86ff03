"""The words of mini-GLUE: nouns, verbs and adjectives with their forms and synonyms.

A *concept* is a group of interchangeable words. The labels of the tasks depend only on concepts. The word for a concept
is drawn again each time, so a model that knows synonyms has an advantage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

Words: TypeAlias = tuple[str, ...]  # the synonyms of one concept

VOWELS = "aeiou"
PLURALS = {"fish": "fish", "trout": "trout", "salmon": "salmon", "carp": "carp", "scarf": "scarves"}


@dataclass(frozen=True)
class Verb:
    """The five forms of a verb: buy, buys, bought, bought, buying."""

    base: str
    third: str
    past: str
    part: str
    ing: str


@dataclass(frozen=True)
class Action:
    """A concept of an action: its verbs, and the kinds of things it applies to (empty: to people)."""

    verbs: tuple[Verb, ...]
    kinds: Words = ()


@dataclass(frozen=True)
class Noun:
    """A concept of a thing or a job, with its kind: a trout is a fish."""

    words: Words
    kind: str


@dataclass(frozen=True)
class Adjective:
    """A concept of a property, with the words for its opposite (empty for colors)."""

    words: Words
    opposite: Words = ()


@dataclass(frozen=True)
class Scale:
    """A concept of a comparison, with its converse: "older", "younger"."""

    more: Words
    less: Words


def words(text: str) -> Words:
    """Return the words of a text, split at blanks."""
    return tuple(text.split())


def plural(noun: str) -> str:
    """Return the plural of a noun of this lexicon."""
    if noun in PLURALS:
        return PLURALS[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in VOWELS else noun + "s"


def an(phrase: str) -> str:
    """Return `phrase` with its indefinite article: "an old car", "an honest judge", "a car"."""
    return ("an " if phrase[0] in VOWELS or phrase.startswith("honest") else "a ") + phrase


def _verb(text: str) -> Verb:
    """Return a verb, given as its base and any irregular past, participle and -ing form: "steal/stole/stolen"."""
    base, *irregular = text.split("/")
    stem = base[:-1] if base.endswith("e") else base
    if base.endswith("y") and base[-2] not in VOWELS:
        third, regular = base[:-1] + "ies", base[:-1] + "ied"
    else:
        third = base + ("es" if base.endswith(("s", "x", "ch", "sh")) else "s")
        regular = stem + "ed"
    past, part, ing = (*irregular, *(regular, regular, stem + "ing")[len(irregular) :])
    return Verb(base, third, past, part, ing)


def _actions(table: str) -> tuple[Action, ...]:
    """Return one action per line: "buy purchase: fish fruit"; an action that applies to people has no kinds."""
    actions = []
    for line in table.strip().splitlines():
        verbs, _, kinds = line.partition(":")
        actions.append(Action(tuple(map(_verb, verbs.split())), tuple(kinds.split())))
    return tuple(actions)


def _nouns(table: str) -> tuple[Noun, ...]:
    """Return the nouns of a table with one kind per line: "vehicle: car/automobile van"."""
    return tuple(
        Noun(tuple(words.split("/")), kind)
        for kind, _, members in (line.partition(": ") for line in table.strip().splitlines())
        for words in members.split()
    )


def _opposites(table: str) -> tuple[Adjective, ...]:
    """Return the adjectives of a table with one pair per line: "big/large small/little".

    A concept alone on its line has no opposite.
    """
    adjectives = []
    for line in table.strip().splitlines():
        sides = [tuple(side.split("/")) for side in line.split()]
        adjectives += [
            Adjective(side, sides[1 - place] if sides[1:] else ()) for place, side in enumerate(sides)
        ]
    return tuple(adjectives)


def _groups(table: str) -> tuple[Words, ...]:
    """Return concepts separated by blanks: "dull/boring stale"."""
    return tuple(tuple(group.split("/")) for group in table.split())


def _scales(table: str) -> tuple[Scale, ...]:
    """Return one scale per line: "older younger"."""
    return tuple(Scale(*_groups(line)) for line in table.strip().splitlines())


THINGS = _nouns("""
vehicle: car/automobile lorry/truck bicycle/bike van tractor
fish: trout salmon carp
bird: sparrow parrot goose owl
dog: poodle terrier spaniel
fruit: apple pear lemon peach
tool: hammer drill spade/shovel axe
instrument: guitar violin/fiddle trumpet flute
garment: coat shirt skirt scarf
flower: tulip daisy lily orchid
seat: chair sofa/couch bench stool
container: basket bucket/pail jar
toy: doll kite puzzle
""")
JOBS = _nouns("""
person: doctor/physician lawyer/attorney teacher nurse farmer baker singer/vocalist writer/author soldier pilot
person: driver cook/chef judge sailor/mariner student/pupil guard waiter dentist tailor
""")
DEEDS = _actions("""
buy/bought/bought purchase: vehicle fish bird dog fruit tool instrument garment flower seat container toy
sell/sold/sold: vehicle fish bird dog fruit tool instrument garment flower seat container toy
find/found/found discover: vehicle fish bird dog fruit tool instrument garment flower seat container toy
hide/hid/hidden conceal: fruit tool instrument garment toy container
steal/stole/stolen: vehicle dog fruit tool instrument garment toy container
draw/drew/drawn sketch: vehicle fish bird dog fruit flower instrument seat container
repair fix mend: vehicle tool instrument seat container toy
wash scrub/scrubbed/scrubbed/scrubbing: vehicle seat container
borrow: vehicle tool instrument garment seat toy container
examine inspect: vehicle fish bird dog tool instrument garment flower
choose/chose/chosen select: vehicle bird dog fruit instrument garment flower toy
watch observe: fish bird dog
destroy wreck: vehicle instrument seat container toy
""")
DEALINGS = _actions("""
help assist aid
praise commend
blame accuse
follow pursue
call phone
visit
invite
thank
hire employ
dismiss sack
greet welcome
teach/taught/taught instruct
trust
annoy irritate
frighten scare
push shove
surprise astonish amaze
""")
LOOKS = _opposites("""
big/large small/little
cheap/inexpensive expensive/costly
clean/spotless dirty/filthy
beautiful/lovely ugly/hideous
old new
heavy light
""")
COLOURS = _opposites("red\nblue\ngreen\nyellow\nbrown\nwhite")
MOODS = _opposites("""
happy/glad/cheerful sad/unhappy/gloomy
rich/wealthy/affluent poor/needy
clever/smart stupid/foolish
ill/sick healthy
brave/bold timid/shy
angry/furious calm
polite/courteous rude
busy/occupied idle/lazy
tired/weary awake
""")
PRAISE = _groups("""
superb/excellent/outstanding charming/delightful funny/amusing/hilarious witty moving/touching
gripping/thrilling/exciting fresh/original brilliant enjoyable/entertaining wonderful/marvellous
graceful/elegant honest/sincere
""")
SCORN = _groups("""
terrible/awful/dreadful dull/boring/tedious stale silly/childish clumsy/awkward shallow/superficial
tiresome/wearisome muddled/confusing predictable feeble/weak pointless/senseless horrible/appalling
""")
SCALES = _scales("""
older younger
taller shorter
richer/wealthier poorer
stronger weaker
faster/quicker slower
happier/gladder sadder/unhappier
heavier lighter
braver/bolder shyer
""")
HAPPENINGS = tuple(
    map(
        _verb,
        words(
            "arrive leave/left/left speak/spoke/spoken sing/sang/sung sleep/slept/slept eat/ate/eaten laugh"
        ),
    )
)
# Verbs followed by "to", by what they imply: the action was done, was not done, or may or may not have been.
MODES: dict[str, tuple[Action, ...]] = {
    "done": _actions("manage\nremember\ndare"),
    "not done": _actions("refuse decline\nfail\nforget/forgot/forgotten/forgetting"),
    "open": _actions("want/wanted/wanted\nhope\nplan/planned/planned/planning intend\npromise\noffer"),
}
KINDS = tuple(dict.fromkeys(thing.kind for thing in THINGS))


LIVING, GROWING = ("fish", "bird", "dog"), ("fruit", "flower")


@cache
def fitting(thing: Noun) -> tuple[Adjective, ...]:
    """Return the properties that a thing can plausibly have: no green dogs, no new apples."""
    if thing.kind in LIVING:
        allowed: Words = ("big", "small", "beautiful", "ugly", "expensive", "cheap", "brown", "white")
    elif thing.kind in GROWING:
        allowed = ("big", "small", "beautiful", "ugly", "expensive", "cheap", "red", "yellow")
    else:
        return LOOKS + COLOURS
    return tuple(adjective for adjective in LOOKS + COLOURS if adjective.words[0] in allowed)


@cache
def doable(action: Action) -> tuple[Noun, ...]:
    """Return the things to which an action applies."""
    return tuple(thing for thing in THINGS if thing.kind in action.kinds)


@cache
def siblings(thing: Noun) -> tuple[Noun, ...]:
    """Return the other things of the same kind."""
    return tuple(other for other in THINGS if other.kind == thing.kind and other != thing)

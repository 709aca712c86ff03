"""Lists every word of mini-GLUE and of its corpus, for a tokenizer that knows all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .lexicon import (
    COLOURS,
    DEALINGS,
    DEEDS,
    HAPPENINGS,
    JOBS,
    LOOKS,
    MODES,
    MOODS,
    PRAISE,
    SCALES,
    SCORN,
    THINGS,
    plural,
)
from .world import MEMORIES, NEWS, PLACES

WORD = re.compile(r"[a-z]+")

# The words of the sentence frames, which are in no list of the lexicon.
LITTLE = """
a about acting advice after all alone also although always an and any anybody anything are as ask bad bag be
because been before beginning behind being beside best bet bill birthday book both box but by camera can
case cast comes company concert cost could critics despite dialogue did dinner disliked do does done eight
either end ending endings enjoyed even ever every everybody expected far fell fewer film films finale
finales finish first fit five for four friend from full gave good got had hardly has hated have he hear her
hero herself him himself hole hours how humour humours i idea if inform into is it its joke journey kind
know knows late lately later law legal lesson let lets lift liked long lot loved make makes many may me
means melon met middle mistake money mood more movie movies much music must near need never next nine no
nobody none not nothing notion novel of one opposite or out paid part party pay people pity place play
please plot plots price rain reason received recently regretted rest same save saw say says screenplay
screenplays script scripts seven several she should six snow so some somebody something speech spite start
stays stories story style take takes tell ten than that them themselves then there they think this though
three through time to today told tomorrow tone too took true twice two us was way we were what when where
which who whoever whole whom whose why will win wit with wits wonder work wrong wrote yet you
"""


def words_in(texts: Iterable[str]) -> Iterator[str]:
    """Yield the words of the texts in lower case."""
    for text in texts:
        yield from WORD.findall(text.lower())


def word_list() -> tuple[str, ...]:
    """Return every word form in lower case and alphabetical order, including the names of tasks and corpus."""
    return tuple(sorted(set(words_in((LITTLE, *_listed())))))


def namesakes() -> dict[str, str]:
    """Return for each name in the tasks its namesake: the corresponding name in the corpus, in lower case.

    The corpus has no name of the tasks, so a checkpoint gives each name the embedding of its namesake.
    """
    pairs = (
        (NEWS.women, MEMORIES.women),
        (NEWS.men, MEMORIES.men),
        (NEWS.towns, MEMORIES.towns),
    )
    return {name.lower(): namesake.lower() for group in pairs for name, namesake in zip(*group, strict=True)}


def _listed() -> Iterator[str]:
    """Yield all word forms of the lexicon, places, times and names, some more than once."""
    for noun in (*THINGS, *JOBS):
        yield from (*noun.words, *map(plural, noun.words), noun.kind, plural(noun.kind))
    for action in (*DEEDS, *DEALINGS, *(mode for modes in MODES.values() for mode in modes)):
        yield from (form for verb in action.verbs for form in vars(verb).values())
    yield from (form for verb in HAPPENINGS for form in vars(verb).values())
    for adjective in (*LOOKS, *COLOURS, *MOODS):
        yield from adjective.words
    for scale in SCALES:
        yield from (*scale.more, *scale.less)
    for group in (*PRAISE, *SCORN, *PLACES, *NEWS.tense.times):
        yield from group
    for register in (NEWS, MEMORIES):
        yield from (*register.people, *register.towns)

"""Makes the thesaurus of mini-GLUE, the groups in ``synonyms.txt``, from the lexicon."""

from __future__ import annotations

from collections.abc import Iterator

from .lexicon import (
    COLOURS,
    DEALINGS,
    DEEDS,
    JOBS,
    LOOKS,
    MODES,
    MOODS,
    PRAISE,
    SCALES,
    SCORN,
    THINGS,
    Words,
    plural,
)

PLACES: tuple[Words, ...] = (
    ("forest", "woods"),
    ("harbour", "port"),
    ("hotel", "inn"),
    ("shop", "store"),
    ("noon", "midday"),
)
FILM: tuple[Words, ...] = (
    ("film", "movie"),
    ("plot", "story"),
    ("script", "screenplay"),
    ("ending", "finale"),
    ("humour", "wit"),
)


def groups() -> tuple[Words, ...]:
    """Return every group of interchangeable word forms, in the order of the file."""
    return tuple(dict.fromkeys(group for group in _all() if len(group) > 1))


def text() -> str:
    """Return the text that ``synonyms.txt`` must have."""
    head = "# Groups of words of mini-GLUE that can stand for one another. Made from the lexicon; one group a line.\n"
    return head + "".join(", ".join(group) + "\n" for group in groups())


def _all() -> Iterator[Words]:
    """Yield the groups of all concepts, with repetitions and groups of one word."""
    for noun in (*THINGS, *JOBS):
        yield noun.words
        yield tuple(map(plural, noun.words))
    yield from PLACES
    yield from FILM
    for action in (*DEEDS, *DEALINGS):
        for form in ("base", "past", "part", "ing"):
            if form != "ing" or action in DEEDS:  # the tasks use no -ing forms of dealings
                yield tuple(getattr(verb, form) for verb in action.verbs)
    for modes in MODES.values():
        yield from (tuple(verb.past for verb in mode.verbs) for mode in modes)
    yield from (adjective.words for adjective in (*LOOKS, *COLOURS, *MOODS))
    yield from PRAISE
    yield from SCORN
    for scale in SCALES:
        yield scale.more
        yield scale.less

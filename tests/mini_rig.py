"""Reads the sentences of mini-GLUE back, for tests that derive its labels a second time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from matekd_tasks.mini import thesaurus
from matekd_tasks.mini.lexicon import DEALINGS, DEEDS, THINGS
from matekd_tasks.mini.splits import rows, sizes

CANONICAL = {word: group[0] for group in reversed(thesaurus.groups()) for word in group}
KIND = {word: thing.kind for thing in THINGS for word in thing.words}
BASES = {
    form: action.verbs[0].base
    for action in (*DEEDS, *DEALINGS)
    for verb in action.verbs
    for form in vars(verb).values()
}


def labeled(task: str) -> Iterator[tuple[tuple[str, ...], float]]:
    """The rows of all labeled splits of a task, with their labels."""
    for split in sizes(task):
        found = rows(task, split)
        if found.labels is not None:
            yield from zip(found.texts, found.labels, strict=True)


def canonical(text: str) -> list[str]:
    """The words of a text, each replaced by the first of its group; participles by the past forms."""
    words = [CANONICAL.get(word, word) for word in re.findall(r"[a-z]+", text.lower())]
    return [
        {"drawn": "drew", "hidden": "hid", "stolen": "stole", "chosen": "chose"}.get(word, word)
        for word in words
    ]


def content(text: str) -> list[str]:
    """The words that carry the meaning of a fact, whatever its frame."""
    return sorted(set(canonical(text)) - {"it", "was", "who", "by", "a", "an"})


def doer(text: str) -> str:
    """Who does it: after "by", after "it was", or the first person named."""
    text = re.sub(r"^(On|In|At|Last) [^,]*, ", "", text)
    found = (
        re.search(r"\bby (the \w+|\w+)", text)
        or re.match(r"It was (.*?) who ", text)
        or re.match(r"(?i)((?:the )?\w+)", text)
    )
    return " ".join(canonical(found.group(1)))

"""What a method changed in a text, in words: how many, and which."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["same", "removed", "added"]
Change: TypeAlias = tuple[Kind, str]  # what became of a run of words, and the words


def edits_between(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """Edited words and words of the original, summed over the segments of a row; words are split at white space.

    Each word that is inserted, deleted or replaced counts once, each that moves once: the longer text's words less
    those that both have in the same order.
    """
    edits = words = 0
    for old, new in zip(before, after, strict=True):
        originals = old.split()
        edits += 0 if old == new else _edits(originals, new.split())
        words += len(originals)
    return edits, words


def _edits(old: list[str], new: list[str]) -> int:
    """What differs between two lists once equal ends are cut off."""
    start, stop = 0, min(len(old), len(new))
    while start < stop and old[start] == new[start]:
        start += 1
    end = 0
    while end < stop - start and old[-1 - end] == new[-1 - end]:
        end += 1
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    if not old or not new:
        return max(len(old), len(new))
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return max(len(old), len(new)) - sum(block.size for block in blocks)


def word_changes(old: str, new: str) -> list[Change]:
    """`old` and `new` as one list of runs of words: those that both have, that only `old` has, that only `new` has.

    What was replaced is removed first, then added. The runs without the added ones are `old`, without the removed ones
    `new`, white space aside.
    """
    before, after = old.split(), new.split()
    changes: list[Change] = []
    for _, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        same = before[a:b] == after[c:d]
        runs: list[tuple[Kind, list[str]]] = (
            [("same", before[a:b])] if same else [("removed", before[a:b]), ("added", after[c:d])]
        )
        changes += [(kind, " ".join(words)) for kind, words in runs if words]
    return changes

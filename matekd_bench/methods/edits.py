"""Comparison of a text before and after perturbation: the number of edited words, and the words themselves."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["same", "removed", "added"]
Change: TypeAlias = tuple[Kind, str]  # a run of words, and what happened to it


def edits_between(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """Count the edited words and the original words, summed over the segments of a row.

    Words are separated by white space. An inserted, deleted, replaced or moved word counts as one edit. The count is
    the number of words of the longer text less the words that both texts have in the same order.
    """
    edits = words = 0
    for old, new in zip(before, after, strict=True):
        originals = old.split()
        edits += 0 if old == new else _edits(originals, new.split())
        words += len(originals)
    return edits, words


def _edits(old: list[str], new: list[str]) -> int:
    """Count the edits between two lists of words, after cutting off equal ends."""
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
    """Merge `old` and `new` into one list of runs of words, marked as same, removed (only `old`) or added (only `new`).

    A replaced run appears as removed, then added. Apart from white space, the runs that are not added make up `old`,
    and those that are not removed make up `new`.
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

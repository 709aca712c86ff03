"""How much of a text changed: edits in words, against a plain longest common subsequence."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matekd_bench.methods.edits import edits_between, word_changes


@pytest.mark.parametrize(
    ("before", "after", "edits"),
    [
        ("a b c d", "a b c d", 0),
        ("a  b\tc", "a b c", 0),
        ("a b c d", "a x c d", 1),
        ("a b c d", "a c d", 1),
        ("a b c d", "a b x c d", 1),
        ("a b c d", "x a b c d y", 2),
        ("a b c d", "b a c d", 1),
        ("a b c d", "d b c a", 2),
        ("a b c d", "w x y z", 4),
        ("a a a", "a a", 1),
        ("", "", 0),
        ("", "a", 1),
        ("a b", "", 2),
    ],
)
def test_each_word_inserted_deleted_replaced_or_moved_counts_once(before, after, edits):
    assert edits_between((before,), (after,)) == (edits, len(before.split()))


def test_segments_are_summed_and_compared_in_their_order():
    assert edits_between(("a b", "c d e"), ("a x", "c d e")) == (1, 5)
    assert edits_between(("a b", "c d e"), ("c d e", "a b"))[0] > 0


def common(old, new):
    """The length of the longest common subsequence, by its recurrence."""

    @cache
    def length(i, j):
        if i == len(old) or j == len(new):
            return 0
        return 1 + length(i + 1, j + 1) if old[i] == new[j] else max(length(i + 1, j), length(i, j + 1))

    return length(0, 0)


@settings(max_examples=200, deadline=None)
@given(old=st.lists(st.sampled_from("abc"), max_size=8), new=st.lists(st.sampled_from("abc"), max_size=8))
def test_never_fewer_edits_than_the_longest_common_subsequence_leaves(old, new):
    edits, words = edits_between((" ".join(old),), (" ".join(new),))
    assert words == len(old)
    assert max(len(old), len(new)) - common(old, new) <= edits <= max(len(old), len(new))
    assert (edits == 0) == (old == new)


def test_changed_words_are_named_in_their_order() -> None:
    assert word_changes("a b  c d", "a x c d e") == [
        ("same", "a"), ("removed", "b"), ("added", "x"), ("same", "c d"), ("added", "e"),
    ]  # fmt: skip
    assert word_changes("", "") == []
    assert word_changes("", "new") == [("added", "new")]
    assert word_changes("same text", "same  text") == [("same", "same text")]


@given(st.text("ab c"), st.text("ab c"))
def test_both_texts_can_be_read_from_their_changes(old: str, new: str) -> None:
    changes = word_changes(old, new)
    kept = [words for kind, words in changes if kind != "added"]
    written = [words for kind, words in changes if kind != "removed"]
    assert " ".join(kept).split() == old.split()
    assert " ".join(written).split() == new.split()

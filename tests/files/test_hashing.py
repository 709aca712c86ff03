"""Canonical JSON and digests."""

from __future__ import annotations

import hashlib
import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matekd_bench.files.hashing import (
    canonical,
    canonical_around,
    digest,
    file_digest,
    lines_digest,
    short_digest,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_canonical_json_is_json_and_reads_back(value):
    assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=5), VALUES)
def test_what_stands_around_a_value(table, value):
    for key in table:
        before, behind = canonical_around(table, key)
        assert f"{before}{canonical(value)}{behind}" == canonical({**table, key: value})


def test_keys_are_sorted_and_nothing_is_escaped_or_spaced():
    assert canonical({"b": [1, 2.5], "a": {"d": None, "c": "é"}}) == '{"a":{"c":"é","d":null},"b":[1,2.5]}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused(number):
    with pytest.raises(ValueError):
        canonical({"loss": number})


def test_what_json_has_no_word_for_is_refused():
    with pytest.raises(TypeError):
        canonical({"labels": {1, 2}})


def test_a_digest_is_sha256_of_the_canonical_text():
    assert digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()
    assert short_digest({"a": 2, "b": 1}) == digest({"b": 1, "a": 2})[:16]
    assert len(short_digest("x", 10)) == 10


def test_a_file_digest_is_that_of_its_bytes(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"\x00\xff" * 100_000)
    assert file_digest(file) == hashlib.sha256(b"\x00\xff" * 100_000).hexdigest()


@pytest.mark.parametrize(
    ("first", "second"),
    [(["ab", "c"], ["a", "bc"]), ([], [""]), (["a", ""], ["a"]), (["a", "b"], ["b", "a"])],
)
def test_no_two_lists_of_lines_coincide(first, second):
    assert lines_digest(first) != lines_digest(second)
    assert lines_digest(first) == lines_digest(iter(first))


def test_a_file_is_read_again_only_if_it_has_changed(tmp_path, monkeypatch):
    path, read = tmp_path / "weights", []
    path.write_bytes(b"first")
    digest_of = hashlib.file_digest

    def counted(file, name):
        read.append(file.name)
        return digest_of(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    assert file_digest(path) == file_digest(path) == hashlib.sha256(b"first").hexdigest()
    assert len(read) == 1
    before = path.stat()
    time.sleep(0.02)  # longer than the clock of a file system steps
    path.write_bytes(b"other")  # as long, and as old
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_digest(path) == hashlib.sha256(b"other").hexdigest()

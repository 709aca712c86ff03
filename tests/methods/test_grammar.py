"""The grammar of --methods: what it reads, what it refuses and where, and that it reads what it writes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matekd_bench.errors import UsageError
from matekd_bench.methods.grammar import MethodRef, parse

NAMES = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,8}(:[a-z0-9]{1,5})?\Z")
KEYS = st.from_regex(r"\A[a-z_][a-z0-9_]{0,6}\Z")
FACTORS = st.sampled_from([1.0, 2.0, 4.0, 0.5, 2.25, 9999.0])


def refs(depth: int = 2) -> st.SearchStrategy[MethodRef]:
    """Methods without a factor; methods given as a parameter's value have arguments, as the grammar says."""
    texts = st.text(st.characters(codec="utf-8"), max_size=8)
    inner = refs(depth - 1) if depth else st.nothing()
    values = st.one_of(texts, inner.filter(lambda ref: bool(ref.params or ref.inner)) if depth else texts)
    params = st.dictionaries(KEYS, values, max_size=3).map(lambda found: tuple(sorted(found.items())))
    return st.builds(MethodRef, NAMES, params, st.one_of(st.none(), inner) if depth else st.none())


@given(st.lists(st.tuples(refs(), FACTORS), min_size=1, max_size=3))
def test_what_is_written_is_read_back(drawn: list[tuple[MethodRef, float]]) -> None:
    given_refs = [MethodRef(ref.name, ref.params, ref.inner, factor) for ref, factor in drawn]
    assert parse(",".join(map(str, given_refs))) == tuple(dict.fromkeys(given_refs))


@given(st.text('ab1[]=,|@x" .:', max_size=30))
def test_any_text_is_refused_or_read_as_what_can_be_written(text: str) -> None:
    found: tuple[MethodRef, ...] = ()
    with contextlib.suppress(UsageError):
        found = parse(text)
    if found:
        assert parse(",".join(map(str, found))) == found


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("kd", ["kd"]),
        (" kd , eda [ alpha = .1 ] ", ["kd", "eda[alpha=.1]"]),
        ("nlpaug:swap,random-mask", ["nlpaug:swap", "random-mask"]),
        ("kd@2x,kd@0.50x,kd@1x", ["kd@2x", "kd@0.5x", "kd"]),
        ("eda[b=2,a=1]", ["eda[a=1,b=2]"]),
        ("kd,kd,eda[a=1|1]", ["kd", "eda[a=1]"]),
        ("matekd[p=0.1|0.2]", ["matekd[p=0.1]", "matekd[p=0.2]"]),
        ("m[a=1|2,b=x|y]", ["m[a=1,b=x]", "m[a=1,b=y]", "m[a=2,b=x]", "m[a=2,b=y]"]),
        ("m[b=x|y,a=1|2]", ["m[a=1,b=x]", "m[a=2,b=x]", "m[a=1,b=y]", "m[a=2,b=y]"]),
        ("worst-of-n[eda[alpha=.1],n=4]@2x", ["worst-of-n[eda[alpha=.1],n=4]@2x"]),
        ("w[eda[a=1|2]|aeda]", ["w[eda[a=1]]", "w[eda[a=2]]", "w[aeda]"]),
        ("w[eda|aeda,n=2|4]@2x", ["w[eda,n=2]@2x", "w[eda,n=4]@2x", "w[aeda,n=2]@2x", "w[aeda,n=4]@2x"]),
        ("w[of=eda[a=1|2]]", ["w[of=eda[a=1]]", "w[of=eda[a=2]]"]),
        ('m[a="x,y]",b="plain",c=a=b]', ['m[a="x,y]",b=plain,c=a=b]']),
    ],
)
def test_what_is_read(text: str, canonical: list[str]) -> None:
    assert [str(ref) for ref in parse(text)] == canonical


def test_the_parts_of_a_wrapper() -> None:
    [ref] = parse("worst-of-n[eda[alpha=.1],n=4]@2.5x")
    assert ref == MethodRef("worst-of-n", (("n", "4"),), MethodRef("eda", (("alpha", ".1"),)), 2.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name at position 1, found the end"),
        ("kd,,eda", "name at position 4, found ','"),
        ("kd,", "name at position 4, found the end"),
        ("eda[", "name at position 5, found the end"),
        ("eda[]", "name at position 5, found ']'"),
        ("eda[a=1", "']' at position 8, found the end"),
        ("eda[a=]", "value at position 7, found ']'"),
        ("eda[a=1|]", "value at position 9, found ']'"),
        ("eda[a=1,b]", "'parameter=value' at position 9, found 'b'"),
        ("eda[a=1,a=2]", "'a'"),
        ("eda]", "',' at position 4, found ']'"),
        ("kd eda", "',' at position 4, found 'e'"),
        ("kd@x", "'@2x' at position 3, found '@'"),
        ("kd@2,eda", "'@2x' at position 3, found '@'"),
        ("kd@0x", "by 0"),
        ("w[kd@2x]", "position 5"),
        ('m[a="x]', "position 5"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_shell_cuts_off_is_answered_with_quotes() -> None:
    """`--methods eda[alpha=0.1|0.2]` without quotes: the shell starts a program called `0.2]`."""
    with pytest.raises(UsageError) as caught:
        parse("kd,eda[alpha=0.1")
    assert "'kd,eda[alpha=0.1'" in str(caught.value)
    assert "position 17" in str(caught.value)
    assert "in quotes" in str(caught.value)
    with pytest.raises(UsageError) as caught:
        parse("kd,")
    assert "in quotes" not in str(caught.value)


VALUES = "|".join(map(str, range(16)))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"m[a={VALUES},b={VALUES}|16]", 272),
        (f"m[a={VALUES},b={VALUES}],kd", 257),
        (f"w[m[a={VALUES}],b={VALUES}|16]", 272),
        (f"m[{','.join(f'p{at}={VALUES}' for at in range(8))}]", 16**8),
    ],
)
def test_the_number_of_methods_has_a_limit(text: str, count: int) -> None:
    with pytest.raises(UsageError, match=rf"\b{count}\b.*\b256\b") as caught:
        parse(text)
    assert f"'{text}'" in str(caught.value)


def test_the_limit_counts_each_method_once() -> None:
    assert len(parse(f"m[a={VALUES},b={VALUES}]")) == 256
    assert len(parse(f"m[a={VALUES},b={VALUES}],m[b=1,a=1]")) == 256


def test_methods_within_methods_have_a_limit() -> None:
    assert len(str(parse(f"{'a[' * 7}a{']' * 7}")[0])) == 22
    for text in (f"{'a[' * 8}a{']' * 8}", "a[" * 5000, "a[b=a[" * 5000):
        with pytest.raises(UsageError, match="8 nested methods"):
            parse(text)

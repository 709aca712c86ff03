"""From text to checked parameters: types, bounds, --set, and the text shown in tables."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field, model_validator

from matekd_bench.errors import UsageError
from matekd_bench.methods.grammar import parse
from matekd_bench.methods.method import Method, NoParams, Params
from matekd_bench.methods.params import (
    ResolvedMethod,
    check_sets,
    describe,
    names_in,
    parse_sets,
    resolve_all,
)
from matekd_bench.methods.wrapping import WrapperParams


class Own(Params):
    """Parameters of every type that the grammar has to spell."""

    alpha: float = Field(default=0.1, ge=0, le=1)
    """Share of words."""
    steps: int = Field(default=3, gt=0)
    share: bool = True
    where: Literal["both", "first"] = "both"
    passes: Literal[2, 3] = 2
    limit: float | None = None
    words: tuple[str, ...] = ()
    code: str | None = None
    weights: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Own:
        if self.steps > 10 and not self.share:
            raise ValueError("more than 10 steps need share")
        return self


class Wrapping(WrapperParams):
    n: int = 4


def method(name: str, params: type[Params], **fields: Any) -> Method:
    return Method(name=name, summary="", params=params, **{**STANDARD, **fields})


STANDARD: dict[str, Any] = {"factory": NoParams, "level": "text", "version": "1"}
METHODS = {
    "eda": method("eda", Own),
    "kd": method("kd", NoParams, level="none", role="baseline"),
    "worst-of-n": method("worst-of-n", Wrapping, wraps="text"),
}


def lookup(name: str) -> Method:
    if name not in METHODS:
        raise UsageError(f"unknown method '{name}'")
    return METHODS[name]


def one(text: str, *sets: str) -> ResolvedMethod:
    given = parse_sets(sets)
    check_sets(given, [name for ref in parse(text) for name in names_in(ref)], lookup)
    [found] = resolve_all(text, lookup, given)
    return found


def test_text_becomes_typed_values() -> None:
    text = 'eda[alpha=.25,steps=7,share=false,where=first,passes=3,limit=2,words="[\\"a\\", \\"b\\"]"]'
    assert one(text).params == Own(
        alpha=0.25, steps=7, share=False, where="first", passes=3, limit=2.0, words=("a", "b")
    )
    assert one("eda[limit=none]").params == Own()
    assert one('eda[code="[1]"]').params == Own(code="[1]")
    assert one('eda[weights="{\\"a\\": 2}"]').params == Own(weights={"a": 2.0})


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("eda", "eda"),
        ("eda[alpha=0.10]", "eda"),
        ("eda[steps=5,alpha=.2]", "eda[alpha=0.2,steps=5]"),
        ("eda[share=no,limit=1]", "eda[share=false,limit=1.0]"),
        ('eda[words="[\\"a\\"]"]', 'eda[words="[\\"a\\"]"]'),
        ('eda[code="[1]"]', 'eda[code="[1]"]'),
        ('eda[weights="{\\"a\\": 2}"]', 'eda[weights="{\\"a\\": 2.0}"]'),
        ("kd@2x", "kd@2x"),
        ("worst-of-n[eda[alpha=.20],n=3]", "worst-of-n[eda[alpha=0.2],n=3]"),
        ("worst-of-n[eda[alpha=.1],n=4]@4x", "worst-of-n[eda]@4x"),
    ],
)
def test_the_variant_shows_what_differs_from_the_defaults_and_can_be_typed_again(
    text: str, variant: str
) -> None:
    found = one(text)
    assert found.variant == variant
    assert one(variant) == found


def test_equal_methods_are_merged_after_typing() -> None:
    found = resolve_all("eda,eda[alpha=0.1|0.10|0.2],kd,kd@1x", lookup, {})
    assert [one.variant for one in found] == ["eda", "eda[alpha=0.2]", "kd"]


def test_set_fills_in_what_an_item_leaves_open() -> None:
    found = resolve_all("eda[alpha=0.3],eda[steps=5]", lookup, parse_sets(["eda.alpha=0.2"]))
    assert [one.variant for one in found] == ["eda[alpha=0.3]", "eda[alpha=0.2,steps=5]"]


def test_set_reaches_a_wrapped_method() -> None:
    assert one("worst-of-n[eda]", "eda.alpha=.2").variant == "worst-of-n[eda[alpha=0.2]]"
    both = resolve_all("eda,worst-of-n[eda]", lookup, parse_sets(["eda.alpha=.2", "worst-of-n.n=2"]))
    assert [one.variant for one in both] == ["eda[alpha=0.2]", "worst-of-n[eda[alpha=0.2],n=2]"]


def test_a_sweep_over_what_is_wrapped_and_the_wrapper_runs_equal_ones_once() -> None:
    found = resolve_all("worst-of-n[eda|eda[alpha=.1|.2],n=2|4]", lookup, {})
    assert [one.variant for one in found] == [
        "worst-of-n[eda,n=2]",
        "worst-of-n[eda]",
        "worst-of-n[eda[alpha=0.2],n=2]",
        "worst-of-n[eda[alpha=0.2]]",
    ]
    assert found[2].names == ("worst-of-n", "eda")


def test_a_baseline_with_another_budget_remains_one() -> None:
    roles = [one(text).record.role for text in ("kd", "kd@1x", "kd@2x", "eda@2x")]
    assert roles == ["baseline", "baseline", "baseline", "method"]
    assert (one("eda@2x").record.name, one("kd@2x").factor, one("kd").factor) == ("eda", 2.0, 1.0)


def test_the_last_set_of_a_parameter_counts_and_values_may_hold_signs() -> None:
    assert parse_sets(["nlpaug:swap.p=1", "nlpaug:swap.p = a=b,c "]) == {"nlpaug:swap.p": "a=b,c"}


@pytest.mark.parametrize("item", ["eda", "eda=1", "alpha=.1", "eda.=1", ".alpha=1", "eda.alpha"])
def test_a_malformed_set_is_refused(item: str) -> None:
    with pytest.raises(UsageError, match=r"METHOD\.PARAMETER=VALUE"):
        parse_sets([item])


@pytest.mark.parametrize(
    ("text", "sets", "parts"),
    [
        ("eda[alhpa=1]", (), ("'eda.alhpa'", "'eda.alpha'", "methods show eda")),
        ("kd[alpha=1]", (), ("'kd.alpha'",)),
        ("eda[alpha=1.5]", (), ("'alpha'", "'eda'", "'1.5'", "equal to 1")),
        ("eda[alpha=nan]", (), ("'alpha'", "nan")),
        ("eda[limit=inf]", (), ("'limit'", "finite")),
        ("eda[steps=0]", (), ("'steps'", "'0'", "than 0")),
        ("eda[steps=some]", (), ("'steps'", "'some'", "whole number")),
        ("eda[where=second]", (), ("'where'", "'second'", "'both' or 'first'")),
        ('eda[words="[1"]', (), ("'words'", "'[1'")),
        ("eda[steps=11,share=no]", (), ("'eda'", "more than 10 steps need share")),
        ("eda[kd]", (), ("'eda[kd]'", "PARAMETER=VALUE")),
        ("eda[alpha]", (), ("'eda[alpha]'",)),
        ("worst-of-n[n=3]", (), ("'worst-of-n[n=3]'", "'worst-of-n[METHOD]'")),
        ("worst-of-n[kd]", (), ("'worst-of-n[kd]'", "'kd'", "level none")),
        ("worst-of-n[worst-of-n[eda]]", (), ("'worst-of-n[worst-of-n[eda]]'",)),
        ("worst-of-n[ead]", (), ("'ead'",)),
        ("worst-of-n[eda[alpha=7]]", (), ("'alpha'", "'eda'", "'7'")),
        ("worst-of-n[eda,inner=eda]", (), ("'worst-of-n.inner'",)),
        ("worst-of-n[eda]", ("worst-of-n.inner=eda",), ("'worst-of-n.inner'",)),
        ("eda", ("eda.alpha=7",), ("'7'",)),
    ],
)
def test_bad_parameters_are_one_line_that_names_them(
    text: str, sets: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as caught:
        one(text, *sets)
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_are_described_for_people() -> None:
    rows = [
        (one.name, one.type, one.default, one.bounds, one.description) for one in describe(METHODS["eda"])
    ]
    assert rows == [
        ("alpha", "float", "0.1", ">= 0, <= 1", "Share of words."),
        ("steps", "int", "3", "> 0", ""),
        ("share", "bool", "true", "", ""),
        ("where", "both | first", "both", "", ""),
        ("passes", "2 | 3", "2", "", ""),
        ("limit", "float | none", "none", "", ""),
        ("words", "tuple[str, ...]", "[]", "", ""),
        ("code", "str | none", "none", "", ""),
        ("weights", "dict[str, float]", "{}", "", ""),
    ]
    assert [one.name for one in describe(METHODS["worst-of-n"])] == ["n"]  # without the wrapped method


@pytest.mark.parametrize("number", ["1e999", "-inf", "nan", "9" * 5000])
@pytest.mark.parametrize("parameter", ["limit", "steps"])
def test_a_number_beyond_reason_is_one_line(parameter: str, number: str) -> None:
    if parameter == "limit" and number.isdecimal():
        number = f"1{number}e400"
    with pytest.raises(UsageError, match=f"'{parameter}'.*'{number[:10]}"):
        one(f"eda[{parameter}={number}]")


def test_the_sign_of_zero_is_no_other_method() -> None:
    assert one("eda[alpha=-0.0]").variant == one("eda[alpha=0]").variant == "eda[alpha=0.0]"


def test_a_list_nested_too_deeply_is_one_line() -> None:
    with pytest.raises(UsageError, match="'words'"):
        one('eda[words="' + "[" * 100_000 + '"]')

"""What differs between protocols is named, and nothing else."""

from __future__ import annotations

from typing import Any

from matekd_bench.results.stats.protocol_differences import differing_settings

ONE: dict[str, Any] = {
    "budget": {"kind": "student_updates", "limit": 300},
    "training": {"lr": 5e-5, "betas": [0.9, 0.999]},
    "limits": [None, None],
    "tuning": None,
}


def test_equal_protocols_differ_in_nothing() -> None:
    assert (
        differing_settings({"a": ONE, "b": {**ONE, "training": {"betas": [0.9, 0.999], "lr": 0.00005}}}) == ()
    )
    assert differing_settings({}) == ()


def test_differences_are_named_by_path() -> None:
    two = {**ONE, "budget": {"kind": "student_updates", "limit": 600}, "limits": [100, None]}
    found = differing_settings({"a": ONE, "b": two})
    assert [field.path for field in found] == ["budget.limit", "limits"]
    assert str(found[0]) == "budget.limit: 300 (a), 600 (b)"
    assert found[1].values == {"a": "[null,null]", "b": "[100,null]"}


def test_what_one_lacks_is_absent_and_not_null() -> None:
    two = {key: value for key, value in ONE.items() if key != "tuning"}
    (field,) = differing_settings({"a": ONE, "b": two, "c": ONE})
    assert field.values == {"a": "null", "b": "(absent)", "c": "null"}


def test_a_group_against_a_value() -> None:
    found = differing_settings(
        {"a": {"generator": {"lr": 1.0}}, "b": {"generator": None}, "c": {"generator": {}}}
    )
    assert {field.path: dict(field.values) for field in found} == {
        "generator": {"a": "(absent)", "b": "null", "c": "{}"},
        "generator.lr": {"a": "1.0", "b": "(absent)", "c": "(absent)"},
    }


def test_types_differ() -> None:
    pairs = ([{"seed": 1}, {"seed": "1"}], [{"a.b": 1}, {"a": {"b": 1}}])
    assert all(differing_settings(dict(zip("ab", pair, strict=True))) for pair in pairs)

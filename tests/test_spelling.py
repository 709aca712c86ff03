"""Names as people write them: what is meant, and what is suggested."""

from __future__ import annotations

import pytest

from matekd_bench.spelling import counted, match_name, nearest

TASKS = ("sst2", "stsb", "rte", "mini-rte")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("SST-2", "sst2"), ("STS-B", "stsb"), ("RTE", "rte"), ("mini RTE", "mini-rte"), ("sst2", "sst2")],
)
def test_case_hyphens_and_spaces_do_not_count(written: str, meant: str) -> None:
    assert match_name(written, TASKS) == meant


def test_one_thing_is_not_several() -> None:
    assert [counted(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


def test_an_exact_name_wins_and_an_ambiguous_one_means_nothing() -> None:
    names = ("my-eda", "myeda")
    assert [match_name(name, names) for name in (*names, "MyEDA")] == [*names, "MyEDA"]


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("--lr", None),
        ("--temperature", None),
        ("--sedes", "--seeds"),
        ("--GLUE-DIRR", "--glue-dir"),
        ("--tsaks", "--tasks"),
        ("--rl", None),
    ],
)
def test_only_what_is_alike_is_suggested(wrong: str, near: str | None) -> None:
    options = ("--glue-dir", "--generator", "--seeds", "--tasks", "--dry-run", "--reference")
    assert nearest(wrong, options) == near

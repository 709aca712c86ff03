"""Rows are called what the user typed; the variant and, where it is unique, the method mean the same row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.errors import UsageError
from matekd_bench.methods.typed_names import variants_called
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.row_filters import select_rows_and_columns
from matekd_bench.results.leaderboard.row_names import row_names
from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables
from matekd_bench.results.report.sentences import remarks
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tools.submission import runs_of

TUNED = "matekd[generator_lr=5e-05]"
SETS = {"matekd.generator_lr": "5e-5", "eda.alpha": "0.2", "eda.words": "none"}


def typed(make_record: Any, variants: Sequence[str], preset: Mapping[str, str]) -> list[str]:
    names = row_names([make_record(variant) for variant in variants], lambda run: preset)
    return [names[variant].typed for variant in variants]


@pytest.mark.parametrize(
    ("variants", "preset", "expected"),
    [
        ([TUNED, "kd"], SETS, ["matekd", "kd"]),
        ([f"{TUNED}@2x"], SETS, ["matekd@2x"]),
        (["matekd[generator_lr=0.0001]"], SETS, ["matekd[generator_lr=0.0001]"]),  # typed, and another value
        (["matekd[generator_lr=5e-05,mask_rate=0.3]"], SETS, ["matekd[mask_rate=0.3]"]),
        ([TUNED, "matekd"], SETS, [TUNED, "matekd"]),  # the default was typed in another study
        ([f"worst-of-n[{TUNED},n=2]"], SETS, ["worst-of-n[matekd,n=2]"]),
        (["eda[alpha=0.2,words=none]"], SETS, ["eda"]),
        ([TUNED], {}, [TUNED]),
        (["not,in|the[grammar", "a[b=1],c"], SETS, ["not,in|the[grammar", "a[b=1],c"]),
    ],
)
def test_what_the_preset_sets_is_left_out(
    variants: list[str], preset: dict[str, str], expected: list[str], make_record: Any
) -> None:
    assert typed(make_record, variants, preset) == expected


@pytest.fixture
def store(tmp_path: Path, make_record: Any) -> ResultsStore:
    """A study whose preset set matekd's parameter, while the user set eda's."""
    made = ResultsStore(tmp_path)
    study = {"sets": SETS, "set_by_user": ["eda.alpha"]}
    for method in ("kd", TUNED, "eda[alpha=0.2]", "eda[alpha=0.2]@2x"):
        for seed in range(2):
            made.write(make_record(method, seed=seed), study=study)
    return made


def table(store: ResultsStore, reference: str | None = "kd") -> LeaderboardTable:
    records = list(store.records())
    evidence = Evidence({run.run_id: store for run in records})
    [made] = build(records, tasks={}, suites=(), reference=reference, evidence=evidence).tables
    return made


def test_the_table_leaves_out_what_the_preset_set_and_lists_it_once(store: ResultsStore) -> None:
    shown = table(store)
    assert {row.label: row.identity.variant for row in shown.rows} == {
        "kd": "kd", "matekd": TUNED, "eda[alpha=0.2]": "eda[alpha=0.2]", "eda[alpha=0.2]@2x": "eda[alpha=0.2]@2x"
    }  # fmt: skip
    assert [line for line in remarks(shown) if "5e-05" in line] == [
        "Preset test sets matekd.generator_lr=5e-05."
    ]


def test_a_run_without_readable_settings_keeps_its_full_name(store: ResultsStore) -> None:
    for file in store.runs.glob("*/study.json"):
        file.write_text('{"schema": "matekd.study/2", "spec": {"sets": 3}}')
    assert TUNED in {row.label for row in table(store).rows}


@pytest.mark.parametrize("name", [TUNED, "matekd"])
def test_a_name_means_its_row_everywhere(store: ResultsStore, name: str) -> None:
    assert table(store, name).reference == "matekd"
    shown = table(store)
    [part] = select_rows_and_columns(LeaderboardTables((shown,)), name, None, ()).tables
    assert [row.label for row in part.rows] == ["matekd"]
    records = list(store.records())
    params = Evidence({run.run_id: store for run in records}).preset_params
    for preset_params in (params, None):
        [run] = runs_of(records, name, 0, preset_params)
        assert run.identity.variant == TUNED


def test_tables_may_call_different_variants_alike(store: ResultsStore, make_record: Any) -> None:
    other = "matekd[generator_lr=0.0001]"
    sets = {"sets": {"matekd.generator_lr": "1e-4"}, "set_by_user": []}
    store.write(make_record(other, protocol_id="p2"), study=sets)
    records = list(store.records())
    both = build(records, tasks={}, suites=(), evidence=Evidence({run.run_id: store for run in records}))
    for name, variants in {TUNED: [TUNED], other: [other], "matekd": [TUNED, other]}.items():
        rows = [row for part in select_rows_and_columns(both, name, None, ()).tables for row in part.rows]
        assert [row.identity.variant for row in rows] == variants
        assert {row.label for row in rows} == {"matekd"}


def test_a_method_with_several_variants_is_not_unique(store: ResultsStore) -> None:
    shown = table(store, "eda")
    assert shown.reference is None
    assert any("eda[alpha=0.2], eda[alpha=0.2]@2x" in note for note in shown.notes)
    with pytest.raises(UsageError, match=r"eda\[alpha=0\.2\], eda\[alpha=0\.2\]@2x"):
        runs_of(list(store.records()), "eda", 0)
    with pytest.raises(UsageError) as refused:
        select_rows_and_columns(LeaderboardTables((shown,)), "mateked", None, ())
    assert TUNED in str(refused.value)  # candidates are variants


def test_an_exact_name_wins(make_record: Any) -> None:
    names = row_names(map(make_record, ["eda", "eda[alpha=0.2]", TUNED]), None).values()
    assert variants_called("eda", names) == ["eda"]
    assert variants_called("matekd", names) == [TUNED]
    assert variants_called("vat", names) == []

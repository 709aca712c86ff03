"""How many planned runs have no record: from the settings beside the records, by table and by method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matekd_bench.events import PlannedRun
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.planned_runs import PlannedRuns
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.task import Suite

SETTINGS = {
    "reference": "kd", "methods": "eda", "tasks": "rte,cola", "stand_ins": False, "first_seed": 0, "seeds": 3,
    "sets": {}, "set_by_user": [],
}  # fmt: skip


@pytest.fixture
def planned(tmp_path: Path) -> Any:
    """The planned runs of each table of a folder with these records; the settings of a record come beside it."""

    def planned(*studies: tuple[dict[str, Any], list[Record]]) -> list[PlannedRuns | None]:
        store = ResultsStore(tmp_path)
        for settings, records in studies:
            for record in records:
                store.write(record, study=settings)
        records = store.records()
        evidence = Evidence({record.run_id: store for record in records})
        board = build(records, tasks={}, suites=[Suite("pair", ("rte", "cola"))], evidence=evidence)
        return [table.planned for table in board.tables]

    return planned


def test_missing_seeds_tasks_and_methods_count(planned: Any, make_record: Any) -> None:
    runs = [make_record("kd", "rte", 0), make_record("kd", "rte", 1), make_record("kd", "cola", 0, None)]
    [found] = planned((SETTINGS, runs))
    assert (found.count, found.recorded) == (12, 3)  # a failed run has a record
    assert found.missing == {"kd": 3, "eda": 6}


def test_a_complete_study_has_no_missing_runs(planned: Any, make_record: Any) -> None:
    runs = [
        make_record(method, task, seed)
        for method in ("kd", "eda")
        for task in ("rte", "cola")
        for seed in range(3)
    ]
    assert planned((SETTINGS | {"tasks": "pair"}, runs)) == [PlannedRuns(12, {})]


@pytest.mark.parametrize(
    ("listed", "variants"),
    [
        ("eda[alpha=0.1|0.2]", ("eda[alpha=0.1]", "eda[alpha=0.2]")),
        ("eda", ("eda[alpha=0.3]",)),  # --set eda.alpha=0.3
        ("kd,kd@2x", ("kd@2x",)),  # the reference is planned once
        ("eda@2x,eda", ("eda[alpha=0.3]@2x", "eda[alpha=0.3]")),
    ],
)
def test_variants_are_found_as_the_settings_list_them(
    planned: Any, make_record: Any, listed: str, variants: tuple[str, ...]
) -> None:
    settings = SETTINGS | {"methods": listed, "tasks": "rte", "seeds": 1}
    settings |= {"sets": {"eda.alpha": "0.3", "matekd.beta": "1"}, "set_by_user": ["eda.alpha"]}
    assert planned((settings, [make_record(variant) for variant in ("kd", *variants)])) == [
        PlannedRuns(1 + len(variants), {})
    ]
    settings = settings | {"seeds": 2}
    [found] = planned((settings, [make_record("kd", seed=1, command="again")]))
    assert found.missing == dict.fromkeys(sorted(variants), 1)


def test_studies_of_one_folder_are_counted_together(planned: Any, make_record: Any) -> None:
    first = SETTINGS | {"tasks": "rte", "seeds": 1}
    [found] = planned(
        (first, [make_record("kd"), make_record("eda")]),
        (
            first | {"methods": "aeda", "seeds": 2},
            [make_record("aeda", command="matekd-bench run --seeds 2")],
        ),
    )
    assert (found.count, found.missing) == (5, {"aeda": 1, "kd": 1})


def test_a_parameter_at_its_default_has_no_place_in_a_variant(planned: Any, make_record: Any) -> None:
    settings = SETTINGS | {"methods": "eda[alpha=0.1]", "tasks": "rte", "seeds": 2}
    [found] = planned((settings, [make_record("kd"), make_record("eda")]))
    assert (found.count, found.missing) == (4, {"eda": 1, "kd": 1})


def test_methods_of_one_variant_are_planned_once(planned: Any, make_record: Any) -> None:
    settings = SETTINGS | {"methods": "freelb,freelb[steps=2|3|4]", "tasks": "rte", "seeds": 1}
    variants = {"freelb": 3, "freelb[steps=2]": 2, "freelb[steps=4]": 4}
    runs = [make_record(variant, params={"steps": steps}) for variant, steps in variants.items()]
    assert planned((settings, [make_record("kd"), *runs])) == [PlannedRuns(4, {})]


def test_the_missing_value_of_a_sweep_is_named(planned: Any, make_record: Any) -> None:
    settings = SETTINGS | {"methods": "r3f[epsilon=1e-5|1e-2|3e-2|1e-1]", "tasks": "rte", "seeds": 1}
    runs = [make_record(f"r3f[epsilon={value}]", params={"epsilon": value}) for value in (1e-5, 0.01, 0.1)]
    assert planned((settings, [make_record("kd"), *runs])) == [PlannedRuns(5, {"r3f[epsilon=3e-2]": 1})]


@pytest.mark.parametrize(("method", "name"), [("eda", "eda{}"), ("worst-of-n[eda]", "worst-of-n[eda{}]")])
def test_a_variant_of_earlier_settings_is_not_planned(
    planned: Any, make_record: Any, method: str, name: str
) -> None:
    settings = SETTINGS | {"methods": method, "tasks": "rte", "seeds": 2, "set_by_user": ["eda.alpha"]}
    old, new = name.format("[alpha=0.2]"), name.format("[alpha=0.3]")
    [found] = planned(
        (settings | {"sets": {"eda.alpha": "0.2"}}, [make_record(old), make_record(old, seed=1)]),
        (settings | {"sets": {"eda.alpha": "0.3"}}, [make_record("kd", created="2026-01-02T04:00:00Z")]),
    )
    assert (found.count, found.missing) == (4, {new: 2, "kd": 1})


def test_runs_of_another_protocol_are_not_missing(planned: Any, make_record: Any) -> None:
    settings = SETTINGS | {"methods": "kd", "seeds": 1}
    tables = planned((settings, [make_record(), make_record(task="cola", protocol_id="p2")]))
    assert tables == [PlannedRuns(1, {})] * 2


def test_missing_runs_of_a_second_protocol_count(planned: Any, make_record: Any) -> None:
    settings = SETTINGS | {"seeds": 1}
    methods, tasks = ("kd", "eda"), ("rte", "cola")
    first = [make_record(method, task, protocol_id="p1") for method in methods for task in tasks]
    second = [make_record(method, protocol_id="p2", command="run --preset b") for method in methods]
    tables = planned((settings, first), (settings | {"preset": "b"}, second))
    assert tables == [PlannedRuns(4, {}), PlannedRuns(4, {"eda": 1, "kd": 1})]


def test_missing_runs_count_after_the_settings_of_a_command_have_changed(
    planned: Any, make_record: Any
) -> None:
    settings = SETTINGS | {"methods": "kd", "seeds": 1}
    first = [make_record(task=task, protocol_id="p1") for task in ("rte", "cola")]
    second = [make_record(protocol_id="p2", created="2026-01-02T04:00:00Z")]
    tables = planned((settings, first), (settings | {"preset": "b"}, second))
    assert tables == [PlannedRuns(2, {}), PlannedRuns(2, {"kd": 1})]


@pytest.mark.parametrize("by_plan", [False, True])
def test_a_task_without_records_counts_in_one_table(planned: Any, make_record: Any, by_plan: bool) -> None:
    tasks = ("rte", "cola", "mrpc")
    records = [make_record(), make_record(task="cola", protocol_id="p2", created="2026-01-02T04:00:00Z")]
    if by_plan:
        plan = [PlannedRun(run_id=f"kd-{task}", method="kd", name="kd", task=task, seed=0) for task in tasks]
        tables = [table.planned for table in build(records, tasks={}, suites=(), plan=plan).tables]
    else:
        tables = planned((SETTINGS | {"methods": "kd", "tasks": ",".join(tasks), "seeds": 1}, records))
    assert tables == [PlannedRuns(1, {}), PlannedRuns(2, {"kd": 1})]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        SETTINGS | {"methods": "eda["},
        SETTINGS | {"tasks": 3},
        SETTINGS | {"seeds": "3"},
        SETTINGS | {"seeds": 10**30},
    ],
)
def test_settings_that_make_no_sense_say_nothing(
    planned: Any, make_record: Any, settings: dict[str, Any]
) -> None:
    assert planned((settings, [make_record()])) == [None]


def test_a_study_that_has_just_ended_counts_by_its_own_plan(make_record: Any) -> None:
    runs = [
        PlannedRun(run_id=f"{name}-{seed}", method=variant, name=name, task="rte", seed=seed)
        for variant, name in (("kd", "kd"), ("eda[alpha=0.2]", "eda"), ("aeda[p=1]", "aeda"))
        for seed in (0, 1)
    ]
    records = [make_record(variant) for variant in ("kd", "eda[alpha=0.2]")]
    [table] = build(records, tasks={}, suites=(), plan=runs).tables
    assert table.planned == PlannedRuns(6, {"aeda": 2, "eda[alpha=0.2]": 1, "kd": 1})
    [table] = build(records, tasks={}, suites=()).tables
    assert table.planned is None

"""The leaderboard: its numbers by hand, and what it must not say."""

from __future__ import annotations

import random
from typing import Any

import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.glue_score import GLUE8
from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, LeaderboardTables
from matekd_bench.results.report.sentences import remarks
from matekd_bench.tasks.task import Split, Suite, Task

SUITES = (Suite("glue", ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")),)
SPLITS = {"train": Split("train", "train.tsv", 1000), "dev": Split("validation", "dev.tsv", 100)}


def board(
    records: Any, reference: str | None = "kd", tasks: dict[str, Task] | None = None
) -> LeaderboardTables:
    return build(records, tasks=tasks or {}, suites=SUITES, reference=reference)


def only(records: Any, reference: str | None = "kd") -> LeaderboardTable:
    (table,) = board(records, reference).tables
    return table


def row(table: LeaderboardTable, label: str) -> LeaderboardRow:
    return next(row for row in table.rows if row.label == label)


def test_cells_by_hand(make_record: Any) -> None:
    table = only(
        [make_record("kd", seed=seed, score=score) for seed, score in enumerate((0.70, 0.72, 0.74))]
        + [make_record("eda", seed=seed, score=score) for seed, score in ((1, 0.75), (2, 0.71), (3, 0.9))]
    )
    kd, eda = row(table, "kd").cells["rte"], row(table, "eda").cells["rte"]
    assert (kd.n, kd.mean, kd.statistics.spread.sd) == (3, pytest.approx(0.72), pytest.approx(0.02))
    assert (kd.delta, kd.statistics.difference) == (None, None)
    assert eda.mean == pytest.approx((0.75 + 0.71 + 0.9) / 3)
    assert (eda.delta, eda.statistics.difference.n) == (pytest.approx(((0.75 - 0.72) + (0.71 - 0.74)) / 2), 2)
    assert eda.optimism == pytest.approx(0.01)
    assert table.reference == "kd"
    assert row(table, "eda").delta == eda.delta


def test_the_table_does_not_depend_on_the_order_of_records(make_record: Any) -> None:
    rng = random.Random(0)
    records = [
        make_record(method, task, seed, None if (method, seed) == ("eda", 1) else rng.uniform(0.6, 0.9))
        for method in ("kd", "finetune", "eda", "eda[alpha=0.2]")
        for task in ("rte", "cola", "own-task")
        for seed in range(3)
    ]
    first = board(records)
    for _ in range(3):
        rng.shuffle(records)
        assert board(records) == first
    (table,) = first.tables
    assert [column.name for column in table.columns] == ["cola", "rte", "own-task"]
    assert [row.label for row in table.rows] == ["kd", "finetune", "eda[alpha=0.2]", "eda"]


def test_no_reference_no_differences(make_record: Any) -> None:
    records = [make_record("eda"), make_record("finetune")]
    table = only(records)
    assert table.reference is None
    assert all(row.cells["rte"].delta is None and row.delta is None for row in table.rows)
    assert ["'kd'" in note for note in table.notes] == [True]
    assert only(records, reference=None).notes == ()
    assert row(only(records, reference="finetune"), "eda").cells["rte"].delta == 0


def test_failed_collapsed_and_diverged_runs_are_counted(make_record: Any) -> None:
    table = only(
        [
            make_record("kd", seed=0),
            make_record("kd", seed=1),
            make_record("eda", seed=0, score=0.9),
            make_record("eda", seed=1, score=None),
            make_record("eda", seed=2, score=0.5, status="collapsed"),
            make_record("eda", seed=3, score=0.5, status="diverged"),
            make_record("mixup", seed=0, score=None, teacher=None, student=None),
        ]
    )
    cell = row(table, "eda").cells["rte"]
    assert (cell.n, cell.statuses) == (3, {"ok": 1, "failed": 1, "collapsed": 1, "diverged": 1})
    assert cell.mean == pytest.approx((0.9 + 0.5 + 0.5) / 3)
    assert row(table, "eda").delta is None  # a failed seed leaves the row incomplete
    lost, cell = row(table, "mixup"), row(table, "mixup").cells["rte"]
    assert (cell.n, cell.mean, cell.statuses, lost.cost) == (0, None, {"failed": 1}, None)
    assert len(table.columns) == 1


def test_only_failed_runs_still_make_a_table(make_record: Any) -> None:
    table = only([make_record("kd", score=None)])
    assert (table.seeds, table.columns[0].uninformative) == (0, None)


@pytest.mark.parametrize(
    ("score", "reason"),
    [(0.5, "majority class"), (0.509, "majority class"), (0.511, None)],
)
def test_the_majority_rule(make_record: Any, score: float, reason: str | None) -> None:
    records = [make_record(method, task="rte", score=0.45) for method in ("kd", "finetune")]
    records += [make_record("eda", task="rte", score=score)]
    records += [make_record(method, task="mrpc", score=0.7) for method in ("kd", "finetune")]
    records += [make_record("eda", task="mrpc", score=0.8)]
    table = only(records)
    mrpc, rte = table.columns
    assert mrpc.uninformative is None
    eda = row(table, "eda")
    assert eda.cells["rte"].mean == score  # shown all the same
    if reason is None:
        assert rte.uninformative is None
        assert eda.delta == pytest.approx((0.1 + score - 0.45) / 2)
    else:
        assert reason in rte.uninformative
        assert (eda.cells["rte"].delta, eda.delta) == (None, pytest.approx(0.1))


def test_a_column_of_collapsed_runs_is_uninformative(make_record: Any) -> None:
    records = [make_record(method, score=0.6, status="collapsed") for method in ("kd", "eda")]
    assert only(records).columns[0].uninformative == "every run collapsed"


def glue_records(make_record: Any, tasks: tuple[str, ...] = GLUE8, **changes: Any) -> list[Any]:
    return [make_record("kd", task, score=0.6 + number / 100, **changes) for number, task in enumerate(tasks)]


def test_anything_less_has_no_glue_score(make_record: Any) -> None:
    whole = glue_records(make_record)
    seven = only(whole[:-1])
    assert (seven.glue_tasks, row(seven, "kd").scores, row(seven, "kd").glue_tasks) == (7, {}, 7)
    for spoilt in (
        make_record("kd", "rte", state="partial", state_text="partial (dev 9 of 277)"),
        make_record("kd", "rte", eval_on="holdout"),
        make_record("kd", "rte", score=0.5),  # the majority class
    ):
        table = only([*whole[:-1], spoilt])
        assert (table.glue_tasks, row(table, "kd").scores) == (7, {})
    failed = only([*whole, make_record("kd", "rte", seed=1, score=None)])
    assert (failed.glue_tasks, row(failed, "kd").scores, row(failed, "kd").glue_tasks) == (8, {}, 7)
    assert only([make_record("kd", "own-task")]).glue_tasks is None


def test_mini_glue_has_a_mean_of_its_own_and_no_glue_score(make_record: Any) -> None:
    mini = {"state": "mini", "state_text": "mini"}
    records = glue_records(make_record, tuple(f"mini-{name}" for name in GLUE8), **mini)
    table = only(records)
    assert (table.synthetic, table.glue_tasks) == (True, None)
    assert row(table, "kd").scores == {"mini": pytest.approx(0.635)}
    limited = make_record("kd", "mini-rte", state="mini", state_text="mini (train 9 of 1200)")
    assert row(only([*records[:-1], limited]), "kd").scores == {}


def test_synthetic_data_under_the_name_of_a_glue_task_count_for_nothing(make_record: Any) -> None:
    table = only(glue_records(make_record, state="mini", state_text="mini"))
    assert (table.glue_tasks, row(table, "kd").scores) == (None, {})
    named = only(glue_records(make_record, tuple(f"mini-{name}" for name in GLUE8)))
    assert row(named, "kd").scores == {}  # a mean called mini is of synthetic data only


def test_two_teachers_of_one_task_are_not_compared(make_record: Any) -> None:
    records = [make_record("kd", seed=seed) for seed in range(2)]
    records += [
        make_record("eda", sha256="u" * 64, task_score=0.8),
        make_record("kd", sha256="u" * 64, task_score=0.8),
    ]
    records += [make_record("kd", task="mrpc"), make_record("eda", task="mrpc")]
    table = only(records)
    assert [column.name for column in table.columns] == ["mrpc", "rte", "rte#2"]
    assert [column.teacher_score for column in table.columns] == [0.9, 0.9, 0.8]
    assert row(table, "kd").cells["rte"].n == 2
    assert row(table, "kd").cells["rte#2"].n == 1
    assert "rte" not in row(table, "eda").cells
    assert row(table, "eda").delta is None
    assert "rte: 2 teachers (tttttttt, uuuuuuuu) " in table.notes[0]


def test_two_versions_of_a_metric_of_one_task_are_not_compared(make_record: Any) -> None:
    def run(method: str, metric: str) -> Any:
        score = {"split": "dev", "selection": "last", "metric": metric, "value": 0.9, "n": 100}
        return make_record(method, scores=[score])

    records = [run("kd", "evaluate:mine@11111111"), run("eda", "evaluate:mine@22222222")]
    (table,) = build(records, tasks={}, suites=()).tables
    assert [column.name for column in table.columns] == ["rte", "rte#2"]
    assert "rte: 2 versions of its metrics" in table.notes[0]
    (table,) = build([*records[:1], run("eda", "evaluate:mine@11111111")], tasks={}, suites=()).tables
    assert [column.name for column in table.columns] == ["rte"]


def test_two_data_sets_of_one_task_are_not_averaged(make_record: Any) -> None:
    other = {"dev": {"n": 50, "official_n": 100, "digest": "other"}}
    records = [make_record(), make_record(seed=1), make_record(seed=2, score=0.9, splits=other)]
    table = only(records)
    assert [row(table, "kd").cells[name].n for name in ("rte", "rte#2")] == [2, 1]
    assert "2 data sets" in table.notes[0]


def test_a_seed_counts_once(make_record: Any) -> None:
    old = make_record(score=0.6)
    new = make_record(score=0.8, run_id="another", created="2027-01-01T00:00:00Z")
    failed = make_record(score=None, run_id="third", created="2028-01-01T00:00:00Z")
    for records in ([old, new, failed], [failed, new, old]):
        table = only(records)
        cell = row(table, "kd").cells["rte"]
        assert (cell.n, cell.mean, cell.statuses) == (1, 0.8, {"ok": 1})
        assert len(table.notes) == 1
        assert "kd on rte, seed 0: several records" in table.notes[0]


def test_unranked_rows_come_last_and_are_not_compared(make_record: Any) -> None:
    table = only([make_record("kd"), make_record("aaa", ranked=False, score=0.9), make_record("zzz")])
    assert [row.label for row in table.rows] == ["kd", "zzz", "aaa"]
    assert row(table, "aaa").cells["rte"].delta is None
    assert [row.identity.role for row in table.rows] == ["reference", "method", "method"]


def test_costs_are_means_and_ratios_over_common_runs(make_record: Any) -> None:
    records = [make_record("kd", seed=seed) for seed in range(2)]
    records += [
        make_record("eda", seed=0, train_seconds=30.0, train_flops=9_000_000_000),
        make_record("eda", seed=5, train_seconds=50.0, train_flops=90_000_000_000),
    ]
    table = only(records)
    cost = row(table, "eda").cost
    assert (cost.student_updates, cost.train_seconds, cost.train_flops) == (300, 40, 49.5e9)
    assert cost.flops_x_reference == pytest.approx((9 + 1) / (4 + 1))  # seed 0 only; preparation included
    reference = row(table, "kd").cost
    assert reference.flops_x_reference == 1


def test_columns_know_their_task(make_record: Any) -> None:
    task = Task("rte", "RTE", "", "classification", ("a", "b"), ("x", "y"), ("accuracy",), SPLITS)
    (table,) = board([make_record()], tasks={"rte": task}).tables
    column = table.columns[0]
    assert (column.title, column.metrics, column.majority_score) == ("RTE", ("accuracy",), 0.5)
    assert (column.eval_rows, column.budget, column.complete) == ({"dev": 100}, (300,), True)


@pytest.mark.parametrize(("teacher", "informative"), [(0.49, False), (0.5, False), (0.51, True)])
def test_a_teacher_at_the_majority_class_makes_a_task_uninformative(
    make_record: Any, teacher: float, informative: bool
) -> None:
    records = [make_record(method, score=0.7, task_score=teacher) for method in ("kd", "eda")]
    (column,) = only(records).columns
    assert (column.uninformative is None) == informative
    assert informative or "teacher" in (column.uninformative or "")


def test_runs_of_different_code_are_different_rows(make_record: Any) -> None:
    def code(digest: str, *, built_in: bool = False) -> list[dict[str, Any]]:
        names = {"method": "own", "distribution": "own-methods", "version": "1", "file": "own.py"}
        return [{**names, "digest": digest * 64, "libraries": {}, "built_in": built_in}]

    records = [
        make_record("own", seed=0, score=0.6, run_id="a", code=code("a")),
        make_record("own", seed=1, score=0.8, run_id="b", code=code("b")),
        make_record("eda", seed=0, score=0.6, code=code("a", built_in=True)),
        make_record("eda", seed=1, score=0.8, code=code("b", built_in=True)),
    ]
    table = only(records)
    labels = {row.label: row.cells["rte"].mean for row in table.rows}
    assert labels == {
        "eda": pytest.approx(0.7),
        **{f"own (source {12 * d})": m for d, m in (("a", 0.6), ("b", 0.8))},
    }
    told = [line for line in remarks(table) if "different" in line]
    assert len(told) == 2
    assert "own" in told[0]
    assert "eda" in told[1]
    assert {row.identity.code for row in table.rows} == {"", f"source {12 * 'a'}", f"source {12 * 'b'}"}
    without = make_record("own", seed=2, score=0.9, run_id="c")
    assert "own (code not recorded)" in [row.label for row in only([*records, without]).rows]


def test_the_reference_with_another_budget_is_a_baseline(make_record: Any) -> None:
    scores = {"eda": 0.9, "finetune": 0.8, "kd@2x": 0.7, "kd": 0.6}
    records = [
        make_record(name, score=score, role="method") for name, score in scores.items() if "f" not in name
    ]
    [table] = board([*records, make_record("finetune", score=0.8)]).tables
    assert {row.label: row.identity.role for row in table.rows} == {
        "kd": "reference", "finetune": "baseline", "kd@2x": "baseline", "eda": "method"
    }  # fmt: skip
    assert [row.label for row in table.rows] == ["kd", "finetune", "kd@2x", "eda"]


def test_a_baseline_with_another_budget_is_one_for_every_reference(make_record: Any) -> None:
    """Also in records that say "method" of it."""
    others = [make_record(name, role="method") for name in ("kd@2x", "eda", "eda@2x")]
    [table] = board([*others, make_record("kd", role="baseline")], reference="eda").tables
    assert {row.label: row.identity.role for row in table.rows} == {
        "eda": "reference", "eda@2x": "baseline", "kd": "baseline", "kd@2x": "baseline",
    }  # fmt: skip

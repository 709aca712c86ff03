"""What the leaderboard claims: the statistics of the runs' own predictions, and nothing where they do not carry."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.results.leaderboard import table_statistics
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
from matekd_bench.results.report.export import export
from matekd_bench.results.report.sentences import unmatched_costs
from matekd_bench.results.stats.differences import FEW_SEEDS, RowScores, difference, row_difference
from matekd_bench.results.stats.early_stopping import xfit
from matekd_bench.results.stats.example_scores import Gold, example_scores
from matekd_bench.results.stats.multiple_testing import holm
from matekd_bench.results.stats.summary import RowSummary
from matekd_bench.results.stats.verdicts import RankInterval
from matekd_bench.results.store.collection import read_folders
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.task import Suite

SUITES = (Suite("glue", ("sst2", "rte")),)
GAINS = {"kd": 0.0, "good": 0.7, "same": 0.0, "bad": -0.7, "finetune": -0.3}
FAMILY = ("bad", "good", "same")


def table_of(*roots: Path, records: Any = None) -> LeaderboardTable:
    found = read_folders(roots)
    evidence = Evidence(found.stores)
    (table,) = build(records or found.records, tasks={}, suites=SUITES, evidence=evidence).tables
    return table


def ends(difference: Any) -> tuple[float, float]:
    interval = difference.interval()
    return interval.low, interval.high


def rows_of(table: LeaderboardTable) -> dict[str, LeaderboardRow]:
    return {row.label: row for row in table.rows}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> Path:
    folder: Path = write_study(tmp_path_factory.mktemp("study"), GAINS).root
    return folder


@pytest.fixture(scope="module")
def table(root: Path) -> LeaderboardTable:
    return table_of(root)


def entries(root: Path) -> dict[str, dict[str, RowScores]]:
    """The entries of the study, made from its files by another way."""
    store = ResultsStore(root)
    runs: dict[tuple[str, str], dict[int, Any]] = {}
    for record in store.records():
        answers = store.read_predictions(record).evaluations[-1]["dev"].argmax(axis=1)
        runs.setdefault((record.identity.method, record.identity.task), {})[record.identity.seed] = answers
    found: dict[str, dict[str, RowScores]] = {}
    for (method, task), by_seed in runs.items():
        labels = np.array(store.read_data(f"dev-{task}").labels)
        scores = {seed: float(np.mean(answers == labels)) for seed, answers in by_seed.items()}
        examples = example_scores(Gold(("accuracy",), (labels,)), {s: (a,) for s, a in by_seed.items()})
        found.setdefault(method, {})[task] = RowScores(scores, examples)
    return found


def test_rows_say_what_the_statistics_say(root: Path, table: LeaderboardTable) -> None:
    known, rows = entries(root), rows_of(table)
    tasks = ("sst2", "rte")
    differences = {
        label: row_difference(known[label], known["kd"], tasks) for label in GAINS if label != "kd"
    }
    ps = dict(zip(FAMILY, holm([differences[label].p for label in FAMILY]), strict=True))
    assert table.family == FAMILY
    for label, expected in differences.items():
        assert rows[label].delta == pytest.approx(expected.delta, abs=1e-12)
        assert ends(rows[label].overall.difference) == pytest.approx(ends(expected), abs=1e-12)
        assert rows[label].overall.p_holm == ps.get(
            label, expected.p
        )  # `finetune`, the only baseline, is alone
    overall = {label: row.overall for label, row in rows.items()}
    assert (overall["good"].verdict, overall["bad"].verdict) == ("better", "worse")
    assert overall["same"].verdict in ("equivalent", "inconclusive")
    kd = overall["kd"]
    assert (kd.verdict, kd.difference, kd.tasks_won, kd.prob_improve) == (None,) * 4
    assert overall["good"].rank == RankInterval(1, 1)
    assert (overall["bad"].rank.low, overall["bad"].rank.with_best) == (5, False)
    assert kd.rank.high < 5
    assert (overall["good"].tasks_won, overall["good"].prob_improve, overall["bad"].tasks_won) == (2, 1, 0)
    assert -1 <= overall["same"].seed_correlation <= 1
    assert rows["good"].mean == pytest.approx(np.mean([cell.mean for cell in rows["good"].cells.values()]))


def test_cells_say_what_the_statistics_say(root: Path, table: LeaderboardTable) -> None:
    known, rows = entries(root), rows_of(table)
    keys = [(label, task) for label in FAMILY for task in ("sst2", "rte")]
    found = [difference(known[label][task], known["kd"][task]) for label, task in keys]
    for (label, task), expected, p in zip(keys, found, holm([item.p for item in found]), strict=True):
        statistics = rows[label].cells[task].statistics
        assert ends(statistics.difference) == pytest.approx(ends(expected), abs=1e-12)
        assert statistics.p_holm == pytest.approx(p, abs=1e-12)
    kd = rows["kd"].cells["rte"].statistics
    half = 4.302652729911275 * kd.spread.sd / 3**0.5  # t(.975, 2)
    around = (kd.spread.mean - half, kd.spread.mean + half)
    assert (kd.spread.interval.low, kd.spread.interval.high) == pytest.approx(around, abs=1e-12)
    assert rows["good"].cells["rte"].statistics.verdict == "better"
    assert kd.verdict is None


def test_xfit_and_best_dev_stand_beside(root: Path, table: LeaderboardTable) -> None:
    store = ResultsStore(root)
    devset = store.read_data("dev-rte")
    gold = Gold(("accuracy",), (np.array(devset.labels),))
    expected = []
    for record in store.records():
        if (record.identity.method, record.identity.task) == ("good", "rte"):
            evaluations = store.read_predictions(record).evaluations
            answers = [(evaluation["dev"].argmax(axis=1),) for evaluation in evaluations]
            expected.append(xfit(gold, (devset.uids,), answers))
    cell = rows_of(table)["good"].cells["rte"]
    assert cell.xfit == pytest.approx(np.mean(expected), abs=1e-12)
    assert cell.best_dev == pytest.approx(cell.mean + 0.01)


def test_every_task_has_its_power(table: LeaderboardTable) -> None:
    assert list(table.power) == ["sst2", "rte"]
    cells = sorted(table.power_lines)
    assert cells[0].startswith("rte: 3 seeds can detect ")
    assert 0 < table.power["rte"].floor < table.power["rte"].detectable < 0.2


def test_the_files_are_the_same_whatever_the_order(root: Path, tmp_path: Path) -> None:
    texts = []
    for number in range(2):
        found = read_folders([root])
        records = list(found.records)
        random.Random(number).shuffle(records)
        for extension in ("csv", "md"):
            path = tmp_path / f"{number}.{extension}"
            board = build(records, tasks={}, suites=SUITES, evidence=Evidence(found.stores))
            export(path, "leaderboard", records, tasks={}, suites=SUITES, leaderboard=board)
            texts.append(path.read_bytes())
    assert texts[:2] == texts[2:]
    assert b"better" in texts[0]


def test_notes_do_not_depend_on_what_was_read_before(root: Path) -> None:
    found = read_folders([root])
    first, *others = found.records
    labels = found.stores[first.run_id].read_data(f"dev-{first.identity.task}").labels
    score = first.task_score.model_copy(update={"last": labels.count(0) / len(labels)})
    records = [first.model_copy(update={"status": "diverged", "task_score": score}), *others]
    fresh, used = Evidence(found.stores), Evidence(found.stores)
    used.xfits(records, {})
    notes = [build(records, tasks={}, suites=SUITES, evidence=one).tables[0].notes for one in (fresh, used)]
    assert notes[0] == notes[1]
    assert not any(first.run_id in note for note in notes[0])


def test_two_seeds_claim_nothing(tmp_path: Path, write_study: Any) -> None:
    table = table_of(write_study(tmp_path, GAINS, seeds=2).root)
    assert table.power == {}
    for row in table.rows:
        assert (row.overall.p_holm, row.overall.verdict, row.overall.rank) == (None,) * 3
        for cell in row.cells.values():
            assert (cell.statistics.spread.interval, cell.statistics.verdict) == (None, None)
    assert rows_of(table)["good"].overall.difference.missing == FEW_SEEDS


def test_a_failed_seed_claims_nothing(tmp_path: Path, write_study: Any, make_record: Any) -> None:
    store = write_study(tmp_path, GAINS, skip=[("good", "rte", 2)])
    store.write(make_record("good", "rte", 2, None))
    rows = rows_of(table_of(tmp_path))
    assert (rows["good"].overall, rows["good"].delta) == (RowSummary(), None)
    assert rows["good"].cells["rte"].statistics.difference.missing == "a seed failed"
    assert (rows["good"].cells["sst2"].statistics.verdict, rows["bad"].overall.verdict) == ("better", "worse")


def test_runs_without_predictions_keep_their_mean_and_lose_their_claims(
    root: Path, table: LeaderboardTable, tmp_path: Path, write_study: Any
) -> None:
    store = write_study(tmp_path, GAINS)
    lost = [run for run in store.records() if run.identity.method == "good"][:2]
    for run in lost:
        (store.runs / run.run_id / "predictions.npz").unlink()
    found = table_of(tmp_path)
    before, after = rows_of(table)["good"], rows_of(found)["good"]
    assert (after.delta, after.mean) == (before.delta, before.mean)
    assert (after.overall.verdict, after.overall.rank) == (None, None)
    assert after.overall.difference.missing == "predictions are missing"
    for run in lost:
        assert any(run.run_id in note and "predictions.npz" in note for note in found.notes)


def test_a_diverged_run_counts_as_the_majority_class(
    tmp_path: Path, write_study: Any, make_record: Any
) -> None:
    store = write_study(tmp_path, {"kd": 0.0, "good": 0.7}, tasks=["rte"], skip=[("good", "rte", 0)])
    majority = float(np.mean(np.array(store.read_data("dev-rte").labels) == 1))
    scores = [{"split": "dev", "selection": "last", "metric": "majority", "value": majority, "n": 240}]
    store.write(make_record("good", "rte", 0, majority, status="diverged", reason="NaN", scores=scores))
    table = table_of(tmp_path)
    cell = rows_of(table)["good"].cells["rte"]
    assert (cell.statuses["diverged"], cell.statistics.verdict) == (1, None)
    assert table.notes == ()
    other = make_record("good", "rte", 3, 0.123, status="diverged", reason="NaN", scores=scores)
    assert Evidence({other.run_id: store}).answers(other, ["accuracy"]) is None


def test_more_budget_is_a_rival_and_no_method(tmp_path: Path, write_study: Any) -> None:
    gains = {"kd": 0.0, "kd@2x": 0.2, "kd@4x": 0.4, "twice": 0.7, "cheap": 0.7}
    budgets = {"kd@2x": 600, "kd@4x": 1200, "twice": 590, "cheap": 300}
    table = table_of(write_study(tmp_path, gains, budgets=budgets).root)
    rows = rows_of(table)
    assert table.family == ("cheap", "twice")
    assert rows["kd@2x"].overall.matched is None
    baselines = [rows[name].overall.p_holm for name in ("kd@2x", "kd@4x")]  # a family of their own
    assert baselines == pytest.approx(holm([rows[name].overall.difference.p for name in ("kd@2x", "kd@4x")]))
    twice, cheap = rows["twice"].overall.matched, rows["cheap"].overall.matched
    assert (twice.rival, cheap.rival) == ("kd@2x", "kd")
    assert cheap.difference.delta == pytest.approx(rows["cheap"].delta)
    assert twice.difference.delta == pytest.approx(rows["twice"].mean - rows["kd@2x"].mean)
    assert ends(twice.difference)[0] < twice.difference.delta < rows["twice"].delta
    assert table.budgets_differ
    assert rows["kd@2x"].budget == {"sst2": (600,), "rte": (600,)}
    assert table.columns[0].budget == (300, 590)  # what the study gave, multiples of it left out


@pytest.mark.parametrize("reference", ["kd", "kd@2x"])
def test_rivals_and_costs_are_of_the_method_of_the_reference(
    reference: str, tmp_path: Path, write_study: Any
) -> None:
    """The cost counts on informative tasks alone: on sst2, which is none, "dear" costs ten times as much."""
    gains = {"kd": 0.0, "kd@2x": 0.1, "twice": 0.7, "cheap": 0.7, "dear": 0.7}
    budgets = {"kd@2x": 600, "twice": 590, "dear": 1100}
    found = read_folders([write_study(tmp_path, gains, budgets=budgets).root])
    records = []
    for record in found.records:
        if record.identity.task == "sst2":
            flops = record.compute.train_flops * (10 if record.identity.variant == "dear" else 1)
            compute = record.compute.model_copy(update={"train_flops": flops})
            data = record.data.model_copy(update={"majority_score": 0.999})
            record = record.model_copy(update={"data": data, "compute": compute})
        records.append(record)
    (table,) = build(
        records, tasks={}, suites=SUITES, reference=reference, evidence=Evidence(found.stores)
    ).tables
    assert [column.name for column in table.informative] == ["rte"]
    rows = rows_of(table)
    assert {name: rows[name].identity.role for name in ("kd", "kd@2x")} == {
        name: "reference" if name == reference else "baseline" for name in ("kd", "kd@2x")
    }
    assert [rows[name].overall.matched.rival for name in ("twice", "cheap")] == ["kd@2x", "kd"]
    assert rows["dear"].overall.matched is None
    [said] = unmatched_costs(table)
    assert "no row of kd costs" in said
    assert "dear (kd@4x would)" in said


def test_the_reference_with_another_budget_is_no_method(tmp_path: Path, write_study: Any) -> None:
    found = read_folders([write_study(tmp_path, {"kd": 0.0, "eda@2x": 0.1, "eda@4x": 0.7}).root])
    (table,) = build(found.records, tasks={}, suites=SUITES, reference="eda@2x").tables
    assert rows_of(table)["eda@4x"].identity.role == "baseline"


def test_a_row_of_two_seeds_costs_the_others_nothing(root: Path, make_record: Any) -> None:
    """Not on single tasks and not over tasks, although it fails once and lacks a task."""
    records = ResultsStore(root).records()
    before = rows_of(table_of(root, records=records))
    short = [make_record("short", "rte", seed, score) for seed, score in ((0, 0.7), (1, None))]
    table = table_of(root, records=[*records, *short])
    assert table.family == FAMILY
    after = rows_of(table)
    for label in FAMILY:
        assert after[label].overall.p_holm == before[label].overall.p_holm
        cells = [rows[label].cells["sst2"].statistics.p_holm for rows in (before, after)]
        assert cells[0] == cells[1] is not None
    assert after["short"].overall.verdict is None


def test_many_rows_have_no_rank(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_statistics, "MAX_RANKED_ROWS", 4)
    table = table_of(root)
    assert all(row.overall.rank is None for row in table.rows)
    assert [note.startswith("5 rows: ") for note in table.notes] == [True]
    assert rows_of(table)["good"].overall.verdict == "better"


def test_an_uninformative_task_is_in_no_claim(tmp_path: Path, write_study: Any) -> None:
    table = table_of(write_study(tmp_path, GAINS, majority_score=0.99).root)
    assert table.compared == 0
    for row in table.rows:
        assert (row.overall, row.mean) == (RowSummary(), None)
        cells = [cell.statistics for cell in row.cells.values()]
        assert all(cell.spread.interval and cell.verdict is None for cell in cells)


def test_unranked_rows_are_not_tested(tmp_path: Path, write_study: Any) -> None:
    write_study(tmp_path, {"kd": 0.0, "same": 0.0})
    write_study(tmp_path, {"free": 0.7}, ranked=False)
    table = table_of(tmp_path)
    free = rows_of(table)["free"]
    assert table.family == ("same",)
    assert (free.overall, free.cells["rte"].statistics.difference) == (RowSummary(), None)


def test_a_metric_of_evaluate_has_an_interval_over_seeds_and_no_verdict(root: Path) -> None:
    def scored(record: Any) -> Any:
        items = [item.model_copy(update={"metric": "evaluate:mine@1"}) for item in record.scores]
        return record.model_copy(update={"scores": items})

    runs = [scored(record) for record in ResultsStore(root).records()]
    row = rows_of(table_of(root, records=runs))["good"]
    cell = row.cells["rte"]
    assert cell.statistics.spread.interval is not None
    assert cell.statistics.verdict is None
    assert "evaluate:mine@1" in cell.statistics.difference.missing

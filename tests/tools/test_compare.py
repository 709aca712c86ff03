"""Two runs against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from matekd_bench.errors import ResultsError, UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.store.collection import Collection, read_folders
from matekd_bench.tools.compare import compare_runs, find_run


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> Collection:
    return read_folders([write_study(tmp_path_factory.mktemp("s"), {"kd": 0.0, "eda": 0.4}, seeds=1).root])


def run(study: Collection, method: str, task: str = "rte") -> Any:
    return next(r for r in study.records if (r.identity.method, r.identity.task) == (method, task))


def test_mcnemar_on_the_recorded_answers(study: Collection) -> None:
    eda, kd = run(study, "eda"), run(study, "kd")
    found = compare_runs(eda, kd, Evidence(study.stores), {})
    store = study.stores[kd.run_id]
    labels = np.array(store.read_data("dev-rte").labels)
    a, b = (store.read_predictions(r).evaluations[-1]["dev"].argmax(axis=1) == labels for r in (eda, kd))
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    assert (found.only_own, found.only_other, found.n) == (only_a, only_b, 240)
    assert found.p == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)
    assert found.delta == pytest.approx(eda.task_score.last - kd.task_score.last)


def test_runs_are_found_by_the_start_of_their_id(study: Collection) -> None:
    kd = run(study, "kd")
    assert find_run(study.records, kd.run_id) is kd
    assert find_run(study.records, kd.run_id[:12]) is kd
    with pytest.raises(UsageError, match="ambiguous"):
        find_run(study.records, "")
    with pytest.raises(UsageError, match="'zz'"):
        find_run(study.records, "zz")
    longer = kd.model_copy(update={"run_id": f"{kd.run_id}0"})
    assert find_run([longer, kd], kd.run_id) is kd


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("RTE-KD-0", True),
        ("rte-kd", True),
        ("mini-RTE-kd-0", True),
        ("MRPC-kd-0", False),
        ("rte-kd-01", False),
        ("rte-eda-0", False),
    ],
)
def test_a_run_is_found_by_the_names_of_papers(name: str, found: bool, make_record: Any) -> None:
    record = make_record("kd", task="mini-rte", seed=0)
    record = record.model_copy(update={"run_id": "mini-rte-kd-0-1abc"})
    tasks = {"mini-rte": Host.load((), only_builtin=True).task("mini-rte").record}
    if found:
        assert find_run([record], name, tasks) is record
        return
    with pytest.raises(UsageError, match=f"'{name}'"):
        find_run([record], name, tasks)


def test_what_cannot_be_compared(study: Collection, make_record: Any) -> None:
    kd, evidence = run(study, "kd"), Evidence(study.stores)
    other_dev = make_record("eda", splits={"dev": {"n": 9, "official_n": 9, "digest": "another"}}, score=0.7)
    for other, error, said in (
        (kd, UsageError, kd.run_id),
        (run(study, "eda", "sst2"), UsageError, "same task"),
        (other_dev, UsageError, "dev sets"),
        (make_record("mixup", seed=5), ResultsError, "predictions"),
        (make_record("mixup", seed=6, score=None), ResultsError, "failed"),
    ):
        with pytest.raises(error, match=said):
            compare_runs(kd, other, evidence, {})

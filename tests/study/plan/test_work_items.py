"""The order of work and its shortest duration, worked out by hand; and what a dry run says of a real study."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.cli import main
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.work_items import WorkItem, critical_paths, least_seconds, preparation_id

TEACHER = WorkItem(preparation_id("teacher", "a"), "a", 10, prepares=("teacher",))
RUNS = [
    WorkItem(f"r{n}", "a", seconds, "eda", frozenset({TEACHER.id})) for n, seconds in enumerate((7, 5, 4, 4))
]


def test_a_preparation_counts_with_the_longest_run_that_waits_for_it() -> None:
    assert critical_paths([TEACHER, *RUNS]) == [17, 7, 5, 4, 4]
    short, waits, free = (
        WorkItem("t", "b", 1, prepares=("teacher",)),
        WorkItem("w", "b", 30, "kd", frozenset({"t"})),
        WorkItem("f", "c", 20, "kd"),
    )
    assert critical_paths([free, waits, short]) == [20, 30, 31]  # the short one should start first


def test_no_order_ends_before_the_work_is_divided_or_the_longest_path_is_done() -> None:
    assert [least_seconds([TEACHER, *RUNS], jobs) for jobs in (1, 2, 9)] == [30, 17, 17]
    assert least_seconds(RUNS, 2) == 10
    assert least_seconds([], 4) == 0


def test_a_dry_run_says_how_much_work_it_is_and_how_it_knows(
    study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = ["run", *study_options, "--methods", "eda", "--tasks", "rte,sst2", "--results", str(tmp_path)]
    assert main([*study, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"4 runs, 4 to do.*\n0\.\d\d device-hours; the longest run is eda on \w+, seed 0", printed
    )
    assert re.search(r"^4 runs estimated from .*matrix product", printed, re.M)
    assert main([*study, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["device_seconds"] == pytest.approx(
        sum(run["seconds"] for run in plan["runs"]) + sum(plan["teachers"].values())
    )
    assert plan["generators"] == {}
    assert plan["longest_run_seconds"] == max(run["seconds"] for run in plan["runs"])
    assert sum(plan["bases"].values()) == 4


def of_matekd(study_options: tuple[str, ...], results: Path) -> list[str]:
    """The command of a study of matekd on RTE."""
    return ["run", *study_options, "--methods", "matekd", "--tasks", "rte", "--results", str(results)]


def test_a_dry_run_has_lines_for_what_runs_share_and_what_is_cached_costs_nothing(
    study_options: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("matekd_bench.study.plan.study_plan.why_busy", lambda device, precision: "load 9.0")
    study = of_matekd(study_options, tmp_path / "results")

    def plan() -> tuple[str, Any]:
        assert main([*study, "--seeds", "2", "--dry-run"]) == 0
        printed = capsys.readouterr().out
        assert main([*study, "--seeds", "2", "--dry-run", "--json"]) == 0
        return printed, json.loads(capsys.readouterr().out)

    printed, values = plan()
    assert re.search(r"4 runs, 4 to do.*load 9\.0", printed)
    assert re.search(r"^fine-tuning teachers: rte about \d+ s", printed, re.M)
    assert re.search(r"^warming up generators: rte about \d+ s", printed, re.M)
    shared = [values["teachers"]["rte"], values["generators"]["rte"]]
    assert min(shared) > 0
    assert values["device_seconds"] == pytest.approx(
        sum(run["seconds"] for run in values["runs"]) + sum(shared)
    )
    assert main(study) == 0
    capsys.readouterr()
    printed, values = plan()
    assert (
        len(re.findall(r"^(?:fine-tuning teachers|warming up generators): rte in the cache", printed, re.M))
        == 2
    )
    assert (values["teachers"], values["generators"]) == ({}, {})
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "other"))
    [record] = [
        run for run in ResultsStore(tmp_path / "results").records() if run.identity.method == "matekd"
    ]
    assert plan()[1]["generators"] == {"rte": record.compute.precompute_seconds}  # as long as it took before


def test_trials_have_a_teacher_of_their_own(
    study_options: tuple[str, ...],
    tunable_glue: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not see the rows that they are evaluated on."""
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path))
    study = ("run", *study_options, "--methods", "eda", "--tasks", "sst2", "--tune", "2")
    assert (
        main([*study, "--glue-dir", str(tunable_glue), "--results", str(tmp_path / "results"), "--dry-run"])
        == 0
    )
    assert re.search(
        r"^fine-tuning teachers: sst2 \(tuning\) about \d+ s, sst2 about", capsys.readouterr().out, re.M
    )


def test_a_generator_with_a_trained_head_needs_no_warm_up(
    study_options: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    study = of_matekd(study_options, tmp_path / "results")
    assert main(study) == 0
    [warm] = (folder for folder in (tmp_path / "cache" / "generators").iterdir() if folder.is_dir())
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "other"))
    capsys.readouterr()
    assert main([*study, "--generator", str(warm), "--results", str(tmp_path / "new"), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "fine-tuning teachers" in printed
    assert "warming up" not in printed

"""What `run` makes of a summary: a screen and an exit code. `test_options.py` tests what it asks for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.events import PlannedRun, Sink, StudyFinished, StudyStarted
from matekd_bench.plugins.host import Host
from matekd_bench.study.pipeline import StudySummary
from matekd_bench.study.plan.study_plan import Plan
from matekd_bench.study.spec.request import StudyRequest

PLAN = Plan(
    study=StudyStarted(
        results=Path("results"),
        preset="minilm",
        methods=("kd", "eda[alpha=0.2]"),
        tasks=("rte",),
        seeds=(0,),
        runs=(
            PlannedRun(run_id="a1", method="kd", task="rte", seed=0, updates=500, done=True),
            PlannedRun(run_id="a2", method="eda[alpha=0.2]", task="rte", seed=0),
        ),
        seconds=130.0,
        teachers={"rte": 60.0},
    ),
    data_states={"rte": "official"},
    device_seconds=7200.0,
    longest_run="eda[alpha=0.2] on rte, seed 0",
    longest_run_seconds=70.0,
    bases={"records of the same method": 1},
)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a study that trains nothing in place of the real one."""

    def run(request: StudyRequest, host: Host, sink: Sink, *, dry_run: bool = False) -> StudySummary:
        runs = tuple(replace(run, task=request.spec.tasks) for run in PLAN.study.runs)
        plan = replace(PLAN, study=replace(PLAN.study, tasks=(request.spec.tasks,), runs=runs))
        sink.emit(plan.study)
        failed = 1 if request.spec.tasks == "wnli" and not dry_run else 0
        return StudySummary(plan, StudyFinished(status="done", trained=1, skipped=1, failed=failed))

    monkeypatch.setattr("matekd_bench.study.run", run)


@pytest.mark.usefixtures("study")
def test_the_end_of_a_run_names_the_next_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "kd", "--tasks", "rte", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    said = (
        "1 trained, 1 already recorded, 0 failed",
        f"'matekd-bench export leaderboard.csv --results {tmp_path}'",
    )
    assert [part for part in said if part not in printed.out] == []
    assert "2 runs (2 methods x 1 task x 1 seed), 1 to do, about 2 min" in printed.err


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(("task", "split"), [("rte", "dev"), ("mnli", "dev-matched")])
def test_the_end_of_a_run_says_where_the_students_are(
    task: str, split: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = PLAN.study.runs[0].run_id
    student = tmp_path / "students" / kept
    student.mkdir(parents=True)
    (student / "config.json").write_bytes(b"x" * 3000)
    command = ["run", "--methods", "kd", "--tasks", task, "--results", str(tmp_path)]
    assert main(command) == 0
    predict = f"'matekd-bench predict {kept} --results={tmp_path} --split {split} -o"
    said = (f"1 in {student.parent} (3 kB)", predict)
    out = capsys.readouterr().out
    assert [part for part in said if part not in out] == []
    assert main([*command, "--quiet"]) == 0
    assert str(student.parent) not in capsys.readouterr().out


@pytest.mark.usefixtures("study")
def test_a_failed_run_gives_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "kd", "--tasks", "wnli", "--results", str(tmp_path)]) == 1
    assert "1 failed. 'matekd-bench leaderboard --failures --results" in capsys.readouterr().out


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("options", [("--quiet",), ("--json",), ("--json", "--quiet")])
def test_nothing_follows_the_result_for_those_who_want_it_alone(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--methods", "kd", "--tasks", "rte", "--results", str(tmp_path), *options]) == 0
    printed = capsys.readouterr()
    assert "Next" not in printed.out
    assert json.loads(printed.out) == [] if "--json" in options else "1 trained, 1 already" in printed.out
    assert "--quiet" not in options or not [
        line for line in printed.err.splitlines() if line[:9] != "warning: "
    ]


@pytest.mark.usefixtures("study")
def test_a_dry_run_shows_the_grid_and_needs_no_results(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--methods", "kd", "--tasks", "rte", "--results", "no-such-folder", "--dry-run"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()[1:3]] == [
        ["kd", "rte", "0", "500", "recorded"],
        ["eda[alpha=0.2]", "rte", "0", "-", "to", "do"],
    ]
    for part in (
        "data of rte: official",
        "2 runs, 1 to do and 1 teacher to fine-tune, about 2 min.",
        "2.00 device-hours",
        "eda[alpha=0.2] on rte, seed 0, about 1 min",
        "1 run estimated from records of the same method",
    ):
        assert part in printed
    assert main([*command, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [run["done"] for run in plan["runs"]] == [True, False]
    assert (plan["results"], plan["device_seconds"], plan["bases"]) == ("results", 7200.0, PLAN.bases)


def test_a_shard_without_runs_is_no_error_and_can_be_merged(
    study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--methods", "kd", "--reference", "none", "--tasks", "rte", "--results")
    for shard in (1, 2):
        folder = str(tmp_path / f"r{shard}")
        assert main(["run", *study_options, "--shard", f"{shard}/2", *chosen, folder]) == 0
    assert "2/2" in capsys.readouterr().out
    parts = [str(tmp_path / f"r{shard}") for shard in (1, 2)]
    assert main(["merge", *parts, "--output", str(tmp_path / "all")]) == 0

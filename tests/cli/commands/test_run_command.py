"""How `run` turns options into a request, and a summary into a screen and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.plugins.host import Host
from matekd_bench.study.events import Events, Plan, PlannedRun, StudySummary
from matekd_bench.study.spec.request import StudyRequest

PLAN = Plan(
    runs=(
        PlannedRun("a1", "kd", "rte", 0, 500, done=True),
        PlannedRun("a2", "eda[alpha=0.2]", "rte", 0, None, done=False),
    ),
    tasks=("rte",),
    methods=("kd", "eda[alpha=0.2]"),
    seeds=(0,),
    preset="minilm",
    data_states={"rte": "official"},
    results="results",
    seconds=130.0,
    teachers={"rte": 60.0},
)

Study = Callable[..., StudySummary]


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[StudyRequest]:
    """Puts a study that trains nothing in place of the real one; gives what it was asked for."""
    asked: list[StudyRequest] = []

    def study(request: StudyRequest, host: Host, events: Events, *, dry_run: bool = False) -> StudySummary:
        asked.append(request)
        events.study_started(PLAN)
        failed = 1 if request.tasks == "wnli" and not dry_run else 0
        return StudySummary(plan=PLAN, trained=1, skipped=1, failed=failed, run_ids=("a1", "a2"))

    monkeypatch.setattr("matekd_bench.study.run", study)
    return asked


def test_options_become_a_request(requests: list[StudyRequest], tmp_path: Path) -> None:
    options = (
        "run --methods kd,eda --tasks rte --preset minilm --config c.toml --glue-dir glue --teacher T "
        "--student S --generator G --seeds 3 --first-seed 2 --set eda.alpha=.2 --set eda.num_aug=2 "
        "--limit-train 256 --limit-eval 128 --budget student_updates=9 --device cpu --precision bf16 "
        "--threads 2 --eval-on holdout --reference none"
    )
    assert main([*options.split(), "--results", str(tmp_path)]) == 0
    [request] = requests
    assert request.command.startswith("matekd-bench ")
    assert request == StudyRequest(
        methods="kd,eda",
        tasks="rte",
        preset="minilm",
        config=Path("c.toml"),
        glue_dir=Path("glue"),
        teacher="T",
        student="S",
        generator="G",
        seeds=3,
        first_seed=2,
        results=tmp_path,
        sets=("eda.alpha=.2", "eda.num_aug=2"),
        limit_train=256,
        limit_eval=128,
        budget="student_updates=9",
        device="cpu",
        precision="bf16",
        threads=2,
        reference=None,
        eval_on="holdout",
        command=request.command,
    )


def test_what_is_not_given_is_left_to_the_preset(
    requests: list[StudyRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLUE_DIR", raising=False)
    assert main(["run", "--methods", "kd", "--tasks", "rte", "--results", str(tmp_path)]) == 0
    command = requests[0].command
    assert requests[0] == StudyRequest(methods="kd", tasks="rte", results=tmp_path, command=command)
    assert requests[0].reference == "kd"


def test_the_glue_folder_may_come_from_the_environment(
    requests: list[StudyRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLUE_DIR", "from-environment")
    main(["run", "--methods", "kd", "--tasks", "rte", "--results", str(tmp_path)])
    assert (requests[0].glue_dir, requests[0].glue_home) == (None, Path("from-environment"))


@pytest.mark.usefixtures("requests")
def test_the_end_of_a_run_names_the_next_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "kd", "--tasks", "rte", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "1 trained, 1 already recorded, 0 failed" in printed.out
    assert f"Next: 'matekd-bench export leaderboard.csv --results {tmp_path}' writes" in printed.out
    assert "2 runs (2 methods x 1 task x 1 seed), 1 to do, about 2 min" in printed.err


@pytest.mark.usefixtures("requests")
def test_a_failed_run_gives_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "kd", "--tasks", "wnli", "--results", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "1 failed. 'matekd-bench leaderboard --failures --results" in printed
    assert "lists the reasons; run the same command to try them again" in printed


@pytest.mark.usefixtures("requests")
def test_json_and_quiet_leave_only_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--methods", "kd", "--tasks", "rte", "--results", str(tmp_path), "--json", "--quiet"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == []
    assert [line for line in printed.err.splitlines() if not line.startswith("warning: ")] == []


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_nothing_follows_the_result_for_those_who_want_it_alone(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--methods", "kd", "--tasks", "rte", "--results", str(tmp_path), option]) == 0
    printed = capsys.readouterr().out
    assert "Next" not in printed
    assert ("1 trained, 1 already recorded, 0 failed.\n" in printed) == (option == "--quiet")


@pytest.mark.usefixtures("requests")
def test_a_dry_run_shows_the_grid_and_needs_no_results(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--methods", "kd", "--tasks", "rte", "--results", "no-such-folder", "--dry-run"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ["kd", "rte", "0", "500", "recorded"],
        ["eda[alpha=0.2]", "rte", "0", "-", "to", "do"],
    ]
    assert lines[-2:] == ["data of rte: official", "2 runs, 1 to do and 1 teacher to fine-tune, about 2 min."]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["done"] is True

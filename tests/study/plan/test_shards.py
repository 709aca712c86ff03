"""Shards: every run in one of them, balanced, few teachers twice, and the same on every machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matekd_bench.cli import main
from matekd_bench.errors import UsageError
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.shards import Shard, assign_shards, parse_shard, slurm_shard

GRIDS = st.lists(
    st.tuples(st.floats(1, 50), st.lists(st.floats(1, 100), min_size=1, max_size=12)), min_size=1, max_size=6
)


def loads(
    placed: list[int], tasks: list[str], costs: list[float], teachers: dict[str, float], count: int
) -> list[float]:
    return [
        sum(cost for cost, at in zip(costs, placed, strict=True) if at == shard)
        + sum(
            teachers[task] for task in {task for task, at in zip(tasks, placed, strict=True) if at == shard}
        )
        for shard in range(count)
    ]


@given(grid=GRIDS, count=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_no_shard_is_much_longer_than_it_must_be(grid: list[tuple[float, list[float]]], count: int) -> None:
    tasks = [f"t{number}" for number, (_, runs) in enumerate(grid) for _ in runs]
    costs = [cost for _, runs in grid for cost in runs]
    teachers = {f"t{number}": teacher for number, (teacher, _) in enumerate(grid)}
    placed = assign_shards(tasks, costs, teachers, count)
    assert len(placed) == len(costs)
    assert set(placed) <= set(range(count))
    alone = max(cost + teachers[task] for cost, task in zip(costs, tasks, strict=True))
    even = (sum(costs) + sum(teachers.values())) / count
    assert max(loads(placed, tasks, costs, teachers, count)) <= 1.1 * (even + alone) + 1e-6
    trained = len(set(zip(placed, tasks, strict=True)))
    assert trained <= len(grid) + count - 1  # a cut in each task at most for each shard after the first


def test_tasks_stay_whole_where_that_is_as_fast() -> None:
    tasks = [task for task in "abcd" for _ in range(5)]
    placed = assign_shards(tasks, [10.0] * 20, dict.fromkeys("abcd", 30.0), 2)
    assert len(set(zip(placed, tasks, strict=True))) == 4
    assert sorted(placed) == [0] * 10 + [1] * 10


def test_one_large_task_is_cut() -> None:
    placed = assign_shards(["a"] * 8, [10.0] * 8, {"a": 5.0}, 4)
    assert placed == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "1/0", "a/b", "1/3/5", "-1/3"])
def test_a_bad_shard_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="I/N"):
        parse_shard(text)


def test_slurm_counts_from_anywhere() -> None:
    def slurm(number: int, count: int, **more: int) -> Shard | None:
        fields = {"ID": number, "COUNT": count, **more}
        return slurm_shard({f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in fields.items()})

    assert slurm_shard({}) is None
    assert slurm(2, 3) == Shard(2, 3)
    assert slurm(0, 3, MIN=0, MAX=2, STEP=1) == Shard(1, 3)
    assert slurm(5, 3, MIN=1, MAX=5, STEP=2) == Shard(3, 3)
    for gaps in ({"MIN": 3, "MAX": 9, "STEP": 1}, {"MIN": 1, "MAX": 2, "STEP": 1}):
        with pytest.raises(UsageError, match="--shard I/N"):
            slurm(9, 2, **gaps)


def test_merged_shards_are_the_study(
    study_options: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = ["run", *study_options, "--methods", "eda", "--tasks", "rte,sst2"]
    assert main([*study, "--dry-run", "--json"]) == 0
    whole = {run["run_id"] for run in json.loads(capsys.readouterr().out)["runs"]}
    assert main([*study, "--shard", "1/2", "--results", str(tmp_path / "1")]) == 0
    for name, value in (("ID", "1"), ("COUNT", "2"), ("MIN", "0")):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert main([*study, "--results", str(tmp_path / "2")]) == 0
    folders = [tmp_path / name for name in ("1", "2")]
    assert [len(ResultsStore(folder).records()) for folder in folders] == [2, 2]
    assert main(["merge", *map(str, folders), "-o", str(tmp_path / "merged")]) == 0
    assert {run.run_id for run in ResultsStore(tmp_path / "merged").records()} == whole
    capsys.readouterr()
    assert main([*study, "--dry-run", "--results", str(folders[1])]) == 0
    assert "2 runs in shard 2/2, 0 to do." in capsys.readouterr().out

"""What makes two runs the same run: content and settings, never places."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from matekd_bench.errors import PluginError
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.plan.identity import make_run_id_function, run_identity
from matekd_bench.study.spec.request import make_request

HOST = Host.load(only_builtin=True)
Make = Callable[..., Grid]


@pytest.fixture
def grid(tiny_checkpoint: Path, small_glue: Path, tiny_config: Path) -> Make:
    """Makes the grid of a small study; options change it."""

    def make(host: Host = HOST, **options: Any) -> Grid:
        standard = {
            "methods": "matekd,eda", "tasks": "rte", "config": tiny_config, "glue_dir": small_glue, "threads": 1,
            "teacher": str(tiny_checkpoint), "student": "layers:2", "generator": "layers:2",
        }  # fmt: skip
        return make_grid(make_request({**standard, **options}, host).spec, torch.device("cpu"), host)

    return make


def ids(grid: Grid) -> dict[str, str]:
    return {cell.label: cell.run_id for cell in grid.cells}


def test_ids_name_task_method_and_seed_and_can_be_folders(grid: Make) -> None:
    made = grid(methods="nlpaug:swap", first_seed=3)
    assert [cell.run_id.rpartition("-")[0] for cell in made.cells] == ["rte-kd-3", "rte-nlpaug-swap-3"]
    assert all(set(cell.run_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for cell in made.cells)


@pytest.mark.parametrize(
    "options",
    [
        {"student": "layers:3"},
        {"budget": "student_updates=9"},
        {"budget": "clean_examples=100"},
        {"first_seed": 1},
        {"precision": "bf16"},
        {"limit_train": 20},
        {"limit_eval": 20},
        {"tasks": "sst2"},
    ],
)
def test_what_determines_a_result_changes_every_id(options: dict[str, Any], grid: Make) -> None:
    assert not set(ids(grid()).values()) & set(ids(grid(**options)).values())


def test_a_teacher_or_training_setting_changes_every_id(
    grid: Make, tiny_config: Path, tmp_path: Path
) -> None:
    before = set(ids(grid()).values())
    for old, new in (
        ("limit = 4", "limit = 5"),
        ("evaluations = 2", "evaluations = 1"),
        ("batch_size = 8", "batch_size = 4"),
    ):
        text = tiny_config.read_text()
        assert text.count(old) == 1
        (tmp_path / "other.toml").write_text(text.replace(old, new))
        assert not before & set(ids(grid(config=tmp_path / "other.toml")).values())


def test_what_is_about_one_method_changes_its_id_alone(grid: Make) -> None:
    before = ids(grid(methods="matekd,eda"))
    for options, changed in (
        ({"generator": "layers:3"}, {"matekd"}),
        ({"sets": ("eda.alpha=0.3",)}, {"eda"}),
        ({"methods": "eda,matekd"}, set()),
        ({"methods": "eda,kd@2x,matekd,finetune"}, set()),
    ):
        after = ids(grid(**options))
        same = {label for label in before if before[label] == after.get(label)}
        assert {label.partition("[")[0].partition(" ")[0] for label in before.keys() - same} == changed


def test_the_texts_of_a_generators_warm_up_are_part_of_what_uses_it(
    grid: Make, tiny_config: Path, tmp_path: Path
) -> None:
    """The texts count, not the names under which they are asked for."""
    config, made = tmp_path / "texts.toml", []
    for tasks in ("rte,sst2", "sst2, rte,sst2", "rte"):
        config.write_text(tiny_config.read_text().replace("[generator]", f'[generator]\ntasks = "{tasks}"'))
        made.append(ids(grid(config=config)))
    first, again, other = made
    assert first == again
    changed = {label.partition(" ")[0] for label in first if first[label] != other[label]}
    assert changed == {"matekd"}


def test_versions_sources_and_threads_count(grid: Make) -> None:
    made = grid(methods="eda")
    cell = made.cells[1]

    def identity(cell: Cell, threads: int | None = 1, **code: Any) -> str:
        parts = [replace(part, **code) for part in cell.code]
        return make_run_id_function(cell.job, cell.data, cell.recipe, made.spec, threads, parts)(
            cell.job.seed
        )

    newer = replace(cell, job=replace(cell.job, method=replace(cell.job.method, version="2")))
    assert identity(cell) == cell.run_id
    foreign = [
        {"digest": "ab"}, {"digest": "cd"}, {"digest": "ab", "libraries": {"nlpaug": "1.1"}},
        {"digest": None, "version": "1"}, {"digest": None, "version": "2"},
    ]  # fmt: skip
    others = {identity(cell, built_in=False, **code) for code in foreign}
    assert len({identity(cell), identity(cell, threads=2), identity(newer), *others}) == 8
    # of a built-in method `ENGINE` and version say which code ran; of another its digest, whatever its version
    assert identity(cell, digest="ab", libraries={"nlpaug": "1.1"}) == cell.run_id
    assert identity(cell, built_in=False, digest="ab", version="2", path="x") in others


def test_a_wrapper_is_identified_by_what_it_wraps(grid: Make) -> None:
    made = grid(methods="worst-of-n[eda[thesaurus=embedded],n=2],eda[thesaurus=embedded]")
    cell, eda = made.cells[1:]
    found, plain = (run_identity(one.job, one.data, one.recipe, made.spec, 1, ()) for one in (cell, eda))
    assert plain["method"] == {
        "name": "eda", "version": "1", "params": eda.job.params.model_dump(mode="json"), "source": None,
        "resources": dict(eda.job.method.resources(eda.job.params)),
    }  # fmt: skip
    assert plain["budget"] == list(eda.job.budget)
    found = found["method"]
    assert (found["name"], found["version"], found["params"]["n"]) == ("worst-of-n", "1+eda-1", 2)
    assert found["params"]["inner"]["method"] == "eda"
    assert found["params"]["inner"]["params"]["thesaurus"] == "embedded"
    assert set(found["resources"]) == {"thesaurus"}
    for other in (
        "worst-of-n[eda,n=2]",
        "worst-of-n[eda[thesaurus=embedded,alpha=0.2],n=2]",
        "worst-of-n[nlpaug:swap,n=2]",
    ):
        assert grid(methods=other).cells[1].run_id != cell.run_id
    assert cell.run_id.startswith("rte-worst-of-n-0-")


def test_a_wrapped_methods_file_counts(grid: Make, tmp_path: Path) -> None:
    text = (
        "from matekd_bench import Method, TextPerturbation, hookimpl\n\n\n@hookimpl\ndef matekd_bench_methods():\n"
        "    yield Method(name='mine', summary='', factory=TextPerturbation, level='text', version='1')\n"
    )
    found = []
    for source in (text, text + "# changed\n"):
        (tmp_path / "mine.py").write_text(source)
        host = Host.load(files=[tmp_path / "mine.py"], only_builtin=True)
        found.append([cell.run_id for cell in grid(host=host, methods="mine,worst-of-n[mine],eda").cells])
    assert [old == new for old, new in zip(*found, strict=True)] == [True, False, False, True]


def test_a_budget_is_in_the_run_and_not_in_the_protocol(grid: Make) -> None:
    made = grid(methods="kd@2x,kd@4x", budget="student_updates=6")
    assert [cell.job.budget for cell in made.cells] == [("student_updates", size) for size in (6, 12, 24)]
    assert len({cell.run_id for cell in made.cells}) == 3
    assert len({cell.protocol_id for cell in made.cells}) == 1
    assert made.cells[0].run_id == grid(methods="eda", budget="student_updates=6").cells[0].run_id


def test_resources_count_and_must_be_text(grid: Make) -> None:
    made = grid(methods="eda")
    cell = made.cells[1]

    def identity(resources: Callable[[Any], Any]) -> str:
        method = replace(cell.job.method, resources=resources)
        job = replace(cell.job, method=method)
        return make_run_id_function(job, cell.data, cell.recipe, made.spec, 1, ())(job.seed)

    assert identity(cell.job.method.resources) == cell.run_id
    assert identity(lambda params: {"thesaurus": "another"}) != cell.run_id
    with pytest.raises(PluginError, match=r"'eda'.*KeyError: 'x'"):
        identity(lambda params: {}["x"])
    with pytest.raises(PluginError, match=r"'eda'.* 3 "):
        identity(lambda params: {"thesaurus": 3})


def test_a_protocol_is_shared_by_methods_tasks_and_seeds(grid: Make) -> None:
    made = grid(methods="eda,matekd", tasks="sst2,rte", seeds=2, first_seed=5)
    [protocol] = {cell.protocol_id for cell in made.cells}
    assert [
        cell.label.replace("[generator_lr=0.0005,generator_updates=20,student_updates=20]", "")
        for cell in made.cells
    ] == [
        f"{method} on {task}, seed {seed}"
        for task in ("sst2", "rte")
        for seed in (5, 6)
        for method in ("kd", "eda", "matekd")
    ]
    for options in ({"limit_train": 9}, {"student": "layers:3"}, {"budget": "student_updates=9"}):
        assert {cell.protocol_id for cell in grid(**options).cells} != {protocol}
    assert {cell.protocol_id for cell in grid(generator="layers:3", methods="finetune").cells} == {protocol}


def test_a_teacher_of_its_own_for_each_task_is_one_protocol(
    grid: Make, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    for name in ("rte", "sst2"):
        shutil.copytree(tiny_checkpoint, tmp_path / name)
        config = json.loads((tmp_path / name / "config.json").read_text())
        (tmp_path / name / "config.json").write_text(json.dumps({**config, "name": name}))
    made = grid(methods="kd", tasks="rte,sst2", teacher=f"{tmp_path}/{{task}}")
    assert len({cell.recipe.teacher.sha256 for cell in made.cells}) == 2
    assert len({cell.protocol_id for cell in made.cells}) == 1

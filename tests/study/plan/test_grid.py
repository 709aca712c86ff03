"""Methods, reference, tasks and budgets of a study, looked up."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from matekd_bench.errors import UsageError
from matekd_bench.methods.params import ResolvedMethod
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import budget_of, chosen_methods, chosen_tasks, make_recipe
from matekd_bench.study.spec.request import make_request
from matekd_bench.tasks.sources import GlueFolder, load_task

HOST = Host.load(only_builtin=True)


def chosen(methods: str, config: Path | None = None, **options: Any) -> tuple[ResolvedMethod, ...]:
    defaults = {"methods": methods, "tasks": "rte", "preset": "minilm", "config": config}
    return chosen_methods(make_request({**defaults, **options}, HOST).spec, HOST)


def variants(methods: str, **options: Any) -> list[str]:
    return [method.variant for method in chosen(methods, **options)]


@pytest.mark.parametrize(
    ("methods", "options", "expected"),
    [
        ("eda", {}, ["kd", "eda"]),
        ("kd", {}, ["kd"]),
        ("eda,kd", {}, ["kd", "eda"]),
        ("kd@2x,eda", {}, ["kd", "kd@2x", "eda"]),
        ("kd@2x,kd@1x", {}, ["kd", "kd@2x"]),
        ("eda,eda[alpha=0.1]", {}, ["kd", "eda"]),
        ("eda[alpha=0.3|0.2|0.3]@2x", {}, ["kd", "eda[alpha=0.3]@2x", "eda[alpha=0.2]@2x"]),
        ("worst-of-n[eda]", {"sets": ("eda.alpha=0.2",)}, ["kd", "worst-of-n[eda[alpha=0.2]]"]),
        ("eda", {"reference": "none"}, ["eda"]),
        ("eda", {"reference": "finetune"}, ["finetune", "eda"]),
        ("eda[alpha=0.2]", {"reference": "eda"}, ["eda", "eda[alpha=0.2]"]),
        ("eda", {"reference": "eda[alpha=0.2]"}, ["eda[alpha=0.2]", "eda"]),
        ("eda,eda[alpha=0.3]", {"reference": "eda", "sets": ("eda.alpha=0.2",)}, ["eda[alpha=0.2]", "eda[alpha=0.3]"]),
    ],
)  # fmt: skip
def test_the_reference_comes_first_and_once(
    methods: str, options: dict[str, Any], expected: list[str]
) -> None:
    assert variants(methods, **options) == expected


def test_parameters_come_from_preset_file_options_and_list_in_this_order(tmp_path: Path) -> None:
    def rate(methods: str, **options: Any) -> float:
        params: Any = chosen(methods, **options)[-1].params
        return float(params.generator_lr)

    assert rate("matekd") == 5e-4
    file = tmp_path / "study.toml"
    file.write_text("[sets.matekd]\ngenerator_lr = 2e-5\n[sets.eda]\nalpha = 0.3\n")
    assert rate("matekd", config=file) == 2e-5
    option = ("matekd.generator_lr=3e-5",)
    assert rate("matekd", config=file, sets=option) == 3e-5
    assert rate("matekd[generator_lr=4e-5]", config=file, sets=option) == 4e-5
    assert rate("matekd[mask_rate=0.2]", config=file) == 2e-5
    assert variants("worst-of-n[eda],matekd", config=file)[1] == "worst-of-n[eda[alpha=0.3]]"
    assert variants("matekd") == ["kd", "matekd[generator_lr=0.0005,generator_updates=20,student_updates=20]"]
    assert variants("matekd[generator_lr=5e-7]")[1] == "matekd[generator_updates=20,student_updates=20]"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reference": "dk"}, "'dk'.*'kd'"),
        ({"reference": "kd,eda"}, "--reference 'kd,eda'"),
        ({"reference": "eda[alpha=0.1|0.2]"}, r"'eda\[alpha=0\.1\|0\.2\]'"),
        ({"reference": "nlpaug:synonym"}, "'nlpaug:synonym'"),
        ({"sets": ("matekd.generator_lr=1e-4",)}, r"'matekd'.*\(eda, kd\)"),  # which a preset may set
    ],
)
def test_a_reference_is_one_method_that_exists(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen("eda", **options)


def test_another_budget_does_not_change_the_role() -> None:
    found = {method.variant: method.record.role for method in chosen("kd@2x,eda@2x,random-mask")}
    assert found == {"kd": "baseline", "kd@2x": "baseline", "eda@2x": "method", "random-mask": "ablation"}


def test_positions_in_a_list_are_those_of_what_was_typed() -> None:
    with pytest.raises(UsageError, match=r"'eda\]'.*position 4"):
        chosen("eda]")


def test_suites_and_tasks_each_once_in_order() -> None:
    assert [task.name for task in chosen_tasks("stsb, rte,stsb", HOST)] == ["stsb", "rte"]
    glue = [task.name for task in chosen_tasks("wnli,glue", HOST)]
    assert glue[0] == "wnli"
    assert sorted(glue) == ["cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "wnli"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rte,", "empty"),
        ("glu", "'glu'.*'glue'"),
        ("ax", "'ax'"),
    ],
)
def test_tasks_that_cannot_be_trained_on(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen_tasks(text, HOST)


def test_a_factor_multiplies_the_budget(small_glue: Path, tmp_path: Path) -> None:
    data = load_task(HOST.task("rte").record, GlueFolder(small_glue))
    options = {"methods": "kd", "tasks": "rte", "preset": "minilm"}
    spec = make_request({**options, "budget": "student_updates=5"}, HOST).spec
    assert budget_of(spec, data, 1.0) == ("student_updates", 5)
    assert budget_of(spec, data, 2.5) == ("student_updates", 12)
    assert budget_of(spec, data, 0.01) == ("student_updates", 1)
    file = tmp_path / "study.toml"
    file.write_text("[budget]\nkind = 'clean_examples'\ntasks = { sst2 = 9 }\n")
    with pytest.raises(UsageError, match=r"'rte'.*--budget"):
        budget_of(make_request({**options, "config": file}, HOST).spec, data, 1.0)


def test_models_are_found_for_each_task(tiny_checkpoint: Path, tmp_path: Path) -> None:
    for name in ("rte", "sst2"):
        shutil.copytree(tiny_checkpoint, tmp_path / f"teacher-{name}")
    teacher = f"{tmp_path}/teacher-{{task}}"
    options = {
        "methods": "kd",
        "tasks": "rte",
        "preset": "minilm",
        "teacher": teacher,
        "student": "layers:0,2",
    }
    tasks = chosen_tasks("rte,sst2", HOST)
    spec, cpu = make_request(options, HOST).spec, torch.device("cpu")
    found = [make_recipe(spec, task, cpu, needs_generator=False) for task in tasks]
    assert [recipe.teacher.id for recipe in found] == ["teacher-rte", "teacher-sst2"]
    assert [recipe.student.name for recipe in found] == [
        "fine-tuned teacher-rte[layers:0,2]",
        "fine-tuned teacher-sst2[layers:0,2]",
    ]
    assert found[0].student.identity == found[1].student.identity
    assert found[0].generator is None
    with pytest.raises(UsageError, match=r"'layers:0,1,3,5'.*'teacher-rte'.*4"):
        make_recipe(spec, tasks[0], cpu, needs_generator=True)  # what the preset says of a MiniLM teacher

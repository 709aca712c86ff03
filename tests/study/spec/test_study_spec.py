"""A study's settings: preset < config file < options, merged as people mean them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matekd_bench import Preset
from matekd_bench.errors import BenchError, UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.origin import ProvidedBy
from matekd_bench.plugins.provided import Provided
from matekd_bench.study.plan.expected_flops import flops_per_token
from matekd_bench.study.spec.layers import merged
from matekd_bench.study.spec.presets import preset_names, preset_table
from matekd_bench.study.spec.request import StudyRequest, make_request
from matekd_bench.study.spec.study_spec import Execution, StudySpec

HOST = Host.load(only_builtin=True)


def request(config: Path | None = None, *, glue_home: Path | None = None, **options: Any) -> StudyRequest:
    """The request of a study on RTE under the preset minilm, unless the options say otherwise."""
    defaults = {"methods": "kd", "tasks": "rte", "preset": "minilm", "config": config}
    return make_request({**defaults, **options}, HOST, glue_home=glue_home)


def spec(config: Path | None = None, **options: Any) -> StudySpec:
    return request(config, **options).spec


def offering(**settings: Any) -> Host:
    """A host with a plugin's preset `lab` of these settings."""
    by = ProvidedBy("probe", "probe-package", "1.0")
    return replace(HOST, presets={"lab": Provided(Preset(name="lab", settings=settings), by)})


def written(folder: Path, text: str) -> Path:
    file = folder / "study.toml"
    file.write_text(text)
    return file


UNPINNED = {"google/bert_uncased_L-4_H-256_A-4"}  # whose commit could not be looked up when it was named
SIZES = {  # layers and width of teacher, student and generator
    "paper-bert": ((12, 768), (6, 768), (4, 256)),
    "paper-roberta": ((24, 1024), (6, 768), (6, 768)),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_hours_of_a_paper_preset_are_those_of_its_models(name: str) -> None:
    found = spec(preset=name)
    teacher, student, generator = (12 * layers * width**2 for layers, width in SIZES[name])
    rows = sum(HOST.task(task).record.splits["train"].rows for task in HOST.suite("glue8").record.tasks)
    mean_length = 36.6  # of GLUE's training rows, as the estimate has it
    tokens = mean_length * rows * (found.budget.epochs or 0)
    hours = {
        method: flops_per_token(level, student, teacher, models) * tokens / 20e12 / 3600
        for method, level, models in (("kd", "none", 0), ("matekd", "generator", generator))
    }
    assert f"about {hours['kd']:.0f} hours for kd and {hours['matekd']:.0f} for matekd" in found.summary


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_study(name: str) -> None:
    found = spec(preset=name)
    assert (found.preset, found.methods, found.tasks) == (name, "kd", "rte")
    assert found.summary.endswith(".")
    for part in (found.teacher, found.student, found.generator):
        if part.checkpoint in UNPINNED:
            continue
        # a Hub id without a pinned revision would name another model tomorrow
        assert part.revision is not None or part.checkpoint.startswith(("package:", "layers:"))


def test_options_win_over_the_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    file = written(
        tmp_path, "seeds = 4\nlimit_train = 9\n[training]\nevaluations = 3\noptimizer = { lr = 1e-3 }\n"
    )
    found = spec(file, seeds=2, precision="bf16")
    preset = spec()
    assert (found.seeds, found.limit_train, found.training.evaluations) == (2, 9, 3)
    assert (found.training.optimizer.lr, found.training.precision) == (1e-3, "bf16")
    assert found.training.optimizer.batch_size == preset.training.optimizer.batch_size
    assert found.teacher == preset.teacher


def test_the_file_may_name_preset_methods_tasks_and_data(tmp_path: Path) -> None:
    text = 'preset = "paper-bert"\nmethods = "eda,kd@2x"\ntasks = "glue"\nglue_dir = "data"\n'
    found = make_request({"config": written(tmp_path, text)}, HOST).spec
    assert (found.preset, found.methods, found.tasks) == ("paper-bert", "eda,kd@2x", "glue")
    assert found.glue_dir == Path("data")
    found = request(written(tmp_path, text), methods=None).spec
    assert (found.preset, found.methods, found.tasks) == ("minilm", "eda,kd@2x", "rte")


def test_a_budget_is_one_rule(tmp_path: Path) -> None:
    preset = spec().budget
    assert all((preset.limit, preset.max_epochs, {"rte", "mrpc"} <= set(preset.tasks)))
    epochs = spec(written(tmp_path, "[budget]\nepochs = 2\n")).budget
    assert (epochs.epochs, epochs.limit, epochs.tasks, epochs.max_epochs) == (2, None, {}, None)
    assert epochs.resolve("rte", 640, 32) == 40
    more = spec(written(tmp_path, "[budget.tasks]\nrte = 7\n")).budget
    assert more == preset.model_copy(update={"tasks": {**preset.tasks, "rte": 7}})
    option = spec(written(tmp_path, "[budget]\nepochs = 2\n"), budget="clean_examples=1e3").budget
    assert (option.kind, option.limit, option.epochs, option.tasks) == ("clean_examples", 1000, None, {})


@pytest.mark.parametrize(
    ("student", "start"), [(None, "teacher"), ("layers:0,3", "teacher"), ("org/small", "checkpoint")]
)
def test_a_student_of_its_own_does_not_start_from_the_teacher(student: str | None, start: str) -> None:
    assert spec(None, preset="minilm", student=student).student.start == start


def test_another_checkpoint_loses_the_pinned_revision(tmp_path: Path) -> None:
    file = written(tmp_path, '[teacher]\ncheckpoint = "org/other"\n')
    found = spec(file, preset="paper-bert")
    assert (found.teacher.checkpoint, found.teacher.revision) == ("org/other", None)
    assert found.teacher.optimizer == spec(preset="paper-bert").teacher.optimizer
    assert found.student.revision
    found = spec(file, preset="paper-bert", student="org/small")
    assert (found.student.checkpoint, found.student.revision) == ("org/small", None)
    pinned = written(tmp_path, '[teacher]\ncheckpoint = "org/other"\nrevision = "abc"\n')
    assert spec(pinned, preset="paper-bert").teacher.revision == "abc"


def test_sets_may_be_tables_and_numbers(tmp_path: Path) -> None:
    text = '[sets]\n"nlpaug:swap.aug_p" = 0.5\n[sets.matekd]\ngenerator_lr = 1e-4\n[sets.eda]\nswap = false\n'
    assert spec(written(tmp_path, text)).sets == {
        **preset_table("minilm")["sets"],
        "matekd.generator_lr": "0.0001",
        "nlpaug:swap.aug_p": "0.5",
        "eda.swap": "false",
    }
    assert spec().sets == preset_table("minilm")["sets"]


def test_limits_of_tasks_are_those_of_stand_ins_and_of_tasks_that_exist(tmp_path: Path) -> None:
    text = 'tasks = "rte"\n[budget]\nlimit = 4\ntasks = { RTE = 7, "SST-2" = 9 }\n'
    file = written(tmp_path, text)
    assert dict(spec(file, preset="mini").budget.tasks) == {"mini-rte": 7, "mini-sst2": 9}
    limits = spec(file, preset="minilm").budget.tasks
    assert (limits["rte"], limits["sst2"]) == (7, 9)
    for table in ("budget", "teacher.budget"):
        wrong = written(tmp_path, f"[{table}]\nlimit = 4\ntasks = {{ rtee = 7 }}\n")
        with pytest.raises(UsageError, match=r"\[.*budget\].*'rtee'.*'rte'"):
            spec(wrong)


def test_the_tasks_of_a_generator_may_be_spelled_as_in_papers(tmp_path: Path) -> None:
    file = written(tmp_path, '[generator]\ntasks = "SST-2,RTE"\n')
    found = spec(file, methods="matekd").generator
    assert found is not None
    assert found.tasks == "sst2,rte"


def test_what_a_user_sets_is_left_alone_by_tuning(tmp_path: Path) -> None:
    as_in_preset = preset_table("minilm")["sets"]["matekd.generator_lr"]
    file = written(tmp_path, f'[sets]\n"matekd.generator_lr" = "{as_in_preset}"\n"eda.alpha" = 0.2\n')
    assert spec(methods="matekd").set_by_user == ()
    assert spec(file, methods="matekd,eda").set_by_user == ("eda.alpha",)
    option = [f"matekd.generator_lr={as_in_preset}"]
    assert spec(file, methods="matekd,eda", sets=option).set_by_user == ("eda.alpha", "matekd.generator_lr")


def test_short_forms_in_a_preset_change_the_preset_that_it_builds_on() -> None:
    host = offering(preset="paper-bert", teacher="org/other", seed=1, precision="bf16")
    found = make_request({"methods": "kd", "tasks": "rte", "preset": "lab"}, host).spec
    below = spec(preset="paper-bert")
    assert found.teacher == below.teacher.model_copy(update={"checkpoint": "org/other", "revision": None})
    assert (found.seeds, found.first_seed) == (1, 1)
    assert found.training == below.training.model_copy(update={"precision": "bf16"})


def test_defaults_hold_below_preset_file_and_options(tmp_path: Path) -> None:
    defaults = {"methods": "eda", "reference": "none"}
    settings = {"tasks": "rte", "preset": "minilm"}
    plain = make_request(settings, HOST, defaults=defaults)
    assert (plain.spec.methods, plain.spec.reference, plain.given) == ("eda", "none", {"tasks"})
    file = written(tmp_path, 'methods = "vat"\nreference = "finetune"\n')
    named = make_request({**settings, "config": file}, HOST, defaults=defaults)
    assert (named.spec.methods, named.spec.reference) == ("vat", "finetune")


def test_what_the_file_gives_is_given_and_what_the_preset_has_is_not(tmp_path: Path) -> None:
    found = request(written(tmp_path, "threads = 2\n"), preset="mini", seeds=2)
    assert found.given == {"methods", "tasks", "threads", "seeds"}


def test_jobs_may_be_a_number_or_auto_and_stand_in_no_record(tmp_path: Path) -> None:
    assert [request(preset=name).execution.jobs for name in ("mini", "minilm")] == ["auto", None]
    assert request(written(tmp_path, "jobs = 3\n"), preset="mini").execution.jobs == "3"
    assert request(written(tmp_path, 'jobs = "auto"\n')).execution.jobs == "auto"
    assert request(written(tmp_path, "jobs = 3\n"), jobs="2").execution.jobs == "2"
    assert not Execution.model_fields.keys() & spec(preset="mini").model_dump().keys()
    for wrong in ("0", "true", '"2.5"'):
        with pytest.raises(UsageError, match=r"'jobs' \(in .*study.toml\).*auto"):
            spec(written(tmp_path, f"jobs = {wrong}\n"))


def test_merging_leaves_its_arguments_alone() -> None:
    lower = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(lower, {"a": {"b": 4}, "e": 5}) == {"a": {"b": 4, "c": 2}, "d": 3, "e": 5}
    assert lower == {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"precision": "fp8"}, "--precision: .*'auto', 'float32', 'bf16' or 'fp16', not 'fp8'"),
        ({"eval_on": "test"}, "--eval-on: .*'dev' or 'holdout', not 'test'"),
        ({"seeds": 0}, "--seeds: .*1, not 0"),
        ({"budget": "updates=3"}, "'updates'.*'student_updates'"),
        ({"budget": "student_updates=80.9"}, "80.9.*whole number"),
        ({"budget": "student_updates=inf"}, "inf.*whole number"),
        ({"budget": "=3"}, "''.*clean_examples, student_updates, train_flops"),
        ({"preset": "mini", "glue_dir": Path("glue")}, "'mini'"),
        ({"training": {"optimizer": {"warmup_updates": 5}}, "budget": "train_flops=1e15"}, "^warmup_updates"),
        ({"sedes": 3}, r"^unknown setting 'sedes'.*'seeds'"),
        ({"set_by_user": ["eda.alpha"]}, "'set_by_user'"),
        ({"training": 3}, r"training.*not 3"),
        ({"sets": {"eda": 3}}, r"'sets\.eda'"),
        ({"sets": [3]}, r"sets.*\[3\]"),
    ],
)
def test_what_cannot_be_is_refused_by_name_as_it_was_typed(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        spec(**options)


@pytest.mark.parametrize(
    ("file", "options", "place"),
    [
        ("training.optimizer.lr = -1", {"precision": "float32"}, r"in .*study\.toml"),
        ("training.evaluations = 3", {}, "in preset 'lab'"),
        ("training.evaluations = 3", {"training": {"max_length": 32}}, "in preset 'lab'"),
    ],
)
def test_a_bad_value_is_blamed_on_whoever_has_it(
    file: str, options: dict[str, Any], place: str, tmp_path: Path
) -> None:
    host = offering(preset="minilm", training={"optimizer": {"lr": -1}})
    settings = {"methods": "kd", "tasks": "rte", "preset": "lab", "config": written(tmp_path, file)}
    with pytest.raises(UsageError, match=rf"'training\.optimizer\.lr' \({place}\)"):
        make_request({**settings, **options}, host)


@pytest.mark.parametrize(
    ("typed", "preset"),
    [
        ({}, "mini"),
        ({"glue_dir": Path("glue")}, "minilm"),
        ({"config": 'glue_dir = "glue"\n'}, "minilm"),
        ({"glue_home": Path("glue")}, "mini"),
    ],
)
def test_what_runs_depends_on_what_was_typed(typed: dict[str, Any], preset: str, tmp_path: Path) -> None:
    if "config" in typed:
        typed = {"config": written(tmp_path, typed["config"])}
    found = spec(preset=None, **typed)
    assert (found.preset, found.stand_ins) == (preset, preset == "mini")


def test_the_folder_of_the_machine_is_used_where_glue_is_read_and_none_is_typed() -> None:
    home, typed = Path("home"), Path("typed")
    assert spec(glue_home=home).glue_dir == home
    assert spec(glue_home=home, glue_dir=typed).glue_dir == typed
    assert spec(preset="mini", glue_home=home).glue_dir is None


def test_a_preset_in_a_file_is_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"preset = 3.*mini, minilm, paper-bert, paper-roberta"):
        spec(written(tmp_path, "preset = 3\n"), preset=None)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("lr = inf", "lr.*finite"),
        ("lr = nan", "lr.*finite"),
        ("lr = 1e400", "lr.*finite"),
        (f"batch_size = {'9' * 5000}", "study.toml.*digits"),
        (f"batch_size = 0x{'f' * 5000}", "study.toml.*digits"),
        ("batch_size = 1000000000000000000000", "batch_size.*1000000000"),
    ],
)
def test_a_number_beyond_reason_is_one_line(line: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=named) as caught:
        spec(written(tmp_path, f"[training.optimizer]\n{line}\n"))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("number", ["-0.0", "-0"])
def test_the_sign_of_zero_is_no_setting(number: str, tmp_path: Path) -> None:
    signed = spec(written(tmp_path, f"[training.objective]\nsoft = 1.0\ngold = {number}\n"))
    plain = spec(written(tmp_path, "[training.objective]\nsoft = 1.0\ngold = 0.0\n"))
    assert signed.model_dump_json() == plain.model_dump_json()


def test_deep_nesting_in_a_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"study\.toml.*deep"):
        spec(written(tmp_path, f"methods = {'[' * 100_000}{']' * 100_000}\n"))

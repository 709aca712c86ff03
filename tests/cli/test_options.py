"""The same request from options, from a config file and from Python; `run` has an option for every setting."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.cli import main
from matekd_bench.cli.commands.run_command import run
from matekd_bench.plugins.host import Host
from matekd_bench.study.spec.request import StudyRequest, make_request, setting_names
from matekd_bench.study.spec.study_spec import Execution, StudySpec

HOST = Host.load()
OF_THE_COMMAND = {"context", "plugin", "no_plugins", "json", "quiet", "verbose", "dry_run", "offline"}
# Settings without an option: what presets are made of, resources of a cluster, and what is derived from the others.
NO_OPTION = {"summary", "stand_ins", "training", "resources", "set_by_user"}
BASE = {"preset": "minilm", "methods": "matekd", "tasks": "rte"}
# A value of every setting, as Python gives it, and the words of the option that says the same, if there is one.
VALUES: dict[str, tuple[Any, str]] = {
    "preset": ("paper-bert", "--preset paper-bert"),
    "methods": ("matekd,eda[alpha=0.2]", "--methods matekd,eda[alpha=0.2]"),
    "tasks": ("rte,sst2", "--tasks rte,sst2"),
    "reference": ("none", "--reference none"),
    "glue_dir": (Path("glue"), "--glue-dir glue"),
    "teacher": ("T", "--teacher T"),
    "student": ("S", "--student S"),
    "generator": ("G", "--generator G"),
    "budget": ("clean_examples=9", "--budget clean_examples=9"),
    "seeds": (3, "--seeds 3"),
    "first_seed": (2, "--first-seed 2"),
    "seed": (2, "--seed 2"),
    "threads": (2, "--threads 2"),
    "deterministic": (True, "--deterministic"),
    "limit_train": (256, "--limit-train 256"),
    "limit_eval": (128, "--limit-eval 128"),
    "also": ("hans,rte@aeda", "--also hans,rte@aeda"),
    "also_dir": (Path("ood"), "--also-dir ood"),
    "eval_on": ("holdout", "--eval-on holdout"),
    "tune": (4, "--tune 4"),
    "keep": ("none", "--keep none"),
    "sets": (
        ["matekd.mask_rate=.2", "matekd.generator_lr=2e-5"],
        "--set matekd.mask_rate=.2 --set matekd.generator_lr=2e-5",
    ),
    "precision": ("bf16", "--precision bf16"),
    "results": (Path("elsewhere"), "--results elsewhere"),
    "device": ("cpu", "--device cpu"),
    "jobs": ("2", "-j 2"),
    "processes": (2, "--processes 2"),
    "executor": ("ray", "--executor ray"),
    "ray_address": ("host:6379", "--ray-address host:6379"),
    "shard": ("2/8", "--shard 2/8"),
    "fail_fast": (True, "--fail-fast"),
    "track": ("tensorboard", "--track tensorboard"),
    "summary": ("A study.", ""),
    "stand_ins": (True, ""),
    "training": ({"evaluations": 3}, ""),
    "resources": ({"gpus": 0.5}, ""),
}  # fmt: skip


class RequestError(Exception):
    """Carries the request out of the command line, before anything is trained."""

    def __init__(self, request: StudyRequest) -> None:
        super().__init__(request)
        self.request = request


def asked(monkeypatch: pytest.MonkeyPatch, *words: str) -> StudyRequest:
    """The request that `run` makes of these words."""

    def refuse(request: StudyRequest, *_: object, **__: object) -> None:
        raise RequestError(request)

    monkeypatch.setattr("matekd_bench.study.run", refuse)
    with pytest.raises(RequestError) as caught:
        main(["run", *words])
    return caught.value.request


def typed(settings: dict[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def test_a_new_option_is_written_in_two_places() -> None:
    """A field of a model and a parameter of the command: the names make the connection."""
    options = set(inspect.signature(run).parameters) - OF_THE_COMMAND
    assert options == setting_names() - NO_OPTION
    assert (
        options
        == {*StudySpec.model_fields, *Execution.model_fields, "config", "precision", "seed"} - NO_OPTION
    )
    assert {name for name, (_, words) in VALUES.items() if words} == options - {"config", "teacher_answers"}
    assert VALUES.keys() == setting_names() - {"config", "teacher_answers"}
    assert not StudySpec.model_fields.keys() & Execution.model_fields.keys()


@pytest.mark.parametrize("name", VALUES)
def test_options_config_file_and_python_ask_for_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, words = VALUES[name]
    standard = make_request(BASE, HOST)
    python = make_request({**BASE, name: value}, HOST)
    assert (python.spec, python.execution) != (standard.spec, standard.execution)

    others = {key: text for key, text in BASE.items() if key != name}
    if words:
        option = asked(monkeypatch, *typed(others), *words.split())
        assert (option.spec, option.execution, option.given) == (python.spec, python.execution, python.given)

    file, [(key, item)] = tmp_path / "study.toml", value.items() if isinstance(value, dict) else [("", value)]
    file.write_text(f"{f'{name}.{key}'.strip('.')} = {json.dumps(item, default=str)}\n", encoding="utf-8")
    config = asked(monkeypatch, *typed(others), "--config", str(file))
    assert (config.spec, config.execution) == (python.spec, python.execution)


def test_a_request_keeps_the_command_for_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(monkeypatch, "--methods", "eda[alpha=0.1|0.2]", "--tasks", "rte")
    assert request.command == "matekd-bench run --methods 'eda[alpha=0.1|0.2]' --tasks rte"


def test_what_is_not_typed_is_left_to_config_file_and_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "study.toml"
    file.write_text('deterministic = true\nresults = "there"\nfail_fast = true\nreference = "finetune"\n')
    request = asked(monkeypatch, *typed(BASE), "--config", str(file))
    in_file = {"deterministic", "results", "fail_fast", "reference"}
    assert request.given == (BASE.keys() - {"preset"}) | in_file
    assert (request.spec.deterministic, request.spec.reference) == (True, "finetune")
    assert (request.execution.results, request.execution.fail_fast) == (Path("there"), True)
    assert asked(
        monkeypatch, *typed(BASE), "--config", str(file), "--results", "results"
    ).execution.results == Path("results")


def test_the_glue_folder_of_the_environment_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLUE_DIR", "home")
    mini, minilm = (asked(monkeypatch, *typed({**BASE, "preset": name})) for name in ("mini", "minilm"))
    assert (mini.spec.glue_dir, minilm.spec.glue_dir) == (None, Path("home"))
    assert "glue_dir" not in minilm.given
    both = asked(monkeypatch, *typed(BASE), "--glue-dir", "typed")
    assert both.spec.glue_dir == Path("typed")

"""What a method puts in place of the study's training settings: obeyed, recorded, unranked, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch

from matekd_bench import Method, Params
from matekd_bench.cli import main
from matekd_bench.distill.settings import Optimizer, Training
from matekd_bench.errors import PluginError, UsageError
from matekd_bench.methods.overrides import overrides_in_words, overrides_of
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.grid import make_grid
from matekd_bench.study.spec.method_settings import apply_overrides
from matekd_bench.study.spec.request import make_request

HOST = Host.load(only_builtin=True)
TRAINING = Training(optimizer=Optimizer(lr=1e-3))
OFFICIAL = "matekd[variant=official,generator_updates=1,student_updates=2]"


class FreeParams(Params):
    """Parameters of a method that overrides what it is told to."""

    rate: float = 0.0


def method(overrides: Callable[[Any], Any]) -> Method:
    return Method(
        name="free", summary="", params=FreeParams, factory=print, level="none", version="1", overrides=overrides
    )  # fmt: skip


def test_settings_are_replaced_and_the_others_stay() -> None:
    made = method(lambda params: {"training.optimizer.lr": params.rate, "training.evaluations": 3})
    found = apply_overrides(TRAINING, made, FreeParams(rate=0.5), "student_updates")
    assert found == TRAINING.model_copy(
        update={"optimizer": TRAINING.optimizer.model_copy(update={"lr": 0.5}), "evaluations": 3}
    )
    assert apply_overrides(TRAINING, method(lambda params: {}), FreeParams(), "student_updates") is TRAINING


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"training.optimizer.lrr": 1}, "'training.optimizer.lrr'"),
        ({"training.optimise.lr": 1}, "'training.optimise.lr'"),
        ({"training.optimizer.lr": -1}, "'training.optimizer.lr': it should be greater than 0, not -1"),
        ({"training.max_length": 64}, "training.eval_batch_size, training.max_length, training.precision"),
        ({"budget.limit": 3}, "'training'"),
        ({"training": 3}, "'training'"),
        ({7: 1}, "overrides 7"),
        (None, "TypeError"),
    ],
)
def test_what_cannot_be_replaced_is_one_line_that_names_the_method(given: Any, named: str) -> None:
    with pytest.raises(PluginError) as caught:
        apply_overrides(TRAINING, method(lambda params: given), FreeParams(), "student_updates")
    assert str(caught.value).startswith("method 'free' ")
    assert named in str(caught.value)


def test_a_warm_up_in_updates_needs_a_budget_that_counts_them() -> None:
    made = method(lambda params: {"training.optimizer.warmup_updates": 3})
    with pytest.raises(UsageError, match=r"'free' with rate=0\.5.*warmup_updates"):
        apply_overrides(TRAINING, made, FreeParams(rate=0.5), "train_flops")


def test_overrides_are_described_by_the_choice_that_brings_them() -> None:
    record = HOST.method("matekd").record
    assert overrides_of(record, record.params()) == {}
    said = overrides_in_words(record)
    assert said.startswith("with variant=official: training.auxiliary_updates=within, ")
    assert overrides_in_words(method(lambda params: {"training.evaluations": 1})) == "training.evaluations=1"
    assert overrides_in_words(HOST.method("kd").record) == ""


def test_only_the_method_itself_departs_from_the_protocol(
    tiny_checkpoint: Path, small_glue: Path, tiny_config: Path
) -> None:
    options = {
        "methods": f"matekd,{OFFICIAL}", "tasks": "rte", "config": tiny_config, "glue_dir": small_glue, "threads": 1,
        "teacher": str(tiny_checkpoint), "student": "layers:2", "generator": "layers:2",
    }  # fmt: skip
    spec = make_request(options, HOST).spec
    reference, plain, official = make_grid(spec, torch.device("cpu"), HOST).cells
    assert reference.job.training == plain.job.training == spec.training
    assert official.job.training.optimizer.algorithm == "adam"
    assert official.protocol_id == plain.protocol_id  # it stands in the study's table, without a place in it
    assert (
        "variant" not in plain.job.params.model_dump()
    )  # so that runs from before it are still the same runs
    assert len({cell.run_id for cell in (reference, plain, official)}) == 3


def test_a_run_that_overrides_is_recorded_so_and_shown_unranked(
    study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--tasks", "sst2", "--results", str(tmp_path), *study_options, "--budget", "student_updates=7")
    assert main(["run", "--methods", OFFICIAL, *options]) == 0
    records = {one.identity.method: one for one in ResultsStore(tmp_path).records()}
    kd, official, record = records["kd"], records["matekd"], HOST.method("matekd").record
    assert (kd.identity.ranked, official.identity.ranked) == (True, False)
    assert "overrides" not in kd.hparams
    given = record.overrides(record.params(variant="official"))
    assert official.hparams["overrides"] == dict(given)
    assert official.hparams["auxiliary_updates"] == "within"
    assert official.hparams["algorithm"] == "adam"
    assert official.hparams["objective"]["divergence"] == "cross-entropy"
    spent = official.compute.student_updates, official.compute.auxiliary_updates, official.budget.spent
    assert spent == (4, 3, 7)  # one before every two, and the seventh batch is the generator's
    assert [evaluation.update for evaluation in official.curve][-1] == 4
    assert kd.compute.student_updates == 7
    capsys.readouterr()
    assert main(["leaderboard", "--results", str(tmp_path)]) == 0
    assert "(unranked)" in " ".join(capsys.readouterr().out.split())
    assert main(["export", str(tmp_path / "board.csv"), "--results", str(tmp_path)]) == 0
    rows = pandas.read_csv(tmp_path / "board.csv").set_index("variant")
    assert rows["verdict"].dropna().to_dict() == {official.identity.variant: "unranked"}


def test_methods_show_says_what_is_overridden(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "show", "matekd", "--json"]) == 0
    assert "training.auxiliary_updates=within" in json.loads(capsys.readouterr().out)["overrides"]

"""The check of a GPU runs to its end on a CPU, and its exit code says what failed."""

from __future__ import annotations

import warnings
from types import ModuleType, SimpleNamespace

import pytest
import torch

from fake_gpu import CPU
from scripts import BENCHMARKS, script


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return script("gpu_check")


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return script("gpu_updates")


@pytest.mark.parametrize("preset", [pytest.param("paper-bert", marks=pytest.mark.full), "paper-roberta"])
def test_both_kinds_of_update_are_measured_at_a_presets_sizes(updates, monkeypatch, preset):
    for name, value in {"METHODS": ("kd", "matekd"), "FIRST": 1, "TIMED": 1, "PROFILED": 0}.items():
        monkeypatch.setattr(updates, name, value)
    monkeypatch.setattr(updates, "LENGTH", 8)
    found = list(updates.costs(preset, CPU, small=True))
    assert [(method, phase) for method, phase, _ in found] == [
        ("kd", "student"), ("matekd", "student"), ("matekd", "own"),
    ]  # fmt: skip
    assert all(cost.seconds > 0 and cost.peak is None for *_, cost in found)


@pytest.mark.parametrize(
    ("preset", "weights"), [("paper-bert", (109, 66, 11)), ("paper-roberta", (355, 82, 82))]
)
def test_the_networks_have_the_sizes_of_the_presets(updates, preset, weights):
    """In millions, as the papers of the models count them; the generator without its vocabulary head."""
    from transformers import AutoModel

    with torch.device("meta"):
        networks = [AutoModel.from_config(config) for config in updates.configs(preset, small=False)]
    counted = [sum(weight.numel() for weight in network.parameters()) / 1e6 for network in networks]
    assert counted == pytest.approx(weights, rel=0.02)


def test_the_cells_of_a_cost(updates):
    assert updates.Cost(0.0125).cells() == ["12.5", "-", "-", "-"]
    assert updates.Cost(0.0125, 0.01, 3, 2**31).cells() == ["12.5", "80%", "3", "2.0"]


def test_synchronizations_are_counted_among_other_warnings(updates, monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def update(batch: object) -> None:
        for text in ("called a synchronizing CUDA operation", "something else"):
            warnings.warn(text, stacklevel=1)

    assert updates._synchronizations(SimpleNamespace(update=update), None) == 1
    assert modes == ["warn", "default"]


def test_the_exit_code_is_the_sum_of_what_failed(check, tmp_path, capsys):
    machine = check.Machine("cpu", 0, small=True, folder=tmp_path)
    for bit, good in ((check.DOCTOR, False), (check.SAME_BITS, True), (check.SAME_BITS, False)):
        machine.check(bit, "name", good, "")
    assert machine.failed == check.DOCTOR | check.SAME_BITS == 5
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["FAILED", "ok", "FAILED"]


def test_a_device_that_is_not_there_fails_its_checks_and_ends(check, capsys):
    assert check.main(["--device", "cuda:99", "--only", "updates"]) == check.UPDATES
    assert capsys.readouterr().out.count("FAILED") == 2


def test_a_study_that_fails_is_named_by_its_exit_code(check, tmp_path):
    machine = check.Machine("cuda:99", 0, small=True, folder=tmp_path)
    assert machine.study("none", "--methods", "kd").problem.startswith("exit code 2")
    assert machine.records("none") == {}


@pytest.mark.full
def test_everything_passes_on_a_cpu(check, capsys):
    assert check.main(["--device", "cpu", "--small"]) == 0
    out = capsys.readouterr().out
    assert out.count("ok ") == 7
    assert "| `paper-roberta` | `matekd` | generator's |" in out

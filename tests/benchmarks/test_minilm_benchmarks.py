"""The benchmarks on MiniLM measure what they say they do: here on a tiny model, with nothing timed asserted."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Imports a script as if it had been started in its folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def test_both_contenders_are_measured_on_their_own_padding(script, tiny_checkpoint, monkeypatch):
    step = script("student_step")
    monkeypatch.setattr(step, "BATCH", 4)
    options = step.options_of(["--checkpoint", str(tiny_checkpoint), "--steps", "1", "--threads", "1"])
    plain, suite = (step.sample(name, "sst2", options) for name in ("plain", "suite"))
    assert plain.tokens == 128
    assert suite.tokens <= max(script("minilm").TYPICAL["sst2"])
    assert min(plain.peak, suite.peak) > 10**7


def test_the_plain_loop_learns_the_objective(script, tiny_checkpoint):
    """On one batch again and again its loss falls, and neither teacher nor generator is stepped."""
    step, minilm = script("student_step"), script("minilm")
    torch.manual_seed(0)
    parts = minilm.parts_of("sst2", None, checkpoint=str(tiny_checkpoint), layers=(0, 1), rows=16)
    take, before = step.plain(parts, 1e-2), parts.teacher.state_dict()["classifier.weight"].clone()
    losses = [take(range(8), update) for update in range(12)]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert parts.teacher.state_dict()["classifier.weight"].equal(before)


def test_the_reports_ratios_are_those_of_the_samples(script):
    step = script("student_step")
    found = {
        ("plain", "rte"): step.Sample(40.0, 80.0, 128.0, 8 * 10**9),
        ("suite", "rte"): step.Sample(4.0, 8.0, 60.0, 2 * 10**9),
        ("suite", "sst2"): step.Sample(1.0, 2.0, 13.0, 10**9),
    }
    shown = step.report(found)
    said = (
        "rte: 10.0 times faster (10.0 by ",
        "8 wanted), 4.0 times less ",
        "(3 wanted)",
        "sst2: 40.0 times faster",
    )
    assert [part for part in said if part not in shown] == []


def test_costs_are_relative_to_kd_and_predicted_from_flops(script, tiny_checkpoint, monkeypatch):
    cost = script("update_cost")
    monkeypatch.setattr(cost, "LAYERS", (0, 2))
    monkeypatch.setattr(cost, "SIZE", 4)
    methods = "matekd,random-mask"
    options = cost.options_of(["--checkpoint", str(tiny_checkpoint), "--batches", "2", "--methods", methods])
    found = {one.name: one for one in cost.contenders(options)}
    assert list(found) == ["kd", "matekd", "random-mask"]
    costs = {name: one.cost() for name, one in found.items()}
    assert (
        2 < costs["random-mask"].flops / costs["kd"].flops < 3
    )  # one more pass of the student, one of the teacher
    assert costs["matekd"].flops > costs["random-mask"].flops
    assert costs["matekd"].stepped > costs["random-mask"].stepped == 1
    assert 0 <= found["random-mask"].waiting(2) <= 1


def test_the_table_of_costs(script):
    cost = script("update_cost")
    costs = {"kd": cost.Cost(1.0, 10e9), "twice": cost.Cost(2.0, 20e9), "own": cost.Cost(1.3, 10e9, 3.0)}
    shown = cost.report(costs, 0.1, {"twice": 0.004}).splitlines()
    assert shown[0].startswith("kd: 1.00 s an update, 0.10 of them ")
    rows = {
        "| twice | 20.0 | 2.00 | 1.90 | 2.00 | +5% | 0.4% |",
        "| own | 10.0 | 1.00 | 1.20 | 1.30 | +8% |  |",
    }
    assert rows <= set(shown)


def test_made_up_texts_have_the_lengths_they_stand_for(script, tiny_checkpoint):
    minilm = script("minilm")
    parts = minilm.parts_of("rte", None, checkpoint=str(tiny_checkpoint), layers=(0,), rows=20)
    assert sorted(set(parts.corpus.lengths)) == list(minilm.TYPICAL["rte"])
    short, long = ([parts.corpus.lengths[row] for row in rows] for rows in minilm.batches(parts, 8, 2))
    assert max(short) < max(long)

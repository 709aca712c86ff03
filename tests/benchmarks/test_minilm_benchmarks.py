"""The benchmarks on MiniLM measure what they say they do: here on a tiny model, with nothing timed asserted."""

from __future__ import annotations

import copy
import importlib
import itertools
import time
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
    plain_matekd = script("plain_matekd")
    monkeypatch.setattr(plain_matekd, "BATCH", 4)
    where = {"glue_dir": None, "checkpoint": str(tiny_checkpoint), "steps": 1, "threads": 1}
    plain, suite = (plain_matekd.measure(name, "generator", "sst2", **where) for name in ("plain", "suite"))
    assert plain.tokens == 128
    assert suite.tokens <= max(script("minilm").TYPICAL["sst2"])
    assert min(plain.peak, suite.peak) > 10**7


@pytest.mark.parametrize(("update", "falls"), [("student", True), ("generator", False)])
def test_the_plain_step_learns_its_objective(script, tiny_checkpoint, update, falls):
    """On one batch again and again the student's loss falls and the generator's divergence rises."""
    plain_matekd, minilm = script("plain_matekd"), script("minilm")
    torch.manual_seed(0)
    parts = minilm.parts_of("sst2", None, checkpoint=str(tiny_checkpoint), layers=(0, 1), rows=16)
    step = plain_matekd.PlainStep(parts, update, 1e-2)
    fixed = step.generator if falls else step.student
    before = {
        name: {key: value.clone() for key, value in model.state_dict().items()}
        for name, model in (("teacher", step.teacher), ("fixed", fixed))
    }
    losses = [step(range(8), number) for number in range(12)]
    if falls:
        assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    else:
        assert min(losses) < losses[0]
    for name, model in (("teacher", step.teacher), ("fixed", fixed)):
        assert all(value.equal(before[name][key]) for key, value in model.state_dict().items()), name


@pytest.mark.parametrize("method", ["kd", "eda", "random-mask", "freelb", "matekd"])
def test_a_bare_loop_makes_the_suites_passes(script, tiny_checkpoint, method):
    """It learns, and runs teacher, student and generator as often as the suite does."""
    updates, bare_loops, minilm = script("updates"), script("bare_loops"), script("minilm")
    torch.manual_seed(0)
    parts = minilm.parts_of("cola", None, checkpoint=str(tiny_checkpoint), layers=(0, 1), rows=64)
    session = updates.suite_session(method, parts)
    # The second one: in the first, matekd measures its margin too.
    batch = next(itertools.islice(updates.updates_of(session), 1, None))
    loop = bare_loops.BareLoop(parts, copy.deepcopy(parts.student), 1e-2, 1.0)
    update = getattr(loop, method.replace("-", "_"))
    suite = _forwards([session.parts.student, parts.teacher], lambda: session.trainer.update(batch))
    losses = []
    bare = _forwards([loop.student, parts.teacher], lambda: losses.append(update(batch)))
    assert bare == suite
    losses += [update(batch) for _ in range(8)]
    assert losses[-1] < losses[0]


def _forwards(models, run):
    """How often each model runs forward."""
    counts = [0] * len(models)

    def counter(at):
        def count(*_):
            counts[at] += 1

        return count

    hooks = [model.register_forward_hook(counter(at)) for at, model in enumerate(models)]
    run()
    for hook in hooks:
        hook.remove()
    return counts


def test_an_epoch_of_the_trainer_is_timed_by_its_updates(script, tiny_checkpoint, tmp_path):
    pytest.importorskip("accelerate", reason="Trainer needs it")
    minilm, loop = script("minilm"), script("trainer_loop")
    parts = minilm.parts_of("cola", None, checkpoint=str(tiny_checkpoint), layers=(0, 1), rows=96)
    before = parts.student.classifier.weight.clone()
    moments = iter(range(100))
    taken = loop.epoch(
        parts, parts.student, str(tmp_path), grouped=True, lr=1e-3, clip=1.0, clock=lambda: next(moments)
    )
    assert taken == 1
    assert not parts.student.classifier.weight.equal(before)


def test_the_trainers_part_of_an_update_is_found(script, tiny_checkpoint):
    """Each part has a function that the update really calls."""
    updates, minilm, beyond = script("updates"), script("minilm"), script("beyond_bare")
    parts = minilm.parts_of("cola", None, checkpoint=str(tiny_checkpoint), layers=(0, 1), rows=96)
    session = updates.suite_session("kd", parts)
    found = beyond.shares(session.trainer.update, itertools.islice(updates.updates_of(session), 3))
    assert min(found.values()) > 0
    assert sum(found.values()) < 1
    assert beyond.rows({"rare": 0.01, "often": 0.02}) == [
        "| often | 2.00% |",
        "| rare | 1.00% |",
        "| together | 3.00% |",
    ]


def test_the_reports_ratios_are_those_of_the_samples(script):
    updates, sample = script("updates"), script("plain_matekd").Sample
    plain = [sample(40.0, 80.0, 128.0, 8 * 10**9)]
    suite = [sample(4.0, 10.0, 60.0, 2 * 10**9)]
    cells = updates.plain_row("student", "rte", plain, suite, time.perf_counter).split(" | ")
    assert (cells[4], cells[9]) == ("10.0", "4.0")
    assert updates.plain_row("student", "rte", plain, suite, time.process_time).split(" | ")[4] == "8.0"
    assert updates.pair_row("cola", "kd", [(2.0, 1.0), (3.0, 2.0), (8.0, 2.0)]).split(" | ")[4] == "2.000"
    rows = updates.epoch_rows({"kd": [1.0, 2.0], "Trainer, grouped": [2.0, 4.0], "Trainer": [3.0, 8.0]})
    assert [row.split(" | ")[2] for row in rows] == ["1.00", "2.00", "3.50"]


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

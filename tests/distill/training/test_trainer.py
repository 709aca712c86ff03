"""The rules the trainer holds methods to, and runs from the first update to the end of the budget."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from host_reads import HostReads
from matekd_bench import Cycle, NoParams, PluginError
from matekd_bench.distill.data.batches import Assembler
from matekd_bench.distill.data.order import DataOrder
from rig import ROWS, Given, SameTokens, gap, kd, update

LEAKS = {
    "torch.no_grad()": torch.no_grad,
    "torch.inference_mode()": torch.inference_mode,
    "autocast()": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.mark.parametrize("name", [*LEAKS, "frozen_student()"])
def test_a_yield_inside_a_leaking_block_is_caught_and_named(rig, name):
    lab = rig()
    closed = []

    def leaking(batch, models):
        manager = models.frozen_student() if name == "frozen_student()" else LEAKS[name]()
        try:
            with manager:
                yield batch.clean
        finally:
            closed.append(True)

    method = Given(lab.context, leaking)
    method.views = leaking  # no generator of its own around it
    with pytest.raises(PluginError, match=re.escape(name)):
        lab.update(method, lab.batch(method, ROWS))
    assert closed == [True]
    modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
    assert modes == (True, False, False)
    assert all(weight.requires_grad for weight in lab.student.parameters())


def test_blocks_that_are_left_before_the_yield_are_fine(rig):
    def careful(batch, models):
        with torch.no_grad(), models.frozen_student():
            models.student_logits(batch.clean)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            models.teacher_logits(batch.clean)
        yield batch.clean

    loss, grads = update(rig(), careful)
    expected, reference = update(rig(), kd)
    assert loss == expected
    assert gap(reference, grads) == 0


def test_a_mode_that_is_switched_off_for_good_is_caught_and_switched_on(rig):
    def careless(batch, models):
        yield batch.clean
        torch.set_grad_enabled(False)

    with pytest.raises(PluginError, match=r"no_grad\(\)"):
        update(rig(), careless)
    assert torch.is_grad_enabled()


def test_a_generator_is_closed_when_training_fails(rig):
    closed = []

    def broken(batch, models):
        try:
            yield replace(batch.clean, teacher=torch.zeros(3, 7))
        finally:
            closed.append(True)

    lab = rig()
    method = Given(lab.context, broken)
    method.views = broken
    with pytest.raises(RuntimeError):
        lab.update(method, lab.batch(method, ROWS))
    assert closed == [True]


@pytest.mark.parametrize(
    ("make", "phase", "named"),
    [(kd, "own", "auxiliary phase"), (lambda batch, models: iter([batch.ids]), "student", "Tensor")],
)
def test_a_view_in_an_own_phase_and_what_is_no_view_are_errors_that_name_the_method(rig, make, phase, named):
    lab = rig()
    method = Given(lab.context, make)
    with pytest.raises(PluginError, match=rf"'tested'.*{named}"):
        lab.update(method, lab.batch(method, ROWS, phase=phase))


@pytest.mark.parametrize("micro_batch", [None, 5])
def test_nothing_is_read_from_a_gpu_until_the_gradient_is_clipped(rig, monkeypatch, micro_batch):
    """Then the norm and the loss are, one after the other: each read before would leave the GPU without work."""
    lab, clip, before = rig(), torch.nn.utils.clip_grad_norm_, []
    method = Given(lab.context, kd)
    trainer, batch = lab.trainer(method, micro_batch=micro_batch), lab.batch(method, ROWS)

    def clipped(*arguments):
        before.append(len(reads.names))
        return clip(*arguments)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clipped)
    with HostReads() as reads:
        trainer.update(batch)
    assert before == [0]
    assert set(reads.names) == {"__float__"}


def test_an_update_may_yield_nothing(rig):
    lab = rig()
    before = {name: value.clone() for name, value in lab.student.state_dict().items()}
    loss, grads = update(lab, lambda batch, models: iter(()), weight_decay=0.0)
    assert loss == 0.0
    assert grads == {}
    assert all(value.equal(before[name]) for name, value in lab.student.state_dict().items())


def test_the_student_learns_nothing_from_probes_in_an_own_phase(rig):
    """A method that forgets `frozen_student` leaves gradients behind; they are not the next update's."""
    lab = rig()

    def probing(batch, models):
        if batch.phase == "own":
            models.student_logits(batch.clean).sum().backward()
            return
        yield batch.clean

    method = Given(lab.context, probing)
    trainer = lab.trainer(method)
    trainer.update(lab.batch(method, ROWS, phase="own"))
    assert all(weight.grad is None for weight in lab.student.parameters())


def test_a_module_is_stepped_once_an_update_and_only_if_it_learned(rig):
    lab = rig()
    lab.context.prepare(
        torch.nn.Linear(2, 1, bias=False).double(), lambda ws: torch.optim.SGD(ws, lr=1.0), name="m"
    )
    (trained,) = lab.context.trained
    before = trained.module.weight.detach().clone()

    def learning(batch, models):
        logits = models.clean_logits(batch)
        trained(logits).sum().backward()  # passes through it; not to be learned from
        if batch.update == 1:
            trained.module.zero_grad()
            trained.learn(trained(logits).squeeze(1))
        yield batch.clean

    method = Given(lab.context, learning)
    lab.update(method, lab.batch(method, ROWS, update=0), micro_batch=5)
    assert trained.module.weight.equal(before)
    assert trained.module.weight.grad is None
    mean = lab.corpus.teacher_logits[ROWS].mean(dim=0)
    lab.update(method, lab.batch(method, ROWS, update=1))
    assert torch.allclose(trained.module.weight, before - mean, rtol=0, atol=1e-14)


def run(lab, method, budget, **optimizer):
    """A whole run over the rig's rows: losses and the trainer."""
    trainer = lab.trainer(method, budget=budget, **optimizer)
    lengths = lab.corpus.lengths
    order, own = (DataOrder(lengths, 16, 0, "toy", purpose) for purpose in ("data-order", "own-data-order"))
    return list(trainer.run(order, own, Assembler(lab.corpus, 0, "toy", method.ahead))), trainer


@pytest.mark.parametrize(
    ("budget", "updates"),
    [(("student_updates", 5), 5), (("clean_examples", 33), 3), (("clean_examples", 32), 2)],
)
def test_a_run_ends_when_its_budget_is_spent(rig, budget, updates):
    lab = rig()
    losses, trainer = run(lab, Given(lab.context, kd), budget)
    assert len(losses) == trainer.spent.student_updates == updates
    assert trainer.spent.clean_examples == 16 * updates
    assert (trainer.spent.auxiliary_updates, trainer.spent.perturbed_examples, trainer.progress) == (
        0,
        0,
        1.0,
    )
    assert lab.meter.forwards() == {"student": updates}  # the teacher's clean logits are cached
    tokens = sum(lab.corpus.lengths)
    assert lab.meter.real_tokens == pytest.approx(tokens * updates / 2, rel=0.3)
    assert lab.meter.padded_tokens > lab.meter.real_tokens


def test_a_budget_of_flops_is_spent_by_whatever_a_method_does(rig):
    lab = rig()
    longest = max(lab.corpus.lengths)
    limit = 6 * lab.meter.cost("student", "train", 16, longest)

    def costly(batch, models):
        yield batch.clean
        yield replace(batch.clean, gold=0.0)

    _, plain = run(lab, Given(lab.context, kd), ("train_flops", limit))
    lab = rig()
    _, twice = run(lab, Given(lab.context, costly), ("train_flops", limit))
    assert twice.spent.student_updates == pytest.approx(plain.spent.student_updates / 2, abs=1)
    assert lab.meter.flops >= limit


@pytest.mark.parametrize("kind", ["student_updates", "clean_examples", "train_flops"])
def test_no_update_is_made_at_rate_zero(rig, kind):
    """The rate is that of the middle of the update: rising over the warm-up, falling to nearly nothing."""
    lab = rig()
    cost = lab.meter.cost("student", "train", 16, 10)
    limit = {"student_updates": 8, "clean_examples": 128, "train_flops": 8 * cost}[kind]
    rates = []
    handle = register_optimizer_step_pre_hook(
        lambda optimizer, args, kwargs: rates.append(optimizer.param_groups[0]["lr"])
    )
    try:
        run(lab, Given(lab.context, kd), (kind, limit), lr=1.0, warmup=0.5)
    finally:
        handle.remove()
    assert min(rates) > 0
    if kind != "train_flops":
        expected = [1 / 8, 3 / 8, 5 / 8, 7 / 8, 7 / 8, 5 / 8, 3 / 8, 1 / 8]
        assert rates == pytest.approx(expected)


def test_a_method_warms_up_on_a_stream_of_its_own_and_its_cost_is_counted(rig):
    lab = rig()
    lab.context.prepare(torch.nn.Linear(2, 1).double(), lambda ws: torch.optim.SGD(ws, lr=0.1), name="m")
    (trained,) = lab.context.trained
    weights, phases = [], []

    class Warming(Given):
        def warm_up(self, batches, models):
            for batch in islice(batches, 3):
                phases.append((batch.phase, batch.update))
                trained.learn(trained(models.student_logits(batch.clean).detach()).squeeze(1))
                weights.append(trained.module.weight.detach().clone())

    losses, trainer = run(lab, Warming(lab.context, kd), ("student_updates", 2))
    assert phases == [("own", 0), ("own", 1), ("own", 2)]
    assert len({tuple(weight.flatten().tolist()) for weight in weights}) == 3  # a step between any two
    assert not trained.module.weight.equal(weights[-1])  # and one after the last
    assert lab.meter.forwards() == {"student": 3 + 2}
    assert trainer.spent.auxiliary_updates == 0
    other = rig()
    assert losses == run(other, Given(other.context, kd), ("student_updates", 2))[0]


def test_auxiliary_updates_leave_the_students_losses_alone(rig):
    def idle(batch, models):
        if batch.phase == "student":
            yield batch.clean

    lab = rig()
    losses, trainer = run(
        lab, Given(lab.context, idle, Cycle(auxiliary=2, student=3)), ("student_updates", 5)
    )
    assert trainer.spent.auxiliary_updates == 4
    other = rig()
    assert losses == run(other, Given(other.context, kd), ("student_updates", 5))[0]


def test_closing_a_run_early_stops_its_thread(rig):
    lab = rig()
    method = Given(lab.context, kd)
    order = DataOrder(lab.corpus.lengths, 16, 0, "toy", "data-order")
    running = lab.trainer(method).run(order, order, Assembler(lab.corpus, 0, "toy"))
    next(running)
    running.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "matekd-bench-data"]


def test_diagnostics_tell_clean_from_perturbed(rig):
    lab = rig()
    method = SameTokens(NoParams(), lab.context)
    trainer = lab.trainer(method)
    trainer.update(lab.batch(method, ROWS))
    found = lab.context.diagnostics()
    assert trainer.spent.perturbed_examples == 16
    assert found["teacher_flip_rate"] == 0.0
    assert found["divergence_perturbed"] == pytest.approx(found["divergence_clean"], rel=1e-9)
    assert found["divergence_clean"] > 0


def test_a_shifted_view_without_a_target_counts_as_perturbed(rig):
    def two(batch, models):
        bare = replace(batch.clean, teacher=None)
        yield bare, replace(bare, shift=torch.zeros(*batch.ids.shape, 32), gold=0.0)

    lab = rig()
    method = Given(lab.context, two)
    trainer = lab.trainer(method)
    trainer.update(lab.batch(method, ROWS))
    assert trainer.spent.perturbed_examples == 16  # the bare clean view is none
    assert "divergence_perturbed" not in lab.context.diagnostics()


def test_every_batch_is_cut_into_pieces_of_the_size_asked_for(rig):
    sizes = []

    def sized(batch, models):
        sizes.append((len(batch), batch.offset, batch.total, len(batch.whole)))
        yield batch.clean

    update(rig(), sized, micro_batch=5)
    assert sizes == [(5, 0, 16, 16), (5, 5, 16, 16), (5, 10, 16, 16), (1, 15, 16, 16)]

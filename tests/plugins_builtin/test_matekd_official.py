"""`matekd[variant=official]`: what the released code does, from its schedule to its batches."""

from __future__ import annotations

from contextlib import closing
from itertools import islice, repeat

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from matekd_bench.distill.data.batches import Assembler
from matekd_bench.distill.data.order import DataOrder, schedule
from matekd_bench.distill.settings import Budget, Objective, Optimizer, Training
from matekd_bench.methods.rows import Cycle
from matekd_bench.plugins.host import Host
from matekd_bench.study.spec.method_settings import apply_overrides
from matekd_plugins.matekd import MateKDParams
from matekd_plugins.matekd.adversary import MateKD
from rig import gap

HOST = Host.load(only_builtin=True)
PARAMS = MateKDParams(variant="official")
RELEASED = apply_overrides(
    Training(optimizer=Optimizer(lr=2e-5, batch_size=32)), HOST.method("matekd").record, PARAMS, "student_updates"
)  # fmt: skip
# The rate at the end relative to its peak: what the released schedule gives with the official row counts.
LAST = {
    "rte": 0.992, "mrpc": 0.244, "stsb": 0.153, "cola": 0.125, "sst2": 0.094, "qnli": 0.093, "qqp": 0.092,
    "mnli": 0.091,
}  # fmt: skip


def students_share(batches, cycle):
    """How many of so many batches are the student's."""
    rounds, rest = divmod(batches, cycle.auxiliary + cycle.student)
    last = islice(schedule(repeat((0, [])), repeat((0, [])), cycle), rest)
    return rounds * cycle.student + sum(planned.phase == "student" for planned in last)


@pytest.mark.parametrize("task", LAST)
def test_the_rate_after_30_epochs_is_that_of_the_released_code(rig, task):
    record = HOST.task(task).record
    batches = Budget(epochs=30).resolve(task, record.splits[record.train].rows, 32)
    cycle = MateKD(PARAMS, rig().context).cycle
    assert cycle == Cycle(auxiliary=10, student=100, stream="student")
    progress = students_share(batches, cycle) / batches
    factor = RELEASED.optimizer.factor(progress, ("student_updates", batches))
    assert round(factor, 3) == LAST[task]


def run(lab, method, limit, **settings):
    """The student's losses, the rates of both optimizers at every step and the rows of every batch by phase."""
    rates, rows = {"student": [], "own": []}, {"student": [], "own": []}
    trainer = lab.trainer(
        method, budget=("student_updates", limit), batch_size=16, auxiliary_updates="within", algorithm="adam",
        **settings
    )  # fmt: skip
    ours = {id(weight) for weight in lab.student.parameters()}

    def keep(optimizer, args, kwargs):
        group = optimizer.param_groups[0]
        rates["student" if id(group["params"][0]) in ours else "own"].append(group["lr"])

    original = trainer.update

    def watched(batch):
        rows[batch.phase].append(tuple(batch.uids))
        return original(batch)

    trainer.update = watched
    order = DataOrder(lab.corpus.lengths, 16, lab.seed, lab.task.name, "data-order")
    hook = register_optimizer_step_pre_hook(keep)
    try:
        with closing(trainer.run(order, order, Assembler(lab.corpus, lab.seed, lab.task.name))) as losses:
            return list(losses), rates, rows, trainer
    finally:
        hook.remove()


def test_a_run_obeys_it(rig):
    """2 of every 7 batches are the generator's; the student's rate rises with its own updates, over all batches."""
    lab = rig(rows=48)
    params = MateKDParams(variant="official", generator_updates=2, student_updates=5, generator_lr=1e-3)
    losses, rates, rows, trainer = run(lab, MateKD(params, lab.context), 16, lr=1.0, warmup_updates=4)
    assert (trainer.spent.student_updates, trainer.spent.auxiliary_updates) == (10, 6)
    assert trainer.spent_budget == 16
    assert trainer.spent.auxiliary_examples == 6 * 16
    assert len(losses) == 10
    middles = [update + 0.5 for update in range(10)]
    assert rates["student"] == pytest.approx([m / 4 if m < 4 else (16 - m) / 12 for m in middles])
    assert rates["own"] == pytest.approx([1e-3 * (1 - place / 16 * 2 / 7) for place in (0, 1, 7, 8, 14, 15)])
    order = islice(DataOrder(lab.corpus.lengths, 16, lab.seed, lab.task.name, "data-order"), 16)
    expected = [tuple(lab.corpus.uids[row] for row in batch) for _, batch in order]
    at_own = {0, 1, 7, 8, 14, 15}
    assert rows["own"] == [expected[place] for place in sorted(at_own)]
    assert rows["student"] == [expected[place] for place in range(16) if place not in at_own]
    assert isinstance(trainer._optimizer, torch.optim.Adam)
    assert not isinstance(trainer._optimizer, torch.optim.AdamW)


def steps(lab, params):
    """The gradients of a student's and of a generator's step, on the same rows with the same noise."""
    method = MateKD(params, lab.context)
    found = []
    for phase in ("student", "own"):
        lab.update(method, lab.batch(method, range(8), phase=phase, update=3))
        found.append(dict(lab.grads))
    return found


def test_cross_entropy_moves_the_generator_otherwise_and_the_student_alike(rig):
    variants = (
        (MateKDParams(clip=1e9), Objective()),
        (MateKDParams(clip=1e9, variant="official"), RELEASED.objective),
    )
    (student, generator), (its, other) = (
        steps(rig(objective=objective), params) for params, objective in variants
    )
    assert gap(student, its) < 1e-12
    assert gap(generator, other) > 0.05


def test_scores_are_learned_with_squared_errors_throughout(rig):
    found = [
        steps(rig("regression", objective=objective), MateKDParams(clip=1e9))
        for objective in (Objective(), RELEASED.objective)
    ]
    assert all(gap(one, other) == 0 for one, other in zip(*found, strict=True))

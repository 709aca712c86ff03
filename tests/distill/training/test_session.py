"""Everything that trains builds one session, so that a method meets the same first update wherever it is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from matekd_bench.contract.bench import Bench
from matekd_bench.distill.artifacts.preparation import Preparation
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.data.order import DataOrder
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.student_run import initial_student, student_session, train
from matekd_bench.distill.training.session import TrainingSession
from matekd_bench.events import Sink
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import make_grid
from matekd_bench.study.spec.request import StudyRequest, make_request
from matekd_bench.testing import check, names, subject_of
from matekd_bench.tools.preview import _MethodPreviewer, preview

PLUGIN = '''
from matekd_bench import NoParams, Perturbation, hookimpl

class Prepared(Perturbation[NoParams]):
    """Masks tokens at a rate that only its warm-up sets; learns from gold labels alone."""

    name, level, version, role = "prepared", "token", "1", "baseline"
    needs = frozenset({"mask-token"})

    def warm_up(self, batches, models):
        self.rate = 1 / len(next(iter(batches)).uids)

    def views(self, batch, models):
        from dataclasses import replace
        at = (self.context.draw(batch, "mask") < self.rate) & ~batch.special
        ids = batch.ids.masked_fill(at, self.context.student_tokens.mask)
        yield batch.clean.weighted(gold=1.5, soft=0.0)
        yield replace(batch.clean, ids=ids).weighted(gold=1.5, soft=0.0)

    def state_dict(self):
        return {"rate": self.rate}

    def load_state_dict(self, state):
        self.rate = state["rate"]

@hookimpl
def matekd_bench_methods():
    yield Prepared
'''
Gradients = list[torch.Tensor]


def first_step(act: Callable[[], object]) -> Gradients:
    """The gradients of the first optimizer step that is made in `act`."""
    steps: list[Gradients] = []

    def keep(optimizer, args, kwargs):
        weights = (weight for group in optimizer.param_groups for weight in group["params"])
        steps.append([weight.grad.clone() for weight in weights if weight.grad is not None])

    hook = register_optimizer_step_pre_hook(keep)
    try:
        with contained_randomness(torch.device("cpu")):
            act()
    finally:
        hook.remove()
    return steps[0]


def same(first: Gradients, second: Gradients) -> bool:
    return all(one.equal(other) for one, other in zip(first, second, strict=True))


@pytest.fixture
def asked(tiny_checkpoint: Path, tmp_path: Path) -> tuple[StudyRequest, Host]:
    """A study of the method on mini-RTE with tiny networks, and the host that knows it."""
    plugin = tmp_path / "prepared.py"
    plugin.write_text(PLUGIN)
    host = Host.load([plugin], only_builtin=True)
    options = {
        "methods": "prepared", "tasks": "rte", "reference": "none", "device": "cpu",
        "teacher": {"checkpoint": str(tiny_checkpoint), "budget": {"limit": 2}},
        "student": "layers:2", "generator": "layers:2",
        "budget": "student_updates=2", "limit_train": 64, "limit_eval": 20,
    }  # fmt: skip
    return make_request(options, host), host


def test_a_warm_up_counts_wherever_a_method_is_tried(asked):
    request, host = asked
    [cell] = make_grid(request.spec, torch.device("cpu"), host).cells
    assets, job = TaskAssets(cell.data, cell.recipe), cell.job
    assert len(assets.train) == 64  # before: fine-tuning the teacher steps too
    in_run = first_step(lambda: train(job, assets))
    size, task = job.training.optimizer.batch_size, assets.task.name
    _, rows = next(iter(DataOrder(assets.train.lengths, size, job.seed, task, "data-order")))
    assert same(in_run, first_step(lambda: _MethodPreviewer(cell, assets, rows).preview(1, updates=0)))

    def like_a_teacher():
        parts = student_session(job, assets, initial_student(job, assets)).parts
        Preparation("the teacher").train(TrainingSession(replace(parts, teacher=None), job))

    assert same(in_run, first_step(like_a_teacher))
    assert preview(request, host, Sink(), examples=1, updates=0).updates == 0


def test_the_contract_tries_a_method_in_a_session_like_any_other(asked):
    _, host = asked
    subject = subject_of(host.method("prepared").record)
    bench, other = Bench(subject), Bench(subject)
    alone = TrainingSession(other.session.parts, other.session.job)

    def by_hand():
        alone.warm_up()
        alone.trainer.update(alone.batch(other.rows))

    assert same(first_step(lambda: bench.update(number=0)), first_step(by_hand))
    wanted = [name for name in names() if name != "process"]  # it starts another process, which takes seconds
    results = check(subject, wanted)
    assert [result.check for result in results] == wanted
    assert [str(result) for result in results if result.state == "failed"] == []

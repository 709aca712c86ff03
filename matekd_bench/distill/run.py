"""One run from initial weights to the last look: everything measured, nothing written."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from matekd_bench.distill.assets import TaskAssets
from matekd_bench.distill.batches import Assembler, Order
from matekd_bench.distill.context import RunContext
from matekd_bench.distill.device import contained_randomness, peak_memory, reset_peak_memory
from matekd_bench.distill.evaluation import look_points, predict
from matekd_bench.distill.meter import FlopModel, Meter
from matekd_bench.distill.models import Moment, RunModels
from matekd_bench.distill.networks import load_classifier, parameter_count, weights_digest
from matekd_bench.distill.optimizer import DivergedError
from matekd_bench.distill.settings import BudgetKind, Training
from matekd_bench.distill.trainer import Spent, Trainer
from matekd_bench.methods.base import Perturbation, TextPerturbation
from matekd_bench.methods.record import Method, Params
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import SplitScore, score_split, task_score

HISTORY_POINTS = 200


@dataclass(frozen=True)
class Job:
    """What to train: a method with its parameters and a seed, under a study's training settings and budget."""

    variant: str
    method: Method
    params: Params
    seed: int
    training: Training
    budget: tuple[BudgetKind, int]


@dataclass(frozen=True)
class Look:
    """One evaluation on the dev splits. `logits` holds [n, C] float32 for each split by name."""

    look: int
    update: int
    logits: dict[str, Tensor]
    splits: dict[str, SplitScore]
    score: float
    train_loss: float | None


@dataclass
class Outcome:
    """What a run produced and what it cost."""

    status: Literal["ok", "collapsed", "diverged"] = "ok"
    reason: str | None = None
    looks: list[Look] = field(default_factory=list)
    history: list[dict[str, float | int]] = field(default_factory=list)
    diagnostics: dict[str, float] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    spent_budget: int = 0
    meter: Meter = field(default_factory=Meter)
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    peak_memory: int | None = None
    student_sha256: str = ""
    student_parameters: int = 0
    perturber_parameters: int = 0
    perturber_trainable: int = 0


@dataclass(frozen=True)
class Watch:
    """Where a run reports: `progress(done, limit, loss, seconds_left)`, `look(number, of, score)`, `note(text)`."""

    progress: Callable[[int, int, float | None, float | None], None]
    look: Callable[[int, int, float], None]
    note: Callable[[str], None] = lambda text: None


def train(job: Job, assets: TaskAssets, watch: Watch) -> Outcome:
    """Trains one student and evaluates it at equal intervals of the budget.

    A loss or gradient that is not finite ends the run with status "diverged"; a last look that predicts one class
    for every example, or one value, is "collapsed". What a method raises is passed on.
    """
    with contained_randomness(assets.recipe.device):
        return _Run(job, assets, watch).outcome()


class _Run:
    """The state of one run while it lasts."""

    def __init__(self, job: Job, assets: TaskAssets, watch: Watch) -> None:
        self._job, self._assets, self._watch = job, assets, watch
        self._result = Outcome()
        task, recipe = assets.task, assets.recipe
        device, precision = recipe.device, recipe.precision
        corpus, teacher = assets.train, assets.teacher
        init = seed_of(job.seed, task.name, "init")
        self._student = load_classifier(recipe.student, task.outputs, task.labels, init).to(device)
        self._result.student_sha256 = weights_digest(self._student)
        self._result.student_parameters = parameter_count(self._student)
        reset_peak_memory(device)
        meter, moment = self._result.meter, Moment(job.seed, task.name)
        meter.register("student", FlopModel(self._student))
        meter.register("teacher", FlopModel(teacher.model))
        objective = job.training.objective
        self._context = RunContext(
            task=task, seed=job.seed, device=device, precision=precision,
            objective=objective, student_encoder=assets.student_encoder,
            teacher_encoder=None if assets.one_vocabulary else assets.teacher_encoder, meter=meter, moment=moment,
            generator=self._generator if "generator" in job.method.needs else None,
        )  # fmt: skip
        torch.manual_seed(seed_of(job.seed, task.name, "method-init"))  # for modules a method makes itself
        self._method: Perturbation[Any] = job.method.factory(job.params, self._context)
        for notice in self._method.notices:
            watch.note(notice)
        self._models = RunModels(
            self._student, teacher.model, objective=objective, regression=not task.labels, precision=precision,
            moment=moment, meter=meter,
        )  # fmt: skip
        self._trainer = Trainer(
            name=job.variant, models=self._models, perturbation=self._method, context=self._context,
            optimiser=job.training.optimiser, objective=objective, budget=job.budget,
        )  # fmt: skip
        size = job.training.optimiser.batch_size
        self._order = Order(corpus.lengths, size, job.seed, task.name, "data-order")
        self._own = Order(corpus.lengths, size, job.seed, task.name, "own-data-order")
        self._assembler = Assembler(corpus, job.seed, task.name, self._method.ahead)

    def _generator(self) -> torch.nn.Module:
        return self._assets.generator.copy()

    def outcome(self) -> Outcome:
        """Trains to the end of the budget or to divergence, and returns what was measured."""
        result = self._result
        started = time.perf_counter()
        try:
            self._train(started)
            if result.looks and all(split.collapsed for split in result.looks[-1].splits.values()):
                result.status = "collapsed"
                result.reason = "the last look predicts one value for every example"
        except DivergedError as error:
            result.status, result.reason = "diverged", str(error)
        result.train_seconds = time.perf_counter() - started - result.eval_seconds
        result.spent = self._trainer.spent
        result.spent_budget = self._spent_budget()
        result.peak_memory = peak_memory(self._assets.recipe.device)
        result.diagnostics = self._finite({**self._context.diagnostics(), **self._method.diagnostics()})
        for trained in self._context.trained:
            result.perturber_parameters += parameter_count(trained.module)
            result.perturber_trainable += sum(
                p.numel() for p in trained.module.parameters() if p.requires_grad
            )
        return result

    def _train(self, started: float) -> None:
        """Trains to the end of the budget, with a look whenever its point has been reached."""
        limit = self._job.budget[1]
        points = look_points(limit, self._job.training.looks)
        window = _Window(max(1, limit // HISTORY_POINTS), self._result.history)
        if isinstance(self._method, TextPerturbation):
            self._method.prepare([text for texts in self._assets.train.texts for text in texts])
        with closing(self._trainer.run(self._order, self._own, self._assembler)) as losses:
            for loss in losses:
                spent, update = self._spent_budget(), self._trainer.spent.student_updates
                window.add(update, loss)
                if spent >= limit or spent >= points[len(self._result.looks)]:
                    self._look(update, window.mean_since_look(), len(points))
                self._tell(min(spent, limit), loss, time.perf_counter() - started)
        window.flush(self._trainer.spent.student_updates)

    def _tell(self, spent: int, loss: float, elapsed: float) -> None:
        progress = self._trainer.progress
        self._watch.progress(spent, self._job.budget[1], loss, elapsed * (1 - progress) / max(progress, 1e-9))

    def _spent_budget(self) -> int:
        kind, _ = self._job.budget
        if kind == "train_flops":
            return self._result.meter.flops
        return int(getattr(self._trainer.spent, kind))

    def _look(self, update: int, train_loss: float | None, looks: int) -> None:
        """Evaluates the student on every dev split."""
        started = time.perf_counter()
        assets, task = self._assets, self._assets.task
        logits, splits = {}, {}
        for examples, rows in zip(assets.data.dev, assets.dev, strict=True):
            predicted = predict(
                self._student, rows, assets.student_encoder.tokens.pad,
                batch_size=self._job.training.eval_batch_size, precision=assets.recipe.precision,
            )  # fmt: skip
            if not bool(predicted.isfinite().all()):
                raise DivergedError(update, "a prediction", math.nan)
            logits[examples.split] = predicted
            splits[examples.split] = score_split(task, examples.labels, predicted.numpy(), examples.split)
        score = task_score(list(splits.values()))
        number = len(self._result.looks) + 1
        self._result.looks.append(Look(number, update, logits, splits, score, train_loss))
        self._result.eval_seconds += time.perf_counter() - started
        self._watch.look(number, looks, score)

    @staticmethod
    def _finite(values: dict[str, float]) -> dict[str, float]:
        return {name: float(value) for name, value in values.items() if math.isfinite(value)}


class _Window:
    """Training losses, averaged over a window for the history and since the last look for the curve."""

    def __init__(self, width: int, history: list[dict[str, float | int]]) -> None:
        self._width = width
        self._history = history
        self._losses: list[float] = []
        self._since_look: list[float] = []

    def add(self, update: int, loss: float) -> None:
        """Takes in one update's loss."""
        self._losses.append(loss)
        self._since_look.append(loss)
        if len(self._losses) >= self._width:
            self.flush(update)

    def flush(self, update: int) -> None:
        """Writes the mean of the window down."""
        if self._losses:
            mean = sum(self._losses) / len(self._losses)
            if math.isfinite(mean):
                self._history.append({"update": update, "loss": mean})
            self._losses.clear()

    def mean_since_look(self) -> float | None:
        """The mean loss since the last look."""
        mean = sum(self._since_look) / len(self._since_look) if self._since_look else math.nan
        self._since_look.clear()
        return mean if math.isfinite(mean) else None

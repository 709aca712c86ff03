"""One run from initial weights to the last evaluation: everything measured, nothing written but checkpoints."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.cost import FlopModel
from matekd_bench.distill.data.batches import Assembler
from matekd_bench.distill.data.order import DataOrder
from matekd_bench.distill.device import (
    contained_randomness,
    free_cached_memory,
    peak_memory,
    reset_peak_memory,
)
from matekd_bench.distill.models.networks import load_classifier, parameter_count, weights_digest
from matekd_bench.distill.settings import BudgetLimit, Training
from matekd_bench.distill.training.evaluation import evaluation_points, predict
from matekd_bench.distill.training.forward_passes import RunModels
from matekd_bench.distill.training.loss_history import LossHistory
from matekd_bench.distill.training.optimizer import DivergedError
from matekd_bench.distill.training.outcome import Evaluation, Outcome, RunCallbacks
from matekd_bench.distill.training.resume import (
    Checkpoints,
    NoCheckpoints,
    PausedError,
    check_plain,
    newest,
    ran_out_of_memory,
    read_weights,
    software,
    write,
)
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.distill.training.step_scope import StepScope
from matekd_bench.distill.training.trainer import Trainer
from matekd_bench.errors import RunError
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.perturbation import TextPerturbation, make_perturbation
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import score_split, task_score

HISTORY_POINTS = 200


@dataclass(frozen=True)
class Job:
    """What to train: a method with its parameters and a seed, under a study's training settings and budget."""

    variant: str
    method: Method
    params: Params
    seed: int
    training: Training
    budget: BudgetLimit


def train(
    job: Job, assets: TaskAssets, callbacks: RunCallbacks, checkpoints: Checkpoints | None = None
) -> Outcome:
    """Trains one student and evaluates it at equal intervals of the budget, from the newest checkpoint if there is one.

    A loss or gradient that is not finite ends the run with status "diverged"; a last evaluation that predicts one class
    for every example, or one value, is "collapsed". Where memory is too small, it goes on from the last checkpoint
    with half the rows per pass. Raises PausedError where `callbacks` asks to stop; what a method raises is passed on.
    """
    micro_batch: int | None = None
    with contained_randomness(assets.recipe.device):
        while True:
            done = _attempt(job, assets, callbacks, checkpoints or NoCheckpoints(), micro_batch)
            if isinstance(done, Outcome):
                return done
            micro_batch = done
            gc.collect()  # the failed attempt's networks and graphs
            free_cached_memory(assets.recipe.device)
            callbacks.note(f"{job.variant}: out of memory; continuing with {micro_batch} rows per pass")


def _attempt(
    job: Job, assets: TaskAssets, callbacks: RunCallbacks, checkpoints: Checkpoints, micro_batch: int | None
) -> Outcome | int:
    """The run's outcome, or the number of rows per pass to try next where memory was too small.

    Nothing is tried again in here: the exception would keep alive what filled the memory.
    """
    run = _StudentRun(job, assets, callbacks, checkpoints, micro_batch)
    try:
        return run.outcome()
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error) or assets.recipe.ranks.size > 1:  # the others would not know
            raise
        rows = run.rows_per_pass
        if rows == 1:
            raise RunError("out of memory, even with one row per pass.") from error
        return (rows + 1) // 2


class _StudentRun:
    """The state of one run while it lasts."""

    def __init__(
        self,
        job: Job,
        assets: TaskAssets,
        callbacks: RunCallbacks,
        checkpoints: Checkpoints,
        micro_batch: int | None,
    ) -> None:
        self._job, self._assets, self._callbacks = job, assets, callbacks
        self._ranks = assets.recipe.ranks
        self._checkpoints, self._micro_batch = checkpoints, micro_batch
        self._result = Outcome()
        task, recipe = assets.task, assets.recipe
        device, precision = recipe.device, recipe.precision
        corpus, teacher = assets.train, assets.teacher
        init = seed_of(job.seed, task.name, "init")
        self._student = load_classifier(recipe.student, task.outputs, task.labels, init).to(device)
        self._result.student_sha256 = weights_digest(self._student)
        self._result.student_parameters = parameter_count(self._student)
        reset_peak_memory(device)
        meter, moment = self._result.meter, StepScope(job.seed, task.name)
        meter.register("student", FlopModel(self._student))
        meter.register("teacher", FlopModel(teacher.model))
        objective = job.training.objective
        self._context = RunContext(
            task=task, seed=job.seed, device=device, precision=precision,
            objective=objective, student_encoder=assets.student_encoder,
            teacher_encoder=None if assets.one_vocabulary else assets.teacher_encoder, meter=meter, moment=moment,
            generator=self._generator if "generator" in job.method.needs else None, student=self._student,
        )  # fmt: skip
        torch.manual_seed(seed_of(job.seed, task.name, "method-init"))  # for modules a method makes itself
        self._method = make_perturbation(job.method, job.params, self._context, job.variant)
        for notice in self._method.notices:
            callbacks.note(notice)
        self._models = RunModels(
            self._student, teacher.model, objective=objective, regression=not task.labels, precision=precision,
            moment=moment, meter=meter,
        )  # fmt: skip
        self._trainer = Trainer(
            name=job.variant, models=self._models, perturbation=self._method, context=self._context,
            optimizer=job.training.optimizer, objective=objective, budget=job.budget,
            auxiliary_updates=job.training.auxiliary_updates, ranks=self._ranks,
        )  # fmt: skip
        size = job.training.optimizer.batch_size
        self._order = DataOrder(corpus.lengths, size, job.seed, task.name, "data-order")
        self._own = DataOrder(corpus.lengths, size, job.seed, task.name, "own-data-order")
        self._assembler = Assembler(corpus, job.seed, task.name, self._method.ahead)
        self._window = LossHistory(max(1, job.budget[1] // HISTORY_POINTS), self._result.history)
        self._clock = time.perf_counter()  # when this part of the run began, moved on by what is not counted
        self._last_loss: float | None = None

    def _generator(self) -> torch.nn.Module:
        return self._assets.generator.copy()

    def outcome(self) -> Outcome:
        """Trains to the end of the budget or to divergence, and returns what was measured."""
        result = self._result
        self._clock = time.perf_counter()
        try:
            self._train()
            if result.evaluations and all(
                split.collapsed for split in result.evaluations[-1].splits.values()
            ):
                result.status = "collapsed"
                result.reason = "the last evaluation predicts one value for every example"
        except DivergedError as error:
            result.status, result.reason = "diverged", self._diverged(error)
        self._collect()
        result.train_seconds = self._elapsed() - result.eval_seconds
        result.spent = self._trainer.spent
        result.spent_budget = self._trainer.spent_budget
        result.peak_memory = self._peak_memory()
        if self._micro_batch is not None or (
            self._ranks.size == 1 and self._trainer.micro_batch != self._job.training.optimizer.micro_batch
        ):
            result.micro_batch = self._trainer.micro_batch
        result.student = self._student
        result.diagnostics = self._finite({**self._context.diagnostics(), **self._method.diagnostics()})
        for trained in self._context.trained:
            result.perturber_parameters += parameter_count(trained.module)
            result.perturber_trainable += sum(
                p.numel() for p in trained.module.parameters() if p.requires_grad
            )
        return result

    def _diverged(self, error: DivergedError) -> str:
        before = "" if self._last_loss is None else f"; the last loss was {self._last_loss:.4g}"
        return f"{error}{before}"

    @property
    def rows_per_pass(self) -> int:
        """The most rows that go through a forward pass at a time."""
        return self._trainer.micro_batch or self._job.training.optimizer.batch_size

    def _train(self) -> None:
        """Trains to the end of the budget, with an evaluation whenever its point has been reached."""
        limit = self._job.budget[1]
        points = evaluation_points(limit, self._job.training.evaluations)
        if isinstance(self._method, TextPerturbation):
            self._method.prepare([text for texts in self._assets.train.texts for text in texts])
        self._resume()
        with closing(self._trainer.run(self._order, self._own, self._assembler)) as losses:
            for loss in losses:
                spent, update = self._trainer.spent_budget, self._trainer.spent.student_updates
                self._last_loss = loss
                self._window.add(update, loss)
                evaluated = spent >= limit or spent >= points[len(self._result.evaluations)]
                self._tell(min(spent, limit), loss, self._elapsed())
                if evaluated:
                    self._evaluate(update, self._window.mean_since_evaluation(), len(points))
                if spent < limit:
                    self._secure(update, evaluated)
        update = self._trainer.spent.student_updates
        if (
            not self._result.evaluations or self._result.evaluations[-1].update < update
        ):  # auxiliary updates spent the rest
            self._evaluate(update, self._window.mean_since_evaluation(), len(points))
        self._window.flush(update)

    def _secure(self, update: int, evaluated: bool) -> None:
        """Saves a checkpoint after an evaluation; also where the run is asked to stop, and then it stops."""
        stopping = self._ranks.any(self._callbacks.stopping())
        if evaluated or stopping:
            started = time.perf_counter()
            self._collect()
            state = self._state()
            if self._ranks.leads:
                self._checkpoints.save(update, lambda folder: write(folder, self._modules, state))
            self._clock += time.perf_counter() - started
        if stopping:
            raise PausedError(update)

    def _collect(self) -> None:
        """Leaves everything that the processes of the run counted with the leader."""
        if self._ranks.size == 1:
            return
        meter, spent = self._result.meter, self._trainer.spent
        mine = (meter.state_dict(), self._context.totals(), spent.perturbed_examples)
        gathered = self._ranks.gather(mine)
        if not self._ranks.leads:
            self._forget()
            return
        for passes, totals, perturbed in gathered[1:]:
            meter.absorb(passes)
            self._context.absorb(totals)
            spent.perturbed_examples += perturbed

    def _forget(self) -> None:
        """Counts anew: what there was is the leader's now."""
        self._result.meter.forget_passes()
        self._context.forget()
        self._trainer.spent.perturbed_examples = 0

    def _resume(self) -> None:
        """Goes on from the newest checkpoint of this very run, if there is one; all processes from the same."""
        name = self._job.variant
        found = newest(
            self._checkpoints,
            self._origin(),
            lambda text: self._callbacks.note(f"{name}: {text}"),
            self._ranks.announce,
        )
        if found is not None:
            folder, state = found
            self._restore(folder, state)
            self._callbacks.note(f"{name}: resuming after update {state['update']}")
        if self._micro_batch is not None:
            self._trainer.micro_batch = self._micro_batch

    @property
    def _modules(self) -> list[torch.nn.Module]:
        return [self._student, *(trained.module for trained in self._context.trained)]

    def _origin(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to be this run's."""
        teacher = self._assets.teacher.checkpoint.sha256
        return {
            **software(),
            "student": self._result.student_sha256,
            "teacher": teacher,
            "modules": [trained.name for trained in self._context.trained],
        }

    def _state(self) -> dict[str, Any]:
        """Everything that changes while the run lasts, but for the weights."""
        result, method = self._result, self._method.state_dict()
        check_plain(method, self._job.variant)
        return {
            "origin": self._origin(),
            "update": self._trainer.spent.student_updates,
            "resumed": result.resumed,
            "seconds": (self._elapsed(), result.eval_seconds),
            "peak_memory": self._peak_memory(),
            "evaluations": [
                (evaluation.update, evaluation.logits, evaluation.train_loss)
                for evaluation in result.evaluations
            ],
            "last_loss": self._last_loss,
            "window": self._window.state_dict(),
            "meter": result.meter.state_dict(),
            "trainer": self._trainer.state_dict(),
            "context": self._context.state_dict(),
            "method": method,
        }

    def _restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint; the seconds since it was made are lost, and not counted."""
        result = self._result
        self._context.load_state_dict(state["context"])
        read_weights(folder, self._modules)
        self._trainer.load_state_dict(state["trainer"])
        result.meter.load_state_dict(state["meter"])
        self._window.load_state_dict(state["window"])
        self._last_loss = state["last_loss"]
        for update, logits, train_loss in state["evaluations"]:
            result.evaluations.append(self._judged(update, logits, train_loss))
        self._method.load_state_dict(state["method"])
        result.resumed, result.peak_memory = state["resumed"] + 1, state["peak_memory"]
        elapsed, result.eval_seconds = state["seconds"]
        self._clock = time.perf_counter() - elapsed
        if not self._ranks.leads:
            self._forget()

    def _elapsed(self) -> float:
        """Seconds spent on the run so far, in all its parts; saving checkpoints is not counted."""
        return time.perf_counter() - self._clock

    def _peak_memory(self) -> int | None:
        """The most memory in this part of the run and those before it."""
        now, before = peak_memory(self._assets.recipe.device), self._result.peak_memory
        return now if before is None or now is None else max(now, before)

    def _tell(self, spent: int, loss: float, elapsed: float) -> None:
        progress = self._trainer.progress
        self._callbacks.progress(
            spent, self._job.budget[1], loss, elapsed * (1 - progress) / max(progress, 1e-9)
        )

    def _evaluate(self, update: int, train_loss: float | None, evaluations: int) -> None:
        """Evaluates the student on every dev split."""
        started = time.perf_counter()
        assets, logits = self._assets, {}
        for examples, rows in zip(assets.data.dev, assets.dev, strict=True):
            predicted = predict(
                self._student, rows, assets.student_encoder.tokens.pad,
                batch_size=self._job.training.eval_batch_size, precision=assets.recipe.precision,
                ranks=self._ranks,
            )  # fmt: skip
            if not bool(predicted.isfinite().all()):
                raise DivergedError(update, "a prediction", math.nan)
            logits[examples.split] = predicted
        evaluation = self._judged(update, logits, train_loss)
        self._result.evaluations.append(evaluation)
        self._result.eval_seconds += time.perf_counter() - started
        self._callbacks.evaluated(evaluation.number, evaluations, evaluation.score)

    def _judged(self, update: int, logits: dict[str, Tensor], train_loss: float | None) -> Evaluation:
        """The next evaluation, made of the logits of every dev split."""
        task, number = self._assets.task, len(self._result.evaluations) + 1
        splits = {
            examples.split: score_split(task, examples.labels, logits[examples.split].numpy(), examples.split)
            for examples in self._assets.data.dev
        }
        return Evaluation(number, update, logits, splits, task_score(list(splits.values())), train_loss)

    @staticmethod
    def _finite(values: dict[str, float]) -> dict[str, float]:
        return {name: float(value) for name, value in values.items() if math.isfinite(value)}

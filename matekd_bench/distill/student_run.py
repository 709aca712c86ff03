"""Train and evaluate the student of one run; the only files it writes are checkpoints."""

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
from matekd_bench.distill.data.batches import Assembler
from matekd_bench.distill.data.order import DataOrder
from matekd_bench.distill.device import (
    contained_randomness,
    free_cached_memory,
    peak_memory,
    reset_peak_memory,
)
from matekd_bench.distill.flops import FlopModel
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
    check_saveable,
    newest_checkpoint,
    ran_out_of_memory,
    read_weights,
    software_versions,
    write_checkpoint,
)
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.distill.training.step_scope import StepScope
from matekd_bench.distill.training.trainer import Trainer
from matekd_bench.errors import RunError
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.perturbation import TextPerturbation, make_perturbation
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import score_split, task_score

HISTORY_POINTS = (
    200  # of the loss history under a budget of student updates; each is a mean of as many updates
)


@dataclass(frozen=True)
class Job:
    """A run to train: a method with its parameters and a seed, under a study's training settings and budget."""

    variant: str
    method: Method
    params: Params
    seed: int
    training: Training
    budget: BudgetLimit


def train(
    job: Job, assets: TaskAssets, callbacks: RunCallbacks, checkpoints: Checkpoints | None = None
) -> Outcome:
    """Train one student and evaluate it at equal intervals of the budget; resume from the newest checkpoint, if any.

    A loss, gradient or prediction that is not finite ends the run with status "diverged". If the last evaluation
    predicts the same class or value for every example, the status is "collapsed". When memory runs out, the run
    continues from its last checkpoint with half the rows per pass. Raises PausedError if `callbacks` asks to stop.
    Exceptions of the method are passed on.
    """
    micro_batch: int | None = None
    with contained_randomness(assets.recipe.device):
        while True:
            result = _attempt(job, assets, callbacks, checkpoints or NoCheckpoints(), micro_batch)
            if isinstance(result, Outcome):
                return result
            micro_batch = result
            gc.collect()  # frees the networks and graphs of the failed attempt
            free_cached_memory(assets.recipe.device)
            callbacks.note(f"{job.variant}: out of memory; continuing with {micro_batch} rows per pass")


def _attempt(
    job: Job, assets: TaskAssets, callbacks: RunCallbacks, checkpoints: Checkpoints, micro_batch: int | None
) -> Outcome | int:
    """Return the run's outcome or, if memory ran out, the number of rows per pass to try next.

    The caller retries, not this function: here the exception would keep alive the objects that fill the memory.
    """
    run = _StudentRun(job, assets, callbacks, checkpoints, micro_batch)
    try:
        return run.outcome()
    except (RuntimeError, MemoryError) as error:
        # With several processes the run fails: the others would not learn that this one starts again.
        if not ran_out_of_memory(error) or assets.recipe.ranks.size > 1:
            raise
        rows = run.rows_per_pass
        if rows == 1:
            raise RunError("out of memory, even with one row per pass.") from error
        return (rows + 1) // 2


class _StudentRun:
    """The state of one run while it trains."""

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
        meter, scope = self._result.meter, StepScope(job.seed, task.name)
        meter.register("student", FlopModel(self._student))
        meter.register("teacher", FlopModel(teacher.model))
        objective = job.training.objective
        self._context = RunContext(
            task=task, seed=job.seed, device=device, precision=precision,
            objective=objective, student_encoder=assets.student_encoder,
            teacher_encoder=None if assets.one_vocabulary else assets.teacher_encoder, meter=meter, scope=scope,
            generator=self._copy_generator if "generator" in job.method.needs else None, student=self._student,
        )  # fmt: skip
        # For modules that the method makes itself: they start alike in every run with this seed.
        torch.manual_seed(seed_of(job.seed, task.name, "method-init"))
        self._method = make_perturbation(job.method, job.params, self._context, job.variant)
        for notice in self._method.notices:
            callbacks.note(notice)
        self._models = RunModels(
            self._student, teacher.model, objective=objective, regression=not task.labels, precision=precision,
            scope=scope, meter=meter,
        )  # fmt: skip
        self._trainer = Trainer(
            name=job.variant, models=self._models, perturbation=self._method, context=self._context,
            optimizer=job.training.optimizer, objective=objective, budget=job.budget,
            auxiliary_updates=job.training.auxiliary_updates, ranks=self._ranks,
        )  # fmt: skip
        size = job.training.optimizer.batch_size
        self._order = DataOrder(corpus.lengths, size, job.seed, task.name, "data-order")
        self._auxiliary_order = DataOrder(corpus.lengths, size, job.seed, task.name, "own-data-order")
        self._assembler = Assembler(corpus, job.seed, task.name, self._method.ahead)
        # The window counts updates. Budgets in other units have a larger limit, so their history has fewer points.
        self._loss_history = LossHistory(max(1, job.budget[1] // HISTORY_POINTS), self._result.history)
        # Elapsed time counts from here. Resuming moves it back by the earlier parts, saving moves it forward.
        self._clock = time.perf_counter()
        self._last_loss: float | None = None

    def _copy_generator(self) -> torch.nn.Module:
        return self._assets.generator.copy()

    def outcome(self) -> Outcome:
        """Train to the end of the budget or to divergence, and return all measurements."""
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
            result.status, result.reason = "diverged", self._divergence_reason(error)
        self._collect()
        result.train_seconds = self._elapsed() - result.eval_seconds
        result.spent = self._trainer.spent
        result.spent_budget = self._trainer.spent_budget
        result.peak_memory = self._peak_memory()
        # Several processes share the rows of an update, so fewer rows per pass are planned there, not a lack of memory.
        if self._micro_batch is not None or (
            self._ranks.size == 1 and self._trainer.micro_batch != self._job.training.optimizer.micro_batch
        ):
            result.micro_batch = self._trainer.micro_batch
        result.student = self._student
        result.diagnostics = self._finite_values(
            {**self._context.diagnostics(), **self._method.diagnostics()}
        )
        for trained in self._context.trained:
            result.perturber_parameters += parameter_count(trained.module)
            result.perturber_trainable += sum(
                p.numel() for p in trained.module.parameters() if p.requires_grad
            )
        return result

    def _divergence_reason(self, error: DivergedError) -> str:
        """Return the error's message with the last finite loss, if there was one."""
        last_loss = "" if self._last_loss is None else f"; the last loss was {self._last_loss:.4g}"
        return f"{error}{last_loss}"

    @property
    def rows_per_pass(self) -> int:
        """The largest number of rows in a forward pass."""
        return self._trainer.micro_batch or self._job.training.optimizer.batch_size

    def _train(self) -> None:
        """Train to the end of the budget, evaluate at each evaluation point, and save checkpoints."""
        limit = self._job.budget[1]
        points = evaluation_points(limit, self._job.training.evaluations)
        if isinstance(self._method, TextPerturbation):
            self._method.prepare([text for texts in self._assets.train.texts for text in texts])
        self._resume()
        with closing(self._trainer.run(self._order, self._auxiliary_order, self._assembler)) as losses:
            for loss in losses:
                spent, update = self._trainer.spent_budget, self._trainer.spent.student_updates
                self._last_loss = loss
                self._loss_history.add(update, loss)
                due = spent >= limit or spent >= points[len(self._result.evaluations)]
                self._report_progress(min(spent, limit), loss, self._elapsed())
                if due:
                    self._evaluate(update, self._loss_history.mean_since_evaluation(), len(points))
                if spent < limit:
                    self._save_or_stop(update, due)
        update = self._trainer.spent.student_updates
        # Missing if auxiliary updates spent the end of the budget: the loop above sees student updates only.
        if not self._result.evaluations or self._result.evaluations[-1].update < update:
            self._evaluate(update, self._loss_history.mean_since_evaluation(), len(points))
        self._loss_history.flush(update)

    def _save_or_stop(self, update: int, evaluated: bool) -> None:
        """Save a checkpoint after an evaluation, or if the run is asked to stop; raise PausedError in that case."""
        stopping = self._ranks.any(self._callbacks.stopping())  # all processes stop at the same update
        if evaluated or stopping:
            started = time.perf_counter()
            self._collect()  # before the state, which holds the counts of all processes
            state = self._state()
            if self._ranks.leads:
                self._checkpoints.save(update, lambda folder: write_checkpoint(folder, self._modules, state))
            self._clock += time.perf_counter() - started  # the time that saving takes is not counted
        if stopping:
            raise PausedError(update)

    def _collect(self) -> None:
        """Move the counts of all processes of the run to the leader."""
        if self._ranks.size == 1:
            return
        meter, spent = self._result.meter, self._trainer.spent
        counts = (meter.state_dict(), self._context.totals(), spent.perturbed_examples)
        gathered = self._ranks.gather(counts)
        if not self._ranks.leads:
            self._clear_counts()
            return
        for passes, totals, perturbed in gathered[1:]:  # the leader's own come first
            meter.absorb(passes)
            self._context.absorb(totals)
            spent.perturbed_examples += perturbed

    def _clear_counts(self) -> None:
        """Set this process's counts to zero, since the leader has them now."""
        self._result.meter.clear_passes()
        self._context.clear_reports()
        self._trainer.spent.perturbed_examples = 0

    def _resume(self) -> None:
        """Continue from this run's newest checkpoint, if there is one; all processes take the same one."""
        name = self._job.variant
        checkpoint = newest_checkpoint(
            self._checkpoints,
            self._origin(),
            lambda text: self._callbacks.note(f"{name}: {text}"),
            self._ranks.announce,
        )
        if checkpoint is not None:
            folder, state = checkpoint
            self._restore(folder, state)
            self._callbacks.note(f"{name}: resuming after update {state['update']}")
        # After restoring, since the checkpoint may hold the size for which memory was too small.
        if self._micro_batch is not None:
            self._trainer.micro_batch = self._micro_batch

    @property
    def _modules(self) -> list[torch.nn.Module]:
        """The modules whose weights a checkpoint holds: the student and the method's own."""
        return [self._student, *(trained.module for trained in self._context.trained)]

    def _origin(self) -> dict[str, Any]:
        """Return the facts that a checkpoint must share to belong to this run."""
        teacher = self._assets.teacher.checkpoint.sha256
        return {
            **software_versions(),
            "student": self._result.student_sha256,
            "teacher": teacher,
            "modules": [trained.name for trained in self._context.trained],
        }

    def _state(self) -> dict[str, Any]:
        """Return everything that changes during the run, except the weights."""
        result, method = self._result, self._method.state_dict()
        check_saveable(method, self._job.variant)
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
            "window": self._loss_history.state_dict(),
            "meter": result.meter.state_dict(),
            "trainer": self._trainer.state_dict(),
            "context": self._context.state_dict(),
            "method": method,
        }

    def _restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint; the time between saving and interruption is not counted."""
        result = self._result
        self._context.load_state_dict(state["context"])  # measures the student's initial embeddings, so first
        read_weights(folder, self._modules)
        self._trainer.load_state_dict(state["trainer"])
        result.meter.load_state_dict(state["meter"])
        self._loss_history.load_state_dict(state["window"])
        self._last_loss = state["last_loss"]
        for update, logits, train_loss in state["evaluations"]:
            result.evaluations.append(self._score(update, logits, train_loss))
        self._method.load_state_dict(state["method"])
        result.resumed, result.peak_memory = state["resumed"] + 1, state["peak_memory"]
        elapsed, result.eval_seconds = state["seconds"]
        self._clock = time.perf_counter() - elapsed
        if not self._ranks.leads:
            self._clear_counts()  # the checkpoint holds the counts of all processes; only the leader keeps them

    def _elapsed(self) -> float:
        """Return the seconds spent on the run so far, in all its parts, without the saving of checkpoints."""
        return time.perf_counter() - self._clock

    def _peak_memory(self) -> int | None:
        """Return the peak memory in bytes over this part of the run and the parts before it."""
        now, before = peak_memory(self._assets.recipe.device), self._result.peak_memory
        return now if before is None or now is None else max(now, before)

    def _report_progress(self, spent: int, loss: float, elapsed: float) -> None:
        """Report progress; the remaining seconds assume that the rest of the budget takes as long in proportion."""
        progress = self._trainer.progress
        self._callbacks.progress(
            spent, self._job.budget[1], loss, elapsed * (1 - progress) / max(progress, 1e-9)
        )

    def _evaluate(self, update: int, train_loss: float | None, evaluations: int) -> None:
        """Evaluate the student on every dev split and record the evaluation."""
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
        evaluation = self._score(update, logits, train_loss)
        self._result.evaluations.append(evaluation)
        self._result.eval_seconds += time.perf_counter() - started
        self._callbacks.evaluated(evaluation.number, evaluations, evaluation.score)

    def _score(self, update: int, logits: dict[str, Tensor], train_loss: float | None) -> Evaluation:
        """Make the next evaluation from the logits of every dev split."""
        task, number = self._assets.task, len(self._result.evaluations) + 1
        splits = {
            examples.split: score_split(task, examples.labels, logits[examples.split].numpy(), examples.split)
            for examples in self._assets.data.dev
        }
        return Evaluation(number, update, logits, splits, task_score(list(splits.values())), train_loss)

    @staticmethod
    def _finite_values(values: dict[str, float]) -> dict[str, float]:
        """Return the finite values, since records hold no NaN."""
        return {name: float(value) for name, value in values.items() if math.isfinite(value)}

"""Train and evaluate the student of one run; the only files it writes are checkpoints."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.device import (
    contained_randomness,
    free_cached_memory,
    peak_memory,
    reset_peak_memory,
)
from matekd_bench.distill.models.networks import load_classifier, parameter_count, weights_digest
from matekd_bench.distill.models.output_layer import reorder_outputs
from matekd_bench.distill.models.score_units import change_units, task_units
from matekd_bench.distill.training.checkpoint_saver import CheckpointSaver
from matekd_bench.distill.training.evaluation import evaluation_points, predict
from matekd_bench.distill.training.optimizer import DivergedError
from matekd_bench.distill.training.outcome import Evaluation, LossHistory, NewestLoss, Outcome
from matekd_bench.distill.training.resume import (
    newest_checkpoint,
    ran_out_of_memory,
    software_versions,
)
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.distill.training.session import Job, SessionParts, TrainingSession
from matekd_bench.errors import RunError, one_line
from matekd_bench.events import Evaluated, Message, Progress, Sink
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.methods.perturbation import wrong_result
from matekd_bench.seeds import seed_of
from matekd_bench.spelling import kind_in_words
from matekd_bench.tasks.metrics import score_split, task_score

__all__ = ["Job", "initial_student", "student_session", "train"]

HISTORY_POINTS = 200  # points of the loss history: about so many windows, each an equal part of the budget


def train(
    job: Job,
    assets: TaskAssets,
    sink: Sink = Sink(),
    *,
    stopping: Callable[[], bool] = lambda: False,
    checkpoints: CheckpointFolder | None = None,
) -> Outcome:
    """Train one student and evaluate it at equal intervals of the budget; resume from the newest checkpoint, if any.

    `sink` gets progress after every update, evaluations and notes. `stopping` is asked after every update; if it
    returns True, the run saves a checkpoint and raises PausedError.

    A loss, gradient or prediction that is not finite ends the run with status "diverged". If the last evaluation
    predicts the same class or value for every example, the status is "collapsed". When memory runs out in a run of one
    process, it starts again from its last checkpoint, if there is one, with half the rows per pass. Exceptions of the
    method are passed on.
    """
    micro_batch: int | None = None
    with contained_randomness(assets.recipe.device):
        while True:
            run = _StudentRun(job, assets, sink, stopping, checkpoints, micro_batch)
            result = _attempt(run)
            if isinstance(result, Outcome):
                return result
            micro_batch = result
            del run
            gc.collect()  # frees the networks and graphs of the failed attempt
            free_cached_memory(assets.recipe.device)
            where = (
                f"{job.variant} on {assets.task.name}"  # without the seed, so that the note appears only once
            )
            text = f"{where}: out of memory; continuing with {micro_batch} rows per pass"
            sink.emit(Message(kind="note", text=text))


def initial_student(job: Job, assets: TaskAssets) -> Any:
    """Load the student with which every run of the job's seed on the task begins, on the device."""
    task, recipe, source = assets.task, assets.recipe, assets.recipe.student
    init = seed_of(job.seed, task.name, "init")
    if source.from_teacher:
        source = replace(source, checkpoint=assets.teacher.checkpoint)
    student = load_classifier(source, task.outputs, task.labels, init).to(recipe.device)
    if source.from_teacher and assets.teacher.order is not None:
        reorder_outputs(student, assets.teacher.order)
    trained_head = source.checkpoint.classifies and (source.layers is None or source.from_teacher)
    if assets.units is not None and trained_head:  # on scores in the task's units
        change_units(student, assets.units.inverse)
    return student


def student_session(
    job: Job, assets: TaskAssets, student: Any, context_type: type[RunContext] = RunContext
) -> TrainingSession:
    """Make the session of a job from its student and the assets that the runs on the task share.

    Call it inside :func:`matekd_bench.distill.device.contained_randomness`.
    """
    recipe = assets.recipe
    parts = SessionParts(
        task=assets.task, corpus=assets.train, student=student, teacher=assets.teacher.model,
        student_encoder=assets.student_encoder,
        teacher_encoder=None if assets.one_vocabulary else assets.teacher_encoder,
        generator=lambda: assets.generator.copy(), device=recipe.device, precision=recipe.precision,
        ranks=recipe.ranks, units=assets.units,
        answer_to=None if recipe.answers is None else assets.answer_to,
    )  # fmt: skip
    return TrainingSession(parts, job, context_type=context_type)


def _attempt(run: _StudentRun) -> Outcome | int:
    """Return the run's outcome or, if memory ran out, the number of rows per pass to try next.

    The caller retries, not this function: here the exception would keep alive the objects that fill the memory.
    """
    try:
        return run.outcome()
    except (RuntimeError, MemoryError) as error:
        # With several processes the run fails: the others would not learn that this one starts again.
        if not ran_out_of_memory(error) or run.ranks.size > 1:
            raise
        rows = run.rows_per_pass
        if rows == 1:
            raise RunError(f"out of memory, even with one row per pass: {one_line(error)}.") from error
        return (rows + 1) // 2


class _StudentRun:
    """What a student's run adds to its session: evaluations, history, checkpoints and the outcome."""

    def __init__(
        self,
        job: Job,
        assets: TaskAssets,
        sink: Sink,
        stopping: Callable[[], bool],
        checkpoints: CheckpointFolder | None,
        micro_batch: int | None,
    ) -> None:
        self._job, self._assets, self._sink = job, assets, sink
        self.ranks = assets.recipe.ranks
        self._checkpoints, self._micro_batch = checkpoints, micro_batch
        self._saver = CheckpointSaver(checkpoints, stopping, self.ranks)
        if self.ranks.leads:
            assets.warn_of_weak_teacher()  # fine-tunes the teacher first, before any student trains
        self._student = initial_student(job, assets)
        digest = weights_digest(self._student)
        reset_peak_memory(assets.recipe.device)
        self._session = session = student_session(job, assets, self._student)
        self._trainer = session.trainer
        for notice in session.method.notices:
            self._note(notice)
        self._result = Outcome(
            meter=session.meter, student_sha256=digest, student_parameters=parameter_count(self._student)
        )
        self._points = evaluation_points(session.limit, job.training.evaluations)
        self._loss_history = LossHistory(self._result.history)
        # Elapsed time counts from here. Resuming moves it back by the earlier parts, saving moves it forward.
        self._clock = time.perf_counter()
        self._newest_loss = NewestLoss()
        self._trainer.on_auxiliary_update = self._report_auxiliary_update
        self._auxiliary_done = 0  # since the student's last update
        self._pace: tuple[float, float] | None = (
            None  # progress and seconds after the first update of this process
        )

    def _note(self, text: str) -> None:
        self._sink.emit(Message(kind="note", text=text))

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
                result.reason = "the last evaluation predicts the same value for every example"
        except DivergedError as error:
            result.status, result.reason = "diverged", self._divergence_reason(error)
        self._session.gather_counts()
        result.train_seconds = self._elapsed() - result.eval_seconds
        result.spent = self._trainer.spent
        result.spent_budget = self._trainer.spent_budget
        result.peak_memory = self._peak_memory()
        # With several processes, fewer rows per pass are planned and do not mean a lack of memory.
        if self._micro_batch is not None or (
            self.ranks.size == 1 and self._trainer.micro_batch != self._job.training.optimizer.micro_batch
        ):
            result.micro_batch = self._trainer.micro_batch
        result.student = self._student
        own: object = self._session.method.diagnostics()
        if not isinstance(own, Mapping):
            raise wrong_result(self._session.method.diagnostics, kind_in_words(own), "return a dictionary")
        result.diagnostics = self._finite_values({**self._session.context.diagnostics(), **own})
        for trained in self._session.context.trained:
            result.perturber_parameters += parameter_count(trained.module)
            result.perturber_trainable += sum(
                p.numel() for p in trained.module.parameters() if p.requires_grad
            )
        return result

    def _divergence_reason(self, error: DivergedError) -> str:
        """Return the error's message with the last finite loss, if there was one."""
        known = self._newest_loss.known
        last_loss = "" if known is None else f"; the last loss was {known:.4g}"
        return f"{error}{last_loss}"

    @property
    def rows_per_pass(self) -> int:
        """The largest number of rows in a forward pass."""
        return self._trainer.micro_batch or self._job.training.optimizer.batch_size

    def _train(self) -> None:
        """Train to the end of the budget, evaluate at each evaluation point, and save checkpoints."""
        limit = self._session.limit
        self._resume()
        window = self._window(self._session.updates, self._trainer.spent_budget)
        with closing(self._session.losses()) as losses, self._saver:
            for loss in losses:
                spent, update = self._trainer.spent_budget, self._session.updates
                self._newest_loss.add(loss)
                self._loss_history.add(loss)
                before, window = window, self._window(update, spent)
                if window > before:
                    self._loss_history.flush(update)
                self._report_progress(min(spent, limit), self._elapsed())
                if spent >= limit or spent >= self._points[len(self._result.evaluations)]:
                    self._evaluate(update)
                if spent < limit:
                    started = time.perf_counter()
                    self._saver.after_update(update, self._session.modules, self._state)
                    self._clock += time.perf_counter() - started  # the time that saving takes is not counted
        self._trainer.checks.read()
        update = self._session.updates
        if update == 0:
            raise RunError(
                f"the budget of {limit} {self._job.budget[0]} was spent by the method before the student's first "
                f"update."
            )
        # Missing if auxiliary updates spent the end of the budget: the loop above sees student updates only.
        if not self._result.evaluations or self._result.evaluations[-1].update < update:
            self._evaluate(update)
        self._loss_history.flush(update)

    def _window(self, update: int, spent: int) -> int:
        """Return the number of the window of the loss history that the next update belongs to."""
        limit = self._session.limit
        # Equally many updates, even if auxiliary updates spend the budget too.
        if self._job.budget[0] == "student_updates":
            return update // max(1, limit // HISTORY_POINTS)
        return spent * HISTORY_POINTS // limit

    def _resume(self) -> None:
        """Continue from this run's newest checkpoint, if there is one; all processes take the same one."""
        job, task = self._job, self._assets.task.name
        checkpoint = newest_checkpoint(
            self._checkpoints,
            self._origin(),
            lambda text: self._note(f"{job.variant} on {task}, seed {job.seed}: {text}"),
            self.ranks.announce,
        )
        if checkpoint is not None:
            self._restore(*checkpoint)
        # After restoring, since the checkpoint may hold the size for which memory was too small.
        if self._micro_batch is not None:
            self._trainer.micro_batch = self._micro_batch

    def _origin(self) -> dict[str, Any]:
        """Return the facts that a checkpoint must share to belong to this run."""
        return {
            **software_versions(),
            "student": self._result.student_sha256,
            "teacher": self._assets.teacher.source.sha256,
            "modules": [trained.name for trained in self._session.context.trained],
        }

    def _state(self) -> dict[str, Any]:
        """Return everything that changes during the run, except the weights."""
        self._trainer.checks.read()
        result = self._result
        return {
            **self._session.state_dict(),
            "origin": self._origin(),
            "update": self._session.updates,
            "resumed": result.resumed,
            "seconds": (self._elapsed(), result.eval_seconds),
            "peak_memory": self._peak_memory(),
            "evaluations": [
                (evaluation.update, evaluation.logits, evaluation.train_loss)
                for evaluation in result.evaluations
            ],
            "last_loss": self._newest_loss.read(),
            "window": self._loss_history.state_dict(),
        }

    def _restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint; the time between saving and interruption is not counted."""
        result = self._result
        self._session.load_state_dict(state, folder)
        self._loss_history.load_state_dict(state["window"])
        self._newest_loss.known = state["last_loss"]
        for update, logits, train_loss in state["evaluations"]:
            result.evaluations.append(self._score(update, logits, train_loss))
        result.resumed, result.peak_memory = state["resumed"] + 1, state["peak_memory"]
        elapsed, result.eval_seconds = state["seconds"]
        self._clock = time.perf_counter() - elapsed

    def _elapsed(self) -> float:
        """Return the seconds spent on the run so far, in all its parts, without the saving of checkpoints."""
        return time.perf_counter() - self._clock

    def _peak_memory(self) -> int | None:
        """Return the peak memory in bytes over this part of the run and the parts before it."""
        now, before = peak_memory(self._assets.recipe.device), self._result.peak_memory
        return now if before is None or now is None else max(now, before)

    def _report_progress(self, spent: int, elapsed: float) -> None:
        """Report progress; the remaining seconds assume that the rest of the budget takes as long in proportion.

        The first update does not count for the estimate: it is much slower than the others.
        """
        self._auxiliary_done, progress, left = 0, self._trainer.progress, None
        if self._pace is None:
            self._pace = progress, elapsed
        elif progress > self._pace[0]:
            left = (elapsed - self._pace[1]) * (1 - progress) / (progress - self._pace[0])
        loss = self._newest_loss.known
        self._sink.emit(Progress(done=spent, limit=self._session.limit, loss=loss, seconds_left=left))

    def _report_auxiliary_update(self) -> None:
        """Report how many updates of the method's own module are done before the student's next one."""
        self._auxiliary_done += 1
        if (cycle := self._session.method.cycle) is not None:
            self._sink.emit(
                Progress(
                    done=self._session.spent, limit=self._session.limit, loss=self._newest_loss.known,
                    auxiliary_done=self._auxiliary_done, auxiliary_limit=cycle.auxiliary,
                )
            )  # fmt: skip

    def _evaluate(self, update: int) -> None:
        """Evaluate the student on every dev split and record the evaluation."""
        self._trainer.checks.read()
        started, train_loss = time.perf_counter(), self._loss_history.mean_since_evaluation()
        assets, logits = self._assets, {}
        for examples, rows in zip(assets.data.dev, assets.dev, strict=True):
            with task_units(self._student, assets.units):
                predicted = predict(
                    self._student, rows, assets.student_encoder.tokens.pad,
                    batch_size=self._job.training.eval_batch_size, precision=assets.recipe.precision,
                    ranks=self.ranks,
                )  # fmt: skip
            if not bool(predicted.isfinite().all()):
                raise DivergedError(update, "a prediction", math.nan)
            logits[examples.split] = predicted
        evaluation = self._score(update, logits, train_loss)
        self._result.evaluations.append(evaluation)
        self._result.eval_seconds += time.perf_counter() - started
        evaluated = Evaluated(
            number=evaluation.number, total=len(self._points), score=evaluation.score,
            spent=self._session.spent, limit=self._session.limit, loss=self._newest_loss.read(),
        )  # fmt: skip
        self._sink.emit(evaluated)

    def _score(self, update: int, logits: dict[str, Tensor], train_loss: float | None) -> Evaluation:
        """Make the next evaluation from the logits of every dev split."""
        task, number = self._assets.task, len(self._result.evaluations) + 1
        splits = {
            examples.split: score_split(task, examples.gold, logits[examples.split].numpy(), examples.split)
            for examples in self._assets.data.dev
        }
        return Evaluation(number, update, logits, splits, task_score(list(splits.values())), train_loss)

    @staticmethod
    def _finite_values(values: dict[str, float]) -> dict[str, float]:
        """Return the finite values, since records hold no NaN."""
        return {name: float(value) for name, value in values.items() if math.isfinite(value)}

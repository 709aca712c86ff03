"""The training of one network with one method, as used by runs, teachers, previews, contract checks and tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, SupportsFloat

import torch
from torch import Tensor, nn

from matekd_bench.distill.data.batches import Assembler, to_device
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import DataOrder, PlannedUpdate, schedule, within_budget
from matekd_bench.distill.device import ResolvedPrecision
from matekd_bench.distill.flops import FlopModel, Meter
from matekd_bench.distill.models.masked_lm import MaskedRowsLM
from matekd_bench.distill.models.score_units import ScoreUnits
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.settings import BudgetLimit, Training
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.forward_passes import RunModels, StepScope
from matekd_bench.distill.training.frozen_weights import hold_in_precision
from matekd_bench.distill.training.optimizer import FiniteChecks
from matekd_bench.distill.training.resume import check_saveable, read_weights
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.distill.training.trainer import Trainer
from matekd_bench.methods.class_checks import make_perturbation
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.perturbation import TextPerturbation, wrong_result
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of
from matekd_bench.spelling import kind_in_words
from matekd_bench.tasks.task import Task


@dataclass(frozen=True)
class Job:
    """A network to train: a method with its parameters and a seed, under a study's training settings and budget."""

    variant: str
    method: Method
    params: Params
    seed: int
    training: Training
    budget: BudgetLimit


@dataclass(frozen=True, kw_only=True)
class SessionParts:
    """The data, networks and encoders of a session.

    `student` is the network to train, on `device`. `teacher` is None if nothing is distilled, and for a teacher that
    answered beforehand: then `answer_to` returns its answer to the texts of a perturbed row [C]. `units` are those of
    the scores that a regression's teacher answers; None if it answers standardized ones, as the corpus has.
    `teacher_encoder` is None if teacher and student share a vocabulary. `generator` returns a fresh copy of the study's
    generator at each call; only methods that declare the need for a generator get it. Several `ranks` train the network
    together.
    """

    task: Task
    corpus: Corpus
    student: Any
    teacher: Any | None
    student_encoder: Encoder
    teacher_encoder: Encoder | None
    device: torch.device
    precision: ResolvedPrecision
    generator: Callable[[], nn.Module] | None = None
    ranks: Ranks = ALONE
    units: ScoreUnits | None = None
    answer_to: Callable[[tuple[str, ...]], Tensor] | None = None


class TrainingSession:
    """One network, the method that trains it and everything between them, with one state to save and load.

    The constructor makes the method. :meth:`losses` first passes a text method the texts that it will perturb. It then
    runs the method's warm-up, unless :meth:`load_state_dict` continues a session that had it, and makes the updates.
    :meth:`warm_up` does only the two steps before the updates.

    `context_type` may be a subclass of `RunContext` that records more. `data_order` and `method_init` enter the seeds
    of the order of the rows and of the modules that a method makes; None for a method without modules.

    The constructor seeds torch's global generator, as updates do: call both inside
    :func:`matekd_bench.distill.device.contained_randomness`.
    """

    def __init__(
        self,
        parts: SessionParts,
        job: Job,
        *,
        data_order: str = "data-order",
        method_init: str | None = "method-init",
        context_type: type[RunContext] = RunContext,
    ) -> None:
        self.parts, self.job = parts, job
        _, self.limit = job.budget
        task, objective, optimizer = parts.task, job.training.objective, job.training.optimizer
        self.meter, self.scope = Meter(), StepScope(job.seed, task.name)
        self.meter.register("student", FlopModel(parts.student))
        if parts.teacher is not None:
            self.meter.register("teacher", FlopModel(parts.teacher))
        self.context = context_type(
            task=task, seed=job.seed, device=parts.device, precision=parts.precision, objective=objective,
            student_encoder=parts.student_encoder, teacher_encoder=parts.teacher_encoder, meter=self.meter,
            scope=self.scope, generator=parts.generator if "generator" in job.method.needs else None,
            student=parts.student, answer_to=parts.answer_to,
        )  # fmt: skip
        self.models = RunModels(
            parts.student, parts.teacher, objective=objective, regression=not task.labels,
            precision=parts.precision, scope=self.scope, meter=self.meter, units=parts.units,
        )  # fmt: skip
        if method_init is not None:  # equal initial modules in every run with this seed
            torch.manual_seed(seed_of(job.seed, task.name, method_init))
        self.method = make_perturbation(job.method, job.params, self.context, job.variant)
        for trained in self.context.trained:
            if isinstance(trained.module, MaskedRowsLM) and not trained.is_trainable:
                hold_in_precision(trained.module, parts.precision)
        self._prepared = False
        self.trainer = Trainer(
            name=job.variant, models=self.models, perturbation=self.method, context=self.context,
            optimizer=optimizer, objective=objective, budget=job.budget,
            auxiliary_updates=job.training.auxiliary_updates, ranks=parts.ranks,
        )  # fmt: skip
        self.assembler = Assembler(parts.corpus, job.seed, task.name, self.method.ahead)
        lengths, size = parts.corpus.lengths, optimizer.batch_size
        self._order = DataOrder(lengths, size, job.seed, task.name, data_order)
        self._auxiliary_order = DataOrder(lengths, size, job.seed, task.name, "own-data-order")

    def _prepare_texts(self) -> None:
        """Pass a text method the texts that it will perturb, once."""
        if isinstance(self.method, TextPerturbation) and not self._prepared:
            rows = self._rows_to_read()
            texts = [texts for row, texts in enumerate(self.parts.corpus.texts) if row in rows]
            self.method.prepare([text for row_texts in texts for text in self.method.perturbed(row_texts)])
        self._prepared = True

    def _rows_to_read(self) -> Collection[int]:
        """Return the rows of the student's batches within the budget; all rows under a budget of FLOPs."""
        every, rows = range(len(self.parts.corpus)), set[int]()
        if self.job.budget[0] == "train_flops":
            return every
        for planned in within_budget(
            schedule(self._order, self._auxiliary_order, self.method.cycle), *self.job.budget
        ):
            if planned.phase == "student":
                rows.update(planned.rows)
            if len(rows) == len(every):
                break
        return rows

    def warm_up(self) -> None:
        """Do the work that precedes the first update, once; :meth:`losses` does it too."""
        self._prepare_texts()
        self.trainer.warm_up(self._auxiliary_order, self.assembler)

    def losses(self) -> Generator[SupportsFloat, None, None]:
        """Train to the end of the budget and yield the mean loss per example after each student update.

        Close the generator to stop early. On a GPU, `float` of a loss waits until it is computed, and a loss or
        gradient that is not finite is an error one update later or with ``checks.read()``. A session that was loaded
        continues after the updates that it has finished. Raises PluginError before the first update if the method's
        state cannot be saved.
        """
        self.warm_up()
        self._method_state()
        yield from self.trainer.run(self._order, self._auxiliary_order, self.assembler)

    def _method_state(self) -> dict[str, Any]:
        state: object = self.method.state_dict()
        if not isinstance(state, dict):
            raise wrong_result(self.method.state_dict, kind_in_words(state), "return a dictionary")
        check_saveable(state, self.job.variant)
        return state

    def batch(
        self,
        rows: Sequence[int],
        *,
        update: int = 0,
        epoch: int = 0,
        phase: Literal["student", "own"] = "student",
    ) -> Batch:
        """Make the batch of these rows of the corpus, on the device, for an update outside of :meth:`losses`."""
        return to_device(self.assembler(PlannedUpdate(phase, update, epoch, list(rows))), self.parts.device)

    @property
    def checks(self) -> FiniteChecks:
        """The checks of losses and gradients that may still wait for a GPU: read them before a state is used."""
        return self.trainer.checks

    @property
    def updates(self) -> int:
        """The number of the network's updates so far."""
        return self.trainer.spent.student_updates

    @property
    def spent(self) -> int:
        """The part of the budget that is spent, up to the limit: the last update may overspend."""
        return min(self.trainer.spent_budget, self.limit)

    @property
    def modules(self) -> list[nn.Module]:
        """The modules whose weights a checkpoint holds: the network and the method's own."""
        return [self.parts.student, *(trained.module for trained in self.context.trained)]

    def gather_counts(self) -> None:
        """Move the passes, diagnostics and examples that all processes counted to the leader."""
        ranks, spent = self.parts.ranks, self.trainer.spent
        if ranks.size == 1:
            return
        counts = (self.meter.state_dict(), self.context.totals(), spent.perturbed_examples)
        gathered = ranks.gather(counts)
        if not ranks.leads:
            self._clear_counts()
            return
        for passes, totals, perturbed in gathered[1:]:  # the leader's own come first
            self.meter.absorb(passes)
            self.context.absorb(totals)
            spent.perturbed_examples += perturbed

    def _clear_counts(self) -> None:
        """Set this process's counts to zero, since the leader has them now."""
        self.meter.clear_passes()
        self.context.clear_reports()
        self.trainer.spent.perturbed_examples = 0

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes during the training, except the weights of :attr:`modules`.

        Several processes must all call it: the leader's state holds the counts of all. Raises PluginError if the
        method's state cannot be saved.
        """
        self.gather_counts()
        return {
            "meter": self.meter.state_dict(),
            "trainer": self.trainer.state_dict(),
            "context": self.context.state_dict(),
            "method": self._method_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any], folder: Path) -> None:
        """Continue from a :meth:`state_dict` and the weights that a checkpoint has in `folder`."""
        self._prepare_texts()
        self.context.load_state_dict(state["context"])  # measures the initial embeddings: before the weights
        read_weights(folder, self.modules)
        self.trainer.load_state_dict(state["trainer"])
        self.meter.load_state_dict(state["meter"])
        self.method.load_state_dict(state["method"])
        if not self.parts.ranks.leads:
            self._clear_counts()  # the state holds the counts of all processes; only the leader keeps them

"""The trainer of every student: it trains on the views that a method yields, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, SupportsFloat, TypeAlias

import torch
from torch import Tensor

from matekd_bench.distill.data.batches import Assembler, Prefetch, to_device
from matekd_bench.distill.data.order import DataOrder, PlannedUpdate, schedule, within_budget
from matekd_bench.distill.settings import AuxiliaryUpdates, BudgetLimit, Objective, Optimizer
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.forward_passes import RunModels
from matekd_bench.distill.training.optimizer import FiniteChecks, Later, make_optimizer, step
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.distill.training.view_relay import check_around_views, tensor_versions
from matekd_bench.errors import PluginError
from matekd_bench.foreign_code import foreign_code
from matekd_bench.methods.class_checks import as_joint, views_of_update
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.methods.views import Batch, Joint, Seen, View

# The student's logits [B, C], its soft target [B, C] if it has one, and the losses [B].
Pass: TypeAlias = tuple[Tensor, Tensor | None, Tensor]


@dataclass
class Spent:
    """The numbers of updates and examples that a run has spent so far."""

    student_updates: int = 0
    auxiliary_updates: int = 0
    clean_examples: int = 0
    perturbed_examples: int = 0
    auxiliary_examples: int = 0


class Trainer:
    """A trainer of one student with one method.

    `micro_batch` is the number of rows per forward pass; None: the whole batch. `method` may be replaced by a
    :class:`~matekd_bench.distill.training.view_relay.ViewRelay` of it. If `auxiliary_updates` is "within",
    auxiliary updates spend the budget as the student's updates do. The student's learning rate follows the budget that
    its own updates have spent, in both cases.
    """

    def __init__(
        self,
        *,
        name: str,
        models: RunModels,
        perturbation: Perturbation[Any],
        context: RunContext,
        optimizer: Optimizer,
        objective: Objective,
        budget: BudgetLimit,
        auxiliary_updates: AuxiliaryUpdates = "besides",
        ranks: Ranks = ALONE,
    ) -> None:
        self.spent = Spent()
        self.on_auxiliary_update: Callable[[], None] = lambda: None
        self.micro_batch = ranks.rows_per_pass(optimizer.micro_batch, optimizer.batch_size)
        self._ranks = ranks
        self._name, self._models = name, models
        self.method = perturbation
        self._context, self._settings = context, optimizer
        self._objective = objective
        self._budget = budget
        self._auxiliary_updates = auxiliary_updates
        self._warmed_up = False
        self._optimizer = make_optimizer(models.student, optimizer)
        # In fp16 the scale depends on what is read, and several processes have read the loss to add it up.
        late = context.device.type == "cuda" and not context.loss_scale.enabled and ranks.size == 1
        self.checks = FiniteChecks(late=late)

    @property
    def spent_budget(self) -> int:
        """The part of the budget that is spent, in units of its kind."""
        kind, _ = self._budget
        auxiliary = 0
        # FLOPs need no addition: the meter counts the passes of auxiliary updates too.
        if self._auxiliary_updates == "within" and kind != "train_flops":
            spent = self.spent
            auxiliary = spent.auxiliary_updates if kind == "student_updates" else spent.auxiliary_examples
        return self._spent_by_student + auxiliary

    @property
    def _spent_by_student(self) -> int:
        """The budget spent by the student's updates; under a budget of FLOPs, by all passes of the run."""
        kind, _ = self._budget
        return self._context.meter.flops if kind == "train_flops" else int(getattr(self.spent, kind))

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimizers that the trainer steps: the student's, then those of the method's modules."""
        return [self._optimizer, *(trained.optimizer for trained in self._context.trained)]

    @property
    def progress(self) -> float:
        """The share of the budget that is spent, from 0 to 1 (the last update may overspend it)."""
        return min(1.0, self.spent_budget / self._budget[1])

    def warm_up(self, auxiliary_order: DataOrder, assembler: Assembler) -> None:
        """Let the method warm up before the first update, once; it counts no updates."""
        if not self._warmed_up:
            self._warmed_up = True
            self.method.warm_up(self._warm_up_batches(auxiliary_order, assembler), self._models)
            self._end_auxiliary_update()  # steps what the method learned from the last warm-up batch

    def run(
        self, order: DataOrder, auxiliary_order: DataOrder, assembler: Assembler
    ) -> Generator[SupportsFloat, None, None]:
        """Train to the end of the budget and yield the mean loss per example after each student update.

        Close the generator to stop early. A restored trainer continues after the updates that it has finished, without
        the method's warm-up.
        """
        self.warm_up(auxiliary_order, assembler)
        finished = self.spent.auxiliary_updates + self.spent.student_updates
        updates = schedule(order, auxiliary_order, self.method.cycle)
        planned = islice(within_budget(updates, *self._budget), finished, None)
        with closing(Prefetch(assembler(update) for update in planned)) as batches:
            while self.progress < 1.0:
                loss = self.update(to_device(next(batches), self._context.device))
                if loss is not None:
                    yield loss

    def update(self, batch: Batch) -> SupportsFloat | None:
        """Make one update from a batch, in pieces of `micro_batch` rows.

        Returns the mean loss per example, or None for an auxiliary update.
        """
        self._set_rates(batch)
        size = self.micro_batch or len(batch)
        starts = self._ranks.share(range(0, len(batch), size))
        local_loss: Tensor | float = 0.0
        error: Exception | None = None
        try:
            with foreign_code():
                local_loss = sum(
                    self._train_piece(batch.rows(start, min(start + size, len(batch)))) for start in starts
                )
                if self._ranks.size > 1:  # the others must hear of an error that a GPU reports late
                    local_loss = float(local_loss)
        except Exception as raised:  # other processes wait for this one's gradients, so they must hear of it
            error = raised
        total = self._reduce(batch, local_loss, error)
        self.checks.read()  # of the update before
        if batch.phase == "own":
            self._end_auxiliary_update()
            self.spent.auxiliary_updates += 1
            self.spent.auxiliary_examples += batch.total
            self.on_auxiliary_update()
            return None
        # All gradients are there by now, so the order of the steps changes no number. If the student's gradient is not
        # finite the run ends as diverged, and nothing uses the modules that have been stepped.
        self._step_modules()
        self._step_student(batch, total)
        return (
            Later(total / batch.total)
            if isinstance(total, Tensor) and self.checks.late
            else float(total) / batch.total
        )

    def _reduce(self, batch: Batch, local_loss: Tensor | float, error: Exception | None) -> Tensor | float:
        """Sum losses and gradients over the processes; a module has learned if it learned in any of them."""
        modules = self._context.trained
        student = [self._models.student] if batch.phase == "student" else []
        networks = [*student, *(trained.module for trained in modules)]
        # A generator, not a list: one process alone does not read it, and listing the weights takes a millisecond.
        weights = (weight for network in networks for weight in network.parameters())
        learned = [float(trained.learned) for trained in modules]
        # One process alone leaves its loss unread until the step: reading it here would wait for a GPU.
        known = 0.0 if isinstance(local_loss, Tensor) else local_loss
        total, *learned = self._ranks.reduce(weights, [known, *learned], error)
        for trained, flag in zip(modules, learned, strict=True):
            trained.learned = flag > 0
        return local_loss if isinstance(local_loss, Tensor) else total

    def state_dict(self) -> dict[str, Any]:
        """Return the spent budget and the optimizers of student and modules, for :meth:`load_state_dict`."""
        return {
            "spent": asdict(self.spent),
            "micro_batch": self.micro_batch,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "loss_scale": self._context.loss_scale.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace the state with that of another trainer of the same method; weights are loaded elsewhere."""
        self.spent = Spent(**state["spent"])
        self.micro_batch = state["micro_batch"]
        self._warmed_up = True  # a state is saved after an update, when the warm-up is long over
        self._context.loss_scale.load_state_dict(state["loss_scale"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _warm_up_batches(self, auxiliary_order: DataOrder, assembler: Assembler) -> Iterator[Batch]:
        """Yield auxiliary batches; the method's modules step after each batch, when it asks for the next."""
        for update, (epoch, rows) in enumerate(auxiliary_order):
            batch = to_device(assembler(PlannedUpdate("own", update, epoch, rows)), self._context.device)
            self._context.scope.batch = batch
            yield batch
            self._end_auxiliary_update()

    def _end_auxiliary_update(self) -> None:
        """Step the method's modules and clear the student's gradient: it must not learn from auxiliary passes."""
        self._step_modules()
        self._context.loss_scale.adjust()
        self._optimizer.zero_grad(set_to_none=True)

    def _train_piece(self, piece: Batch) -> Tensor | float:
        """Run forward and backward for every view that the method yields for these rows; return the summed loss."""
        self._context.scope.batch = piece
        total: Tensor | float = 0.0
        versions = tensor_versions(piece)
        with closing(views_of_update(self.method, piece, self._models)) as views:
            item = next(views, None)
            while item is not None:
                check_around_views(self._name, self._context.device, self._models, piece, versions)
                if piece.phase == "own":
                    raise PluginError(
                        f"method '{self._name}' yields a view in an auxiliary phase, where the student does not learn."
                    )
                seen = self._train_views(as_joint(item, self._name), piece, single=isinstance(item, View))
                total = total + seen.loss.sum()
                try:
                    item = views.send(seen)
                except StopIteration:
                    break
        check_around_views(self._name, self._context.device, self._models, piece, versions)
        return total

    def _train_views(self, joint: Joint, piece: Batch, *, single: bool) -> Seen:
        """Run forward and backward for the yielded views and return what the method gets back.

        Without a common term each view runs backward at once, which frees its activations before the next view.
        `single`: the method yielded one view, not a tuple, and gets no tuples back.
        """
        for view in joint.views:
            if view.shift is not None and view.shift.is_leaf:
                view.shift.grad = None  # a shift yielded again holds the gradient of its last pass only
        passes = []
        for view in joint.views:
            view_pass = self._forward(view, piece)
            if joint.term is None:
                view_pass = self._backward(view_pass, piece)
            passes.append(view_pass)
        students, targets, losses = zip(*passes, strict=True)
        loss = torch.stack(losses).sum(dim=0)
        if joint.term is not None:
            loss = loss + joint.term(*students)
            self._context.loss_scale.backward(loss.sum() / piece.total)
        self._unscale_shifts(joint, piece.total)
        students = tuple(logits.detach() for logits in students)
        self._report_diagnostics(joint, piece, students, targets)
        if single:
            return Seen(students[0], targets[0], loss.detach())
        return Seen(students, targets, loss.detach())

    def _forward(self, view: View, piece: Batch) -> Pass:
        """Run the student on a view and compute its losses."""
        logits = self._models.student_logits(view)
        target = self._soft_target(view, piece)
        return logits, target, self._loss(view, logits, target)

    def _backward(self, view_pass: Pass, piece: Batch) -> Pass:
        """Run backward and return the pass without its graph, so that its activations are freed.

        The loss is divided by the examples of the whole update, so that cutting it into pieces changes nothing.
        """
        logits, target, loss = view_pass
        if loss.requires_grad:
            self._context.loss_scale.backward(loss.sum() / piece.total)
        return logits.detach(), target, loss.detach()

    def _soft_target(self, view: View, piece: Batch) -> Tensor | None:
        """Return the soft target [B, C] of a view, without a graph; None if the view has no soft term."""
        if view.teacher is None or view.soft == 0:
            return None
        if isinstance(view.teacher, Tensor):
            return view.teacher.detach()
        if view.teacher == "clean":
            return self._models.clean_logits(piece)
        if view.teacher == "same" and not self._context.one_vocabulary:
            raise PluginError(
                f"method '{self._name}' shows the teacher the student's ids, but the two have different vocabularies: "
                "declare needs={'one-vocabulary'} in its record, or give the view a separate view for the teacher."
            )
        with torch.no_grad():
            logits: Tensor = self._models.teacher_logits(view if view.teacher == "same" else view.teacher)
        return logits

    def _loss(self, view: View, logits: Tensor, target: Tensor | None) -> Tensor:
        """Return ``gold * CE + soft * D`` per example [B]: the study's weights times the view's shares."""
        loss = logits.new_zeros(len(logits))
        if view.gold and view.labels is not None:
            loss = loss + self._objective.gold * view.gold * self._models.gold(logits, view.labels)
        if target is not None:
            loss = loss + self._objective.soft * view.soft * self._models.divergence(logits, target)
        return loss

    def _unscale_shifts(self, joint: Joint, total: int) -> None:
        """Undo the division of the loss by the update's examples in the gradients of shifts, as `View` promises."""
        shifts = {id(view.shift): view.shift for view in joint.views}  # two views may share a shift
        for shift in shifts.values():
            if shift is not None and shift.is_leaf and shift.grad is not None:
                self._context.loss_scale.unscale_shift(shift.grad.mul_(total))

    def _report_diagnostics(
        self, joint: Joint, piece: Batch, students: Sequence[Tensor], teachers: Sequence[Tensor | None]
    ) -> None:
        """Report the diagnostics of every method: divergence on clean and perturbed input, teacher label flips."""
        for view, logits, target in zip(joint.views, students, teachers, strict=True):
            if target is None:
                changed = view.ids is not piece.ids or view.embed is not None or view.shift is not None
                self.spent.perturbed_examples += len(logits) if changed else 0
                continue
            relabeled = isinstance(view.teacher, Tensor) or view.teacher != "clean"
            clean = not relabeled and view.ids is piece.ids and view.embed is None and view.shift is None
            distance = self._models.distance(logits, target).sum()
            self._context.report(f"divergence_{'clean' if clean else 'perturbed'}", distance, len(target))
            if clean:
                continue
            self.spent.perturbed_examples += len(target)
            if not self._models.regression and relabeled:
                # The student's batches have the clean logits cached: this costs no pass in an update of the student.
                flips = target.argmax(-1) != self._models.clean_logits(piece).argmax(-1)
                self._context.report("teacher_flip_rate", flips.sum(), len(target))

    def _set_rates(self, batch: Batch) -> None:
        """Set the learning rates of the student and of the method's modules for this update."""
        factor = self._settings.factor(self._progress_at_middle(batch), self._budget)
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.lr * factor
        # A module's schedule is given the share of the budget spent before the update, as `Context.prepare` says.
        for trained in self._context.trained:
            trained.set_rate(self.progress)

    def _progress_at_middle(self, batch: Batch) -> float:
        """Return the progress in the middle of this update, so that neither the first nor the last rate is zero."""
        kind, limit = self._budget
        if kind == "train_flops":
            # The update costs at least one pass of the student; the method's share is not known yet.
            cost: float = self._context.meter.cost("student", "train", *batch.ids.shape)
        else:
            cost = 1 if kind == "student_updates" else batch.total
        return min(1.0, min(1.0, self._spent_by_student / limit) + cost / 2 / limit)

    def _step_student(self, batch: Batch, total: Tensor | float) -> None:
        """Step the student and count the update; `total` is the loss summed over the examples."""
        step(
            self._models.student, self._optimizer, self._settings.clip,
            update=self.spent.student_updates + 1, whose="the student", loss=total, scale=self._context.loss_scale,
            checks=self.checks,
        )  # fmt: skip
        self._context.loss_scale.adjust()
        self.spent.student_updates += 1
        self.spent.clean_examples += batch.total
        self._context.meter.real_tokens += sum(batch.lengths)
        self._context.meter.padded_tokens += batch.ids.numel()

    def _step_modules(self) -> None:
        """Step the modules that learned in this update, and clear the gradients of all modules."""
        self._context.scope.batch = None  # no passes of this update follow
        for trained in self._context.trained:
            if trained.learned:
                step(
                    trained.module, trained.optimizer, trained.clip, update=self.spent.student_updates + 1,
                    whose=f"the module '{trained.name}'", scale=self._context.loss_scale, checks=self.checks,
                )  # fmt: skip
            trained.optimizer.zero_grad(set_to_none=True)
            trained.learned = False

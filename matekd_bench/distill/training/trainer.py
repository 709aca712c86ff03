"""The one trainer: it runs what a method yields, and owns the loop, the losses, the optimizer and the schedule."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, TypeAlias

import torch
from torch import Tensor

from matekd_bench.distill.data.batches import Assembler, Prefetch, to_device
from matekd_bench.distill.data.order import DataOrder, PlannedUpdate, schedule
from matekd_bench.distill.settings import AuxiliaryUpdates, BudgetLimit, Objective, Optimizer
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.forward_passes import RunModels
from matekd_bench.distill.training.optimizer import make_optimizer, step
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.errors import PluginError
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.methods.views import Batch, Joint, Seen, View

Progress: TypeAlias = Callable[[int, int, float | None], None]  # updates done, their number, the loss
Pass: TypeAlias = tuple[
    Tensor, Tensor | None, Tensor
]  # the student's logits, its soft target, the losses [B]


@dataclass
class Spent:
    """What a run has spent so far, in the currencies a budget can name."""

    student_updates: int = 0
    auxiliary_updates: int = 0
    clean_examples: int = 0
    perturbed_examples: int = 0
    auxiliary_examples: int = 0


class Trainer:
    """Trains a student with one method until the budget is spent.

    `micro_batch` is the number of rows that go through a forward pass at a time, None: the whole batch. Where
    `auxiliary_updates` are "within" the budget, they spend it as the student's do; its rate then moves with its own
    alone.
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
        self.micro_batch = ranks.rows_per_pass(optimizer.micro_batch, optimizer.batch_size)
        self._ranks = ranks
        self._name = name
        self._models = models
        self._method = perturbation
        self._context = context
        self._settings = optimizer
        self._objective = objective
        self._budget = budget
        self._auxiliary_updates = auxiliary_updates
        self._optimizer = make_optimizer(models.student, optimizer)

    @property
    def spent_budget(self) -> int:
        """What of the budget is spent, in units of its kind."""
        kind, _ = self._budget
        own = 0
        if (
            self._auxiliary_updates == "within" and kind != "train_flops"
        ):  # there the method's passes count anyway
            own = self.spent.auxiliary_updates if kind == "student_updates" else self.spent.auxiliary_examples
        return self._spent_by_student + own

    @property
    def _spent_by_student(self) -> int:
        kind, _ = self._budget
        return self._context.meter.flops if kind == "train_flops" else int(getattr(self.spent, kind))

    @property
    def progress(self) -> float:
        """The share of the budget that is spent, from 0 to 1."""
        return min(1.0, self.spent_budget / self._budget[1])

    def run(self, order: DataOrder, own: DataOrder, assembler: Assembler) -> Generator[float, None, None]:
        """Trains; yields the loss per example after each student update. Close it to stop early.

        A trainer that was restored goes on behind the updates that were done; its method is warm by then.
        """
        done = self.spent.auxiliary_updates + self.spent.student_updates
        if not done:
            self._method.warm_up(self._warm_up_batches(own, assembler), self._models)
            self._end_auxiliary_update()
        planned = islice(schedule(order, own, self._method.cycle), done, None)
        with closing(Prefetch(assembler(item) for item in planned)) as batches:
            while self.progress < 1.0:
                loss = self.update(to_device(next(batches), self._context.device))
                if loss is not None:
                    yield loss

    def update(self, batch: Batch) -> float | None:
        """One update from one batch, in pieces if they are asked for: the mean loss, None in an auxiliary phase."""
        self._set_rates(batch)
        size = self.micro_batch or len(batch)
        starts = self._ranks.mine(range(0, len(batch), size))
        pieces, error = 0.0, None
        try:
            pieces = float(
                sum(self._piece(batch.rows(start, min(start + size, len(batch)))) for start in starts)
            )
        except Exception as raised:  # other processes wait for this one's gradients: they are told
            error = raised
        total = self._reduced(batch, pieces, error)
        if batch.phase == "own":
            self._end_auxiliary_update()
            self.spent.auxiliary_updates += 1
            self.spent.auxiliary_examples += batch.total
            return None
        loss = total / batch.total
        self._step_modules()
        self._step_student(batch, loss)
        return loss

    def _reduced(self, batch: Batch, total: float, error: Exception | None) -> float:
        """The summed loss of all processes; their gradients are summed, and so is which modules learned."""
        own = self._context.trained
        student = [self._models.student] if batch.phase == "student" else []
        weights = [
            weight for module in (*student, *(one.module for one in own)) for weight in module.parameters()
        ]
        total, *learned = self._ranks.reduce(weights, [total, *(float(one.learned) for one in own)], error)
        for one, flag in zip(own, learned, strict=True):
            one.learned = flag > 0
        return total

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` takes: what was spent, and the optimizers of student and method."""
        optimizers = [self._optimizer, *(trained.optimizer for trained in self._context.trained)]
        return {
            "spent": asdict(self.spent),
            "micro_batch": self.micro_batch,
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where another trainer of the same method was; the weights are not its business."""
        self.spent = Spent(**state["spent"])
        self.micro_batch = state["micro_batch"]
        optimizers = [self._optimizer, *(trained.optimizer for trained in self._context.trained)]
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _warm_up_batches(self, own: DataOrder, assembler: Assembler) -> Iterator[Batch]:
        """The method's own stream of batches; what it learned from one is stepped when it asks for the next."""
        for update, (epoch, rows) in enumerate(own):
            batch = to_device(assembler(PlannedUpdate("own", update, epoch, rows)), self._context.device)
            self._context.moment.batch = batch
            yield batch
            self._end_auxiliary_update()

    def _end_auxiliary_update(self) -> None:
        """Steps the method's modules; the student must not learn from what passed through it."""
        self._step_modules()
        self._optimizer.zero_grad(set_to_none=True)

    def _piece(self, piece: Batch) -> Tensor | float:
        """Forward and backward of every view a method yields for these rows: the summed loss."""
        self._context.moment.batch = piece
        total: Tensor | float = 0.0
        with closing(self._method.views(piece, self._models)) as views:
            item = next(views, None)
            while item is not None:
                self._check_modes()
                if piece.phase == "own":
                    raise PluginError(
                        f"method '{self._name}' yields a view in an auxiliary phase, where the student does not learn."
                    )
                seen = self._learn(self._joint(item), piece, single=isinstance(item, View))
                total = total + seen.loss.sum()
                try:
                    item = views.send(seen)
                except StopIteration:
                    break
        self._check_modes()
        return total

    def _check_modes(self) -> None:
        """A generator suspended inside a context manager leaks it into the trainer: say so instead of training on."""
        leaks = {
            "torch.inference_mode()": torch.is_inference_mode_enabled(),  # before no_grad, which it implies
            "torch.no_grad()": not torch.is_grad_enabled(),
            "autocast()": torch.is_autocast_enabled(self._context.device.type),
            "frozen_student()": self._models.frozen,
        }
        for manager, leaked in leaks.items():
            if leaked:
                torch.set_grad_enabled(True)  # also where the method never meant to set it back
                raise PluginError(
                    f"method '{self._name}' yields a view inside `with {manager}`: leave the block before the yield."
                )

    def _joint(self, item: View | tuple[View, ...] | Joint) -> Joint:
        """What was yielded as one objective; PluginError for anything else, since methods are written by anyone."""
        joint = item if isinstance(item, Joint) else Joint(item if isinstance(item, tuple) else (item,))
        for view in joint.views:
            if not isinstance(view, View):
                raise PluginError(
                    f"method '{self._name}' yields a {type(view).__name__}: "
                    "yield a View, a tuple of views or a Joint."
                )
        return joint

    def _learn(self, joint: Joint, piece: Batch, *, single: bool) -> Seen:
        """Forward and backward of what was yielded; views without a common term go backward one by one."""
        for view in joint.views:
            if view.shift is not None and view.shift.is_leaf:
                view.shift.grad = None
        passes = []
        for view in joint.views:
            done = self._forward(view, piece)
            if joint.term is None:
                done = self._backward(done, piece)
            passes.append(done)
        students, targets, losses = zip(*passes, strict=True)
        loss = torch.stack(losses).sum(dim=0)
        if joint.term is not None:
            loss = loss + joint.term(*students)
            (loss.sum() / piece.total).backward()
        self._unscale_shifts(joint, piece.total)
        students = tuple(logits.detach() for logits in students)
        self._observe(joint, piece, students, targets)
        if single:
            return Seen(students[0], targets[0], loss.detach())
        return Seen(students, targets, loss.detach())

    def _forward(self, view: View, piece: Batch) -> Pass:
        logits = self._models.student_logits(view)
        target = self._target(view, piece)
        return logits, target, self._loss(view, logits, target)

    @staticmethod
    def _backward(done: Pass, piece: Batch) -> Pass:
        """The pass without its graph, whose activations are free again."""
        logits, target, loss = done
        if loss.requires_grad:
            (loss.sum() / piece.total).backward()
        return logits.detach(), target, loss.detach()

    def _target(self, view: View, piece: Batch) -> Tensor | None:
        """The teacher's logits for a view, without a graph; None where it has no soft term."""
        if view.teacher is None or view.soft == 0:
            return None
        if isinstance(view.teacher, Tensor):
            return view.teacher.detach()
        if view.teacher == "clean":
            return self._models.clean_logits(piece)
        if view.teacher == "same" and not self._context.one_vocabulary:
            raise PluginError(
                f"method '{self._name}' shows the teacher the student's ids, but the two have different vocabularies: "
                "declare needs={'one-vocabulary'} in its record, or give the view a teacher's view."
            )
        with torch.no_grad():
            logits: Tensor = self._models.teacher_logits(view if view.teacher == "same" else view.teacher)
        return logits

    def _loss(self, view: View, logits: Tensor, target: Tensor | None) -> Tensor:
        """(gold share * CE + soft share * D) per example [B], under the study's weights."""
        loss = logits.new_zeros(len(logits))
        if view.gold and view.labels is not None:
            loss = loss + self._objective.gold * view.gold * self._models.gold(logits, view.labels)
        if target is not None:
            loss = loss + self._objective.soft * view.soft * self._models.divergence(logits, target)
        return loss

    @staticmethod
    def _unscale_shifts(joint: Joint, total: int) -> None:
        shifts = {id(view.shift): view.shift for view in joint.views}  # two views may share one
        for shift in shifts.values():
            if shift is not None and shift.is_leaf and shift.grad is not None:
                shift.grad.mul_(total)

    def _observe(
        self, joint: Joint, piece: Batch, students: Sequence[Tensor], teachers: Sequence[Tensor | None]
    ) -> None:
        """Diagnostics every method reports: divergence on clean and perturbed input, teacher label flips."""
        for view, logits, target in zip(joint.views, students, teachers, strict=True):
            if target is None:
                changed = view.ids is not piece.ids or view.embed is not None or view.shift is not None
                self.spent.perturbed_examples += len(logits) if changed else 0
                continue
            relabeled = isinstance(view.teacher, Tensor) or view.teacher != "clean"
            clean = not relabeled and view.ids is piece.ids and view.embed is None and view.shift is None
            rows = len(target)
            kind = "clean" if clean else "perturbed"
            self._context.report(f"divergence_{kind}", self._models.distance(logits, target).sum(), rows)
            if clean:
                continue
            self.spent.perturbed_examples += rows
            if not self._models.regression and relabeled:
                flips = target.argmax(-1) != self._models.clean_logits(piece).argmax(-1)
                self._context.report("teacher_flip_rate", flips.sum(), rows)

    def _set_rates(self, batch: Batch) -> None:
        factor = self._settings.factor(self._middle(batch), self._budget)
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.lr * factor
        for trained in self._context.trained:
            trained.set_rate(self.progress)

    def _middle(self, batch: Batch) -> float:
        """Progress in the middle of this update, so that neither the first nor the last rate is zero."""
        kind, limit = self._budget
        if (
            kind == "train_flops"
        ):  # at least a pass of the student; what else a method spends is not known yet
            cost: float = self._context.meter.cost("student", "train", *batch.ids.shape)
        else:
            cost = 1 if kind == "student_updates" else batch.total
        return min(1.0, min(1.0, self._spent_by_student / limit) + cost / 2 / limit)

    def _step_student(self, batch: Batch, loss: float) -> None:
        step(
            self._models.student, self._optimizer, self._settings.clip,
            update=self.spent.student_updates, whose="the student", loss=loss,
        )  # fmt: skip
        self.spent.student_updates += 1
        self.spent.clean_examples += batch.total
        self._context.meter.real_tokens += sum(batch.lengths)
        self._context.meter.padded_tokens += batch.ids.numel()

    def _step_modules(self) -> None:
        """Steps the modules that learned in this update and clears what merely passed through the others."""
        self._context.moment.batch = None
        for trained in self._context.trained:
            if trained.learned:
                step(
                    trained.module, trained.optimizer, trained.clip,
                    update=self.spent.student_updates, whose=f"the module '{trained.name}'",
                )  # fmt: skip
            trained.optimizer.zero_grad(set_to_none=True)
            trained.learned = False

"""The settings a run is made of, as validated, frozen models that presets and configs fill in."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

BudgetKind = Literal["student_updates", "clean_examples", "train_flops"]
Precision = Literal["auto", "float32", "bf16"]
AuxiliaryUpdates = Literal["besides", "within"]
BudgetLimit: TypeAlias = tuple[BudgetKind, int]  # what a run may spend of which kind


class Settings(BaseModel):
    """Base of all settings: frozen, unknown names are errors, docstrings below a field describe it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _later(default: Any, **rules: Any) -> Any:
    """A field that is younger than the first records: identities leave it out where it says what always was."""
    return Field(default=default, exclude_if=lambda value: value == default, **rules)


class Objective(Settings):
    """The loss every method spends: `gold` on the labels and `soft` on the teacher, per example."""

    gold: float = Field(default=1 / 3, ge=0)
    """Weight of the loss on gold labels."""
    soft: float = Field(default=2 / 3, ge=0)
    """Weight of the divergence from the teacher, shared by all views."""
    temperature: float = Field(default=1.0, gt=0)
    """Softmax temperature of teacher and student; the divergence is multiplied by its square."""
    divergence: Literal["kl", "cross-entropy"] = _later("kl")
    """What the soft term is, for classes: cross-entropy is KL plus the teacher's entropy. Scores: squared error."""

    @model_validator(mode="after")
    def _something(self) -> Objective:
        if self.gold == 0 and self.soft == 0:
            raise ValueError("the weights gold and soft can't both be zero")
        return self


class Optimizer(Settings):
    """Adam with linear warm-up and linear decay to zero at the end of the budget."""

    lr: float = Field(gt=0)
    """Peak learning rate."""
    batch_size: int = Field(default=32, ge=1)
    """Examples per update."""
    micro_batch: int | None = Field(default=None, ge=1)
    """Rows per forward pass; None: the whole batch. Changes memory, not the update."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the budget over which the rate rises."""
    weight_decay: float = Field(default=0.01, ge=0)
    """On matrices only; decoupled from the gradient in AdamW, part of it in Adam."""
    clip: float | None = Field(default=1.0, gt=0)
    """Bound on the gradient's norm; None: no bound."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    eps: float = Field(default=1e-8, gt=0)
    algorithm: Literal["adamw", "adam"] = _later("adamw")
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), or Adam (Kingma and Ba 2015)."""
    warmup_updates: int | None = _later(None, ge=0)
    """Updates over which the rate rises, in place of the share `warmup`; it may outlast the budget."""

    def factor(self, progress: float, allowance: BudgetLimit) -> float:
        """What the peak rate is multiplied by after a share `progress` in [0, 1] of what a run may spend."""
        rising = self.warmup
        if self.warmup_updates is not None:
            kind, limit = allowance
            rising = self.warmup_updates * (self.batch_size if kind == "clean_examples" else 1) / limit
        if progress < rising:
            return progress / rising
        return max(0.0, (1.0 - progress) / (1.0 - rising)) if rising < 1.0 else 1.0


class Budget(Settings):
    """How much a run may spend: a kind and a limit, given outright, per task or in epochs."""

    kind: BudgetKind = "student_updates"
    """What is counted."""
    limit: int | None = Field(default=None, ge=1)
    """The same limit for every task not named in `tasks`."""
    tasks: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Limits of single tasks."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the training rows, where no limit is given."""
    max_epochs: float | None = Field(default=None, gt=0)
    """A cap on the passes over the training rows, so that a limited training set gets a shorter run."""

    @model_validator(mode="after")
    def _one_rule(self) -> Budget:
        if self.limit is None and self.epochs is None and not self.tasks:
            raise ValueError("a budget needs a limit, limits for tasks, or epochs")
        if (self.epochs or self.max_epochs) and self.kind == "train_flops" and self.limit is None:
            raise ValueError("a budget of train_flops needs a limit")
        return self

    def resolve(self, task: str, examples: int, batch_size: int) -> int:
        """The limit for `task` with so many training examples, in units of `kind`.

        Raises ValueError where neither the task nor a general rule gives one.
        """
        per_epoch = examples if self.kind == "clean_examples" else math.ceil(examples / batch_size)
        limit = self.tasks.get(task, self.limit)
        if limit is None:
            if self.epochs is None:
                raise ValueError(f"the budget names no limit for task '{task}'")
            limit = math.ceil(self.epochs * per_epoch)
        if self.max_epochs is not None and self.kind != "train_flops":
            limit = min(limit, math.ceil(self.max_epochs * per_epoch))
        return max(1, limit)


def check_warm_up(optimizer: Optimizer, kind: BudgetKind) -> None:
    """Raises ValueError for a warm-up in updates under a budget that does not say how many there will be."""
    if optimizer.warmup_updates is not None and kind == "train_flops":
        raise ValueError("warmup_updates needs a budget in student_updates or clean_examples")


class TeacherSettings(Settings):
    """The teacher: which checkpoint, and how it is fine-tuned where it is not yet."""

    checkpoint: str
    """Hub id, folder or `package:NAME/FOLDER`; `{task}` in it stands for the task's name."""
    revision: str | None = None
    """Hub revision (a commit)."""
    optimizer: Optimizer = Optimizer(lr=5e-5)
    budget: Budget = Budget(epochs=3)

    @model_validator(mode="after")
    def _known_warm_up(self) -> TeacherSettings:
        check_warm_up(self.optimizer, self.budget.kind)
        return self


class StudentSettings(Settings):
    """The student: a checkpoint of its own, or some layers of the teacher's pretrained one."""

    checkpoint: str
    """Hub id, folder, `package:NAME/FOLDER`, `layers:0,1,3,5`, or `layers:3` for the first three."""
    revision: str | None = None


class GeneratorSettings(Settings):
    """The masked language model that some methods write text with, and its warm-up where its head is untrained."""

    checkpoint: str
    """As for the student; `layers:...` are layers of the teacher's pretrained checkpoint."""
    revision: str | None = None
    mask_rate: float = Field(default=0.3, gt=0, lt=1)
    """Share of tokens masked in the warm-up."""
    optimizer: Optimizer = Optimizer(lr=5e-4)
    budget: Budget = Budget(limit=200)
    """Length of the warm-up in updates, for generators whose head came untrained."""

    @model_validator(mode="after")
    def _in_updates(self) -> GeneratorSettings:
        if self.budget.kind != "student_updates":
            raise ValueError("a generator's warm-up is given in updates: leave its budget's kind out")
        return self


class Training(Settings):
    """Everything about a student's training that is the same for all methods of a study."""

    optimizer: Optimizer
    objective: Objective = Objective()
    evaluations: int = Field(default=10, ge=1)
    """Evaluations on the dev set, equally spaced in the budget."""
    max_length: int = Field(default=128, ge=8)
    """Tokens per example, special tokens included; what is longer is cut."""
    precision: Precision = "auto"
    """bf16 autocast or float32; auto: bf16 where the hardware has it."""
    eval_batch_size: int = Field(default=64, ge=1)
    """Rows per forward pass in evaluation."""
    auxiliary_updates: AuxiliaryUpdates = _later("besides")
    """Whether a method's auxiliary updates come on top of the budget or use it up."""

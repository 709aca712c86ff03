"""The settings of a run, as validated and frozen models that presets and config files fill in."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from matekd_bench.files.checked_model import CheckedModel

BudgetKind = Literal["student_updates", "clean_examples", "train_flops"]
Precision = Literal["auto", "float32", "bf16", "fp16"]
AuxiliaryUpdates = Literal["besides", "within"]
BudgetLimit: TypeAlias = tuple[
    BudgetKind, int
]  # the unit that the budget counts, and how many of it a run may spend


# With larger values a study would never end, or fail on conversion to float; no sensible setting comes close.
MOST_ROWS = 10**9  # rows of data or of a batch
MOST_UNITS = 10**30  # of a budget: floating-point operations are the largest
MOST_TOKENS = 10**6  # of an example
MOST_EVALUATIONS = 10_000


class Settings(CheckedModel):
    """The base class of all settings."""


def _added_field(default: Any, **rules: Any) -> Any:
    """Make a field that was added after the first records were written.

    It is left out of a dump when it has its default, so that the identities of older records stay the same.
    """
    return Field(default=default, exclude_if=lambda value: value == default, **rules)


class Objective(Settings):
    """The loss of every method, per example: ``gold * CE(labels) + soft * D(teacher)``."""

    gold: float = Field(default=1 / 3, ge=0)
    """Weight of the loss on gold labels."""
    soft: float = Field(default=2 / 3, ge=0)
    """Weight of the divergence from the teacher, shared by all views."""
    temperature: float = Field(default=1.0, gt=0)
    """Softmax temperature of teacher and student; the divergence is multiplied by its square."""
    divergence: Literal["kl", "cross-entropy"] = _added_field("kl")
    """Form of the soft term for classes: cross-entropy is KL plus the teacher's entropy. Regression: squared error."""

    @model_validator(mode="after")
    def _check_weights(self) -> Objective:
        if self.gold == 0 and self.soft == 0:
            raise ValueError("the weights gold and soft can't both be zero")
        return self


class Optimizer(Settings):
    """Adam with linear warm-up and linear decay to zero at the end of the budget."""

    lr: float = Field(gt=0)
    """Peak learning rate."""
    batch_size: int = Field(default=32, ge=1, le=MOST_ROWS)
    """Examples per update."""
    micro_batch: int | None = Field(default=None, ge=1, le=MOST_ROWS)
    """Rows per forward pass; None: the whole batch. It affects memory, not the update."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the budget over which the learning rate rises."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Weight decay of matrices; biases and layer norms have none. Decoupled in AdamW, added to the gradient in Adam."""
    clip: float | None = Field(default=1.0, gt=0)
    """Largest norm of the gradient; None: no limit."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Adam's decay rate of the mean gradient."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Adam's decay rate of the mean squared gradient."""
    eps: float = Field(default=1e-8, gt=0)
    """Adam's constant that keeps the denominator from zero."""
    algorithm: Literal["adamw", "adam"] = _added_field("adamw")
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), or Adam (Kingma and Ba 2015)."""
    warmup_updates: int | None = _added_field(None, ge=0, le=MOST_UNITS)
    """Updates over which the learning rate rises, instead of the share `warmup`; may be longer than the budget."""

    def factor(self, progress: float, budget: BudgetLimit) -> float:
        """Return the factor on the peak learning rate after a share `progress` in [0, 1] of the budget."""
        rising = self.warmup
        if self.warmup_updates is not None:
            kind, limit = budget
            rising = self.warmup_updates * (self.batch_size if kind == "clean_examples" else 1) / limit
        if progress < rising:
            return progress / rising
        # A warm-up as long as the budget (or longer) leaves nothing to decay over.
        return max(0.0, (1.0 - progress) / (1.0 - rising)) if rising < 1.0 else 1.0


class Budget(Settings):
    """How much a run may spend: a unit (`kind`) and a limit for all tasks, per task or in epochs."""

    kind: BudgetKind = "student_updates"
    """Unit of the budget: student updates, clean training examples, or floating-point operations of training."""
    limit: int | None = Field(default=None, ge=1, le=MOST_UNITS)
    """Limit for every task that `tasks` does not name."""
    tasks: dict[str, Annotated[int, Field(ge=1, le=MOST_UNITS)]] = Field(default_factory=dict)
    """Limits of individual tasks, by name."""
    epochs: float | None = Field(default=None, gt=0, le=MOST_ROWS)
    """Passes over the training rows, for tasks without a limit."""
    max_epochs: float | None = Field(default=None, gt=0, le=MOST_ROWS)
    """Upper bound on the passes over the training rows, so that a small training set gets a shorter run."""

    @model_validator(mode="after")
    def _check_limits(self) -> Budget:
        if self.limit is None and self.epochs is None and not self.tasks:
            raise ValueError("a budget needs a limit, limits for tasks, or epochs")
        if self.kind == "train_flops" and (self.epochs or self.max_epochs):
            raise ValueError("a budget of train_flops needs limits: leave out epochs and max_epochs")
        return self

    def resolve(self, task: str, examples: int, batch_size: int) -> int:
        """Return the limit for `task`, in units of `kind`, given its number of training examples.

        Raises ValueError if there is neither a limit for the task nor a general one.
        """
        per_epoch = examples if self.kind == "clean_examples" else math.ceil(examples / batch_size)
        limit = self.tasks.get(task, self.limit)
        if limit is None:
            if self.epochs is None:
                raise ValueError(f"the budget names no limit for task '{task}'")
            limit = math.ceil(self.epochs * per_epoch)
        if self.max_epochs is not None:
            limit = min(limit, math.ceil(self.max_epochs * per_epoch))
        return max(1, limit)


def check_warm_up(optimizer: Optimizer, kind: BudgetKind) -> None:
    """Raise ValueError for a warm-up in updates under a budget that does not determine their number."""
    if optimizer.warmup_updates is not None and kind == "train_flops":
        raise ValueError("warmup_updates needs a budget in student_updates or clean_examples")


class TeacherSettings(Settings):
    """The teacher's checkpoint, and how it is fine-tuned if it is not fine-tuned yet."""

    checkpoint: str
    """Hub id, folder or `package:NAME/FOLDER`; `{task}` is replaced by the task's name."""
    revision: str | None = None
    """Hub revision (a commit)."""
    optimizer: Optimizer = Optimizer(lr=5e-5)
    """Optimizer of the fine-tuning."""
    budget: Budget = Budget(epochs=3)
    """Length of the fine-tuning."""
    fine_tune: bool = False
    """Fine-tune a checkpoint even if it is already a classifier, e.g. of another task."""

    def reference_for(self, task: str) -> str:
        """Return the name of the checkpoint for one task."""
        return self.checkpoint.replace("{task}", task)

    def as_recipe(self) -> dict[str, Any]:
        """Return the settings that enter identities: all but `checkpoint`, `revision` and `fine_tune`."""
        return self.model_dump(mode="json", exclude={"checkpoint", "revision", "fine_tune"})

    @model_validator(mode="after")
    def _check_optimizer_warm_up(self) -> TeacherSettings:
        check_warm_up(self.optimizer, self.budget.kind)
        return self


class StudentSettings(Settings):
    """The student's checkpoint: one of its own, or some layers of the teacher's pretrained checkpoint."""

    checkpoint: str
    """Hub id, folder, `package:NAME/FOLDER`, `layers:0,1,3,5`, or `layers:3` for the first three."""
    revision: str | None = None
    """Hub revision (a commit)."""
    start: Literal["checkpoint", "teacher"] = "checkpoint"
    """`teacher`: the student starts from layers and head of the fine-tuned teacher; its checkpoint is `layers:...`."""

    @model_validator(mode="after")
    def _check_start(self) -> StudentSettings:
        if self.start == "teacher" and not self.checkpoint.startswith("layers:"):
            raise ValueError(
                f"start = 'teacher' needs a checkpoint of the form layers:..., not '{self.checkpoint}'"
            )
        return self


class GeneratorSettings(Settings):
    """The masked language model that some methods write text with, and its warm-up if its head is untrained."""

    checkpoint: str
    """Same forms as for the student; `layers:...` takes layers of the teacher's pretrained checkpoint."""
    revision: str | None = None
    """Hub revision (a commit)."""
    tasks: str | None = _added_field(None)
    """Tasks and suites whose training texts the warm-up reads, separated by commas; None: the task of the run."""
    mask_rate: float = Field(default=0.3, gt=0, lt=1)
    """Share of tokens that the warm-up masks."""
    optimizer: Optimizer = Optimizer(lr=5e-4)
    """Optimizer of the warm-up."""
    budget: Budget = Budget(limit=200)
    """Length of the warm-up in updates, for generators whose checkpoint has no trained head."""

    @model_validator(mode="after")
    def _check_warm_up(self) -> GeneratorSettings:
        if self.budget.kind != "student_updates":
            raise ValueError("a generator's warm-up is measured in updates: leave out the kind of its budget")
        if self.optimizer.micro_batch is not None:
            raise ValueError(
                "a generator's warm-up passes whole batches: leave out micro_batch of its optimizer"
            )
        return self


class Training(Settings):
    """The settings of a student's training that are the same for all methods of a study."""

    optimizer: Optimizer
    """Optimizer of the student."""
    objective: Objective = Objective()
    """Weights, temperature and form of the loss."""
    evaluations: int = Field(default=10, ge=1, le=MOST_EVALUATIONS)
    """Evaluations on the dev set, equally spaced in the budget."""
    max_length: int = Field(default=128, ge=8, le=MOST_TOKENS)
    """Tokens per example, special tokens included; longer texts are truncated."""
    precision: Precision = "auto"
    """float32, or autocast to bf16 or fp16; auto: the one in which the hardware multiplies matrices fastest."""
    eval_batch_size: int = Field(default=64, ge=1, le=MOST_ROWS)
    """Rows per forward pass in evaluation."""
    auxiliary_updates: AuxiliaryUpdates = _added_field("besides")
    """Auxiliary updates of a method are added to the budget ("besides") or spend it too ("within")."""

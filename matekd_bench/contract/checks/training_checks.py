"""The last check: a short real run on mini-GLUE, from initial weights to the last evaluation."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from matekd_bench.contract import toys
from matekd_bench.contract.bench import CPU, SEED, Make
from matekd_bench.contract.registry import CheckFailedError, CheckSkippedError, contract_check
from matekd_bench.contract.subject import Subject
from matekd_bench.distill.artifacts.generator import Generator
from matekd_bench.distill.artifacts.task_assets import Recipe, TaskAssets
from matekd_bench.distill.artifacts.teacher import Teacher
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.models.networks import load_classifier
from matekd_bench.distill.settings import GeneratorSettings, Optimizer, TeacherSettings, Training
from matekd_bench.distill.student_run import Job, train
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.plugins.host import Host
from matekd_bench.tasks.sources import Embedded, load_task

TASK = "mini-rte"  # pairs, so that both segments are perturbed
UPDATES = 6  # one epoch of 48 rows in batches of 8


class TrialAssets(TaskAssets):
    """Assets with a random teacher and generator, which are neither trained nor written to the user's cache."""

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher, not fine-tuned: its logits serve as soft labels like any others."""
        model = load_classifier(toys.source(), self.task.outputs, self.task.labels, 2)
        return Teacher(model.requires_grad_(False), toys.checkpoint(), given=True)

    def _teacher_logits(self, corpus: Corpus) -> Tensor:
        """The teacher's logits on the training rows, which are not cached."""
        return predict(self.teacher.model, corpus.encoded, corpus.pad)

    @cached_property
    def generator(self) -> Generator:
        """A masked language model with a random head."""
        return Generator(toys.masked_lm(), None)


@contract_check("mini-glue", f"a run of {UPDATES} updates on {TASK} ends with a score")
def mini_glue(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if the run diverges, stops early, or has no cost."""
    host = Host.load(only_builtin=True)  # the task comes with the suite; other plugins are not needed
    if TASK not in host.tasks:
        raise CheckSkippedError(f"this installation has no task {TASK}")
    data = load_task(host.task(TASK).record, Embedded(), limit_train=48, limit_eval=24)
    optimizer = Optimizer(lr=1e-3, batch_size=8)
    recipe = Recipe(
        teacher=toys.checkpoint(), teacher_settings=TeacherSettings(checkpoint=""), student=toys.source((0,)),
        generator=toys.source(), generator_settings=GeneratorSettings(checkpoint=""), max_length=toys.MAX_LENGTH,
        device=CPU, precision="float32",
    )  # fmt: skip
    job = Job(
        variant=subject.name, method=subject.record, params=subject.params, seed=SEED,
        training=Training(optimizer=optimizer, evaluations=2), budget=("student_updates", UPDATES),
    )  # fmt: skip
    outcome = train(job, TrialAssets(data, recipe))
    if outcome.status == "diverged":
        raise CheckFailedError(
            f"The run diverged: {outcome.reason}.", "Bound the perturbation, or make its steps smaller."
        )
    if outcome.meter.flops <= 0 or outcome.spent.student_updates != UPDATES or len(outcome.evaluations) != 2:
        raise CheckFailedError(
            f"The run ended after {outcome.spent.student_updates} of {UPDATES} updates and "
            f"{len(outcome.evaluations)} of 2 evaluations.",
            "A method must not stop the trainer.",
        )

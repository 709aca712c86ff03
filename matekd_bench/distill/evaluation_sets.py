"""The sets that students are scored on at the end of a run, besides dev: their rows, and the answers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.artifacts.teacher import CleanLogits
from matekd_bench.distill.data.batches import text_row
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.flops import Meter
from matekd_bench.distill.models.score_units import task_units
from matekd_bench.distill.training.ddp import ALONE
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.forward_passes import StepScope
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.distill.training.session import Job
from matekd_bench.errors import PluginError
from matekd_bench.events import Message, Progress, Sink
from matekd_bench.foreign_code import blamed
from matekd_bench.methods.class_checks import make_perturbation
from matekd_bench.methods.perturbation import TextPerturbation
from matekd_bench.methods.rows import Encoded, Perturbed
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import SplitScore, score_split
from matekd_bench.tasks.sources.example_ids import split_digest
from matekd_bench.tasks.task import Examples, TaskData

SEED = 0  # of perturbations: all students answer the same rows, whatever their own seed


@dataclass(frozen=True)
class EvaluationSet:
    """A set that the students of one task are scored on at the end, besides dev.

    `name` is its name in tables, such as "mnli/hans" or "rte@aeda"; `asked` are the entries of ``--also`` that ask
    for it. `data` holds its rows as dev splits, and its task the labels and metrics. `classes` gives for each class id
    of the students the set's class id that it means; it is empty for a regression. `perturbation` is the text method
    that rewrites the rows, None for rows as they are.
    """

    name: str
    asked: tuple[str, ...]
    data: TaskData
    classes: tuple[int, ...] = ()
    perturbation: Job | None = None

    def in_classes_of_set(self, logits: Tensor) -> Tensor:
        """Return the logits [n, C] of the students' classes as logits [n, K] of the set's.

        Of several classes that mean one label the largest logit counts, so the answer is the label of the largest.
        """
        if not self.classes:
            return logits
        columns: list[Tensor] = []
        for label in range(self.data.task.outputs):
            meant = [index for index, class_id in enumerate(self.classes) if class_id == label]
            columns.append(logits[:, meant].amax(dim=1))
        return torch.stack(columns, dim=1)


@dataclass(frozen=True)
class SetAnswers:
    """The answers of one student to a set, and the scores of student and teacher.

    `data` holds the rows as they were answered. `logits` [n, K] by split are of the set's classes; they are empty, and
    so is `scores`, for a student without usable answers. `teacher` is empty for a teacher that answered beforehand.
    """

    set: EvaluationSet
    data: TaskData
    logits: Mapping[str, Tensor]
    scores: tuple[SplitScore, ...]
    teacher: tuple[SplitScore, ...]


class SetEvaluator:
    """An evaluator of the students of one task on its sets, whose rows it perturbs and encodes once."""

    def __init__(self, sets: Sequence[EvaluationSet], assets: TaskAssets, sink: Sink = Sink()) -> None:
        self._sets, self._assets, self._sink = sets, assets, sink
        self._teacher_scores: dict[str, tuple[SplitScore, ...]] = {}

    def prepare(self) -> None:
        """Perturb the rows; call it before any training, so that a method that fails costs none."""
        _ = self._data

    @cached_property
    def _data(self) -> tuple[TaskData, ...]:
        return tuple(
            wanted.data
            if wanted.perturbation is None
            else perturbed_data(wanted.data, wanted.perturbation, self._assets)
            for wanted in self._sets
        )

    @cached_property
    def _rows(self) -> tuple[tuple[Sequence[Encoded], ...], ...]:
        encode = self._assets.student_encoder
        return tuple(tuple(encode(split.texts) for split in data.dev) for data in self._data)

    def answers(self, student: Any | None, batch_size: int) -> list[SetAnswers]:
        """Let a student answer every set, in batches of `batch_size` rows; None is one without usable answers."""
        return [
            self._answers_to(evaluation_set, data, rows, student, batch_size)
            for evaluation_set, data, rows in zip(self._sets, self._data, self._rows, strict=True)
        ]

    def _answers_to(
        self,
        evaluation_set: EvaluationSet,
        data: TaskData,
        rows: Sequence[Sequence[Encoded]],
        student: Any | None,
        batch_size: int,
    ) -> SetAnswers:
        logits = {}
        if student is not None:
            self._sink.emit(Message(kind="stage", text=f"scoring on {evaluation_set.name}", counted=True))
            splits = zip(data.dev, rows, strict=True)
            logits = {split.split: self._predict(student, encoded, batch_size) for split, encoded in splits}
        of_set = {split: evaluation_set.in_classes_of_set(predicted) for split, predicted in logits.items()}
        scores = _scores(data, of_set)
        return SetAnswers(evaluation_set, data, of_set, scores, self._scores_of_teacher(evaluation_set, data))

    def _predict(self, student: Any, rows: Sequence[Encoded], batch_size: int) -> Tensor:
        assets = self._assets
        with contained_randomness(assets.recipe.device), task_units(student, assets.units):
            return predict(
                student, rows, assets.student_encoder.tokens.pad, batch_size=batch_size,
                precision=assets.recipe.precision, on_rows=self._count,
            )  # fmt: skip

    def _count(self, done: int, limit: int) -> None:
        self._sink.emit(Progress(done=done, limit=limit, preparing=True))

    def _scores_of_teacher(self, evaluation_set: EvaluationSet, data: TaskData) -> tuple[SplitScore, ...]:
        """Return the teacher's scores on the set, computed once."""
        if self._assets.recipe.answers is not None:
            return ()
        if evaluation_set.name not in self._teacher_scores:
            logits = {
                split.split: evaluation_set.in_classes_of_set(self._teacher_logits(data, split))
                for split in data.dev
            }
            self._teacher_scores[evaluation_set.name] = _scores(data, logits)
        return self._teacher_scores[evaluation_set.name]

    def _teacher_logits(self, data: TaskData, split: Examples) -> Tensor:
        assets = self._assets
        recipe = replace(assets.recipe, ranks=ALONE)  # only the process that records the run needs them
        return CleanLogits(
            data, recipe, self._sink, teacher=assets.teacher, examples=split,
            read=partial(assets.teacher_encoder, split.texts),
        ).get()  # fmt: skip


def _scores(data: TaskData, logits: Mapping[str, Tensor]) -> tuple[SplitScore, ...]:
    splits = [split for split in data.dev if split.split in logits]
    return tuple(
        score_split(data.task, split.gold, logits[split.split].numpy(), split.split) for split in splits
    )


def perturbed_data(data: TaskData, job: Job, assets: TaskAssets) -> TaskData:
    """Return the dev rows of a task rewritten by a text method, each once; ids and labels stay.

    Raises PluginError if the method is none of text, or fails.
    """
    with (
        blamed(f"'{job.variant}' could not perturb the dev rows of '{data.task.name}'", PluginError),
        contained_randomness(assets.recipe.device),
    ):
        method = _text_method(job, assets)
        texts = [segment for split in data.dev for row in split.texts for segment in method.perturbed(row)]
        method.prepare(texts)
        dev = tuple(_perturbed_split(split, method, data.task.name) for split in data.dev)
    return replace(data, train=None, dev=dev, digests={split.split: split_digest(split) for split in dev})


def _text_method(job: Job, assets: TaskAssets) -> TextPerturbation[Any]:
    """Make a method as a run with this seed does, without a student."""
    recipe = assets.recipe
    torch.manual_seed(seed_of(job.seed, assets.task.name, "method-init"))
    context = RunContext(
        task=assets.task, seed=job.seed, device=recipe.device, precision=recipe.precision,
        objective=job.training.objective, student_encoder=assets.student_encoder,
        teacher_encoder=None if assets.one_vocabulary else assets.teacher_encoder, meter=Meter(),
        scope=StepScope(job.seed, assets.task.name),
        generator=(lambda: assets.generator.copy()) if "generator" in job.method.needs else None,
    )  # fmt: skip
    method = make_perturbation(job.method, job.params, context, job.variant)
    if not isinstance(method, TextPerturbation):
        raise PluginError(
            f"method '{job.variant}' does not rewrite text: name a text-level method, such as eda."
        )
    return method


def _perturbed_split(split: Examples, method: TextPerturbation[Any], task: str) -> Examples:
    rows = [
        text_row(SEED, task, uid, texts, epoch=0) for uid, texts in zip(split.uids, split.texts, strict=True)
    ]
    versions: Sequence[Sequence[Perturbed]] = method.ahead(rows)
    return replace(split, texts=tuple(version[0].texts for version in versions))

"""What methods do to a few rows of a task: texts before and after, the answers to them, and how much changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.data.order import DataOrder
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.harness import HarnessParts, MethodHarness, ViewRelay
from matekd_bench.distill.models.networks import load_classifier
from matekd_bench.distill.token_texts import KeepingContext, Reader
from matekd_bench.methods.context import Models
from matekd_bench.methods.edits import edits_between
from matekd_bench.methods.views import Batch, View
from matekd_bench.plugins.host import Host
from matekd_bench.seeds import seed_of
from matekd_bench.study.plan.grid import Cell, make_grid
from matekd_bench.study.plan.preflight import check_methods
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import study_spec
from matekd_bench.tools.preview_examples import MethodPreview, Preview, PreviewExample, PreviewVersion

SAMPLE = 64  # rows over which the diagnostics are measured


def preview(
    request: StudyRequest, host: Host, stage: Callable[[str], None], *, examples: int, updates: int = 0
) -> Preview:
    """Perturbs rows of the request's one task as the first update of a run would, after `updates` updates of training.

    Nothing is recorded. Raises a BenchError for what the study would refuse.
    """
    spec = study_spec(request, host)
    grid = make_grid(spec, request, host, stage)
    check_methods(grid.cells)
    first = grid.cells[0]
    assets = TaskAssets(first.data, first.recipe, stage=stage, progress=lambda done, limit, loss: None)
    count = len(assets.train)
    rng = random.Random(seed_of(spec.first_seed, first.data.task.name, "preview"))
    rows = rng.sample(range(count), min(count, max(examples, SAMPLE)))
    found = []
    for cell in grid.cells:
        stage(f"previewing {cell.job.variant}")
        with contained_randomness(cell.recipe.device):
            found.append(_MethodAtWork(cell, assets, rows).taken(examples, updates))
    return Preview(first.data.task.name, first.data.task.labels, len(rows), updates, tuple(found))


@dataclass
class _CollectedViews:
    """The versions of all rows, as they were yielded."""

    texts: list[list[tuple[str, ...]] | None] = field(default_factory=list)
    edits: list[Tensor] = field(default_factory=list)  # [B, 2] for versions in which the text may differ
    shifts: list[Tensor | None] = field(default_factory=list)
    students: list[Tensor] = field(default_factory=list)
    teachers: list[Tensor | None] = field(default_factory=list)


class _MethodAtWork:
    """One method at work on the sampled rows."""

    def __init__(self, cell: Cell, assets: TaskAssets, rows: list[int]) -> None:
        self.cell, self.assets, self.rows = cell, assets, rows
        job, recipe, task = cell.job, cell.recipe, assets.task
        student = load_classifier(
            recipe.student, task.outputs, task.labels, seed_of(job.seed, task.name, "init")
        ).to(recipe.device)
        parts = HarnessParts(
            task=task, corpus=assets.train, student=student, teacher=assets.teacher.model,
            student_encoder=assets.student_encoder,
            teacher_encoder=None if assets.one_vocabulary else assets.teacher_encoder,
            generator=lambda: assets.generator.copy(), objective=job.training.objective, device=recipe.device,
            precision=recipe.precision,
        )  # fmt: skip
        self.harness = MethodHarness(
            job.method, job.params, parts, name=job.variant, seed=job.seed, context_type=KeepingContext
        )
        self.reader = Reader(recipe.student.checkpoint)

    def taken(self, examples: int, updates: int) -> MethodPreview:
        """Trains first where that is asked for, then watches one update."""
        self._train(updates)
        batch = self.harness.batch(self.rows, update=updates)
        kept = _CollectedViews()
        relay = ViewRelay(self.harness.method, partial(self._keep, kept, batch))
        clean_student = self._answers(batch.clean)
        clean_teacher = self.harness.models.clean_logits(batch)
        job = self.cell.job
        self.harness.trainer(relay, job.training.optimizer, job.budget).update(batch)
        original = self._original(batch)
        return MethodPreview(
            method=job.variant,
            level=job.method.level,
            examples=tuple(
                self._shown(row, batch, original, kept, clean_teacher, clean_student)
                for row in range(examples)
                if row < len(batch)
            ),
            diagnostics=self._diagnostics(kept, clean_teacher, clean_student),
            notices=tuple(self.harness.method.notices),
        )

    def _train(self, updates: int) -> None:
        """The first `updates` updates of the run that this is the preview of."""
        if not updates:
            return
        job, corpus, task = self.cell.job, self.assets.train, self.assets.task
        trainer = self.harness.trainer(
            self.harness.method, job.training.optimizer, job.budget, job.training.auxiliary_updates
        )
        size = job.training.optimizer.batch_size
        order = DataOrder(corpus.lengths, size, job.seed, task.name, "data-order")
        own = DataOrder(corpus.lengths, size, job.seed, task.name, "own-data-order")
        with closing(trainer.run(order, own, self.harness.assembler())) as losses:
            for done, _ in enumerate(losses, start=1):
                if done >= updates:
                    return

    def _keep(
        self, kept: _CollectedViews, whole: Batch, batch: Batch, models: Models, views: tuple[View, ...]
    ) -> None:
        """Notes what is new in the views of one item, and the answers to them without dropout."""
        for view in views:
            if (
                view.ids is batch.ids
                and view.mask is batch.mask
                and view.embed is None
                and (view.shift is None or not bool(view.shift.detach().any()))
            ):
                continue
            shift = self._shift(view, batch)
            kept.shifts.append(shift)
            texts = self._texts(view, batch)
            kept.texts.append(texts)
            if texts is not None:
                kept.edits.append(self._edits(view, batch))
            kept.students.append(self._answers(view))
            kept.teachers.append(self._target(view))

    @torch.no_grad()
    def _answers(self, view: View) -> Tensor:
        logits: Tensor = self.harness.models.student_logits(view, train=False)
        return logits

    @torch.no_grad()
    def _target(self, view: View) -> Tensor | None:
        """The teacher's logits on a view; None where it answers for the clean text or not at all."""
        if isinstance(view.teacher, Tensor):
            return view.teacher.detach()
        if view.teacher is None or view.teacher == "clean":
            return None
        logits: Tensor = self.harness.models.teacher_logits(
            view.teacher if isinstance(view.teacher, View) else view
        )
        return logits

    @torch.no_grad()
    def _shift(self, view: View, batch: Batch) -> Tensor | None:
        """How far each row's word embeddings were moved [B], relative to their norm; None where they were not."""
        if view.embed is None and view.shift is None:
            return None
        table = self.harness.models.student.get_input_embeddings()
        clean = table(view.ids)
        moved = clean if view.embed is None else view.embed(table)
        moved = moved if view.shift is None else moved + view.shift
        at = view.mask.unsqueeze(-1)
        sizes: Tensor = ((moved - clean) * at).norm(dim=(1, 2)) / (clean * at).norm(dim=(1, 2)).clamp(
            min=1e-12
        )
        return sizes

    def _texts(self, view: View, batch: Batch) -> list[tuple[str, ...]] | None:
        context = self.harness.context
        assert isinstance(context, KeepingContext)
        written = context.written(view)
        if written is not None:
            return written
        if view.ids.equal(batch.ids) and view.mask.equal(batch.mask):
            return None
        return self.reader(view, batch)

    def _edits(self, view: View, batch: Batch) -> Tensor:
        """Changed words and words of each row [B, 2], or tokens where a version was made of ids."""
        context = self.harness.context
        assert isinstance(context, KeepingContext)
        written = context.written(view)
        if written is not None:
            pairs = zip(self._sources(), written, strict=True)
            return torch.tensor([edits_between(old, new) for old, new in pairs])
        if view.ids.shape != batch.ids.shape:
            return torch.stack([(~batch.special).sum(1)] * 2, dim=1).cpu()
        changed = ((view.ids != batch.ids) | (view.mask != batch.mask)) & ~batch.special
        return torch.stack([changed.sum(1), (~batch.special).sum(1)], dim=1).cpu()

    def _sources(self) -> list[tuple[str, ...]]:
        return [self.assets.train.texts[row] for row in self.rows]

    def _original(self, batch: Batch) -> list[tuple[str, ...]]:
        """The rows' texts: as they came for methods that rewrite text, else as the tokenizer gives them back."""
        context = self.harness.context
        assert isinstance(context, KeepingContext)
        if context.wrote:
            return self._sources()
        return self.reader(batch.clean, batch)

    def _shown(
        self,
        row: int,
        batch: Batch,
        original: list[tuple[str, ...]],
        kept: _CollectedViews,
        teacher: Tensor,
        student: Tensor,
    ) -> PreviewExample:
        versions = tuple(
            PreviewVersion(
                texts=None if texts is None or texts[row] == original[row] else texts[row],
                shift=None if shift is None else float(shift[row]),
                teacher=None if target is None else self._spoken(target[row]),
                student=self._spoken(answers[row]),
            )
            for texts, shift, answers, target in zip(
                kept.texts, kept.shifts, kept.students, kept.teachers, strict=True
            )
        )
        labels, gold = self.assets.task.labels, batch.labels[row].item()
        return PreviewExample(
            uid=batch.uids[row],
            texts=original[row],
            label=labels[int(gold)] if labels else f"{gold:g}",
            teacher=self._spoken(teacher[row]),
            student=self._spoken(student[row]),
            versions=versions,
        )

    def _spoken(self, logits: Tensor) -> tuple[float, ...]:
        """Probabilities of the classes, or the score."""
        values = logits.float().softmax(-1) if self.assets.task.labels else logits.float()
        return tuple(round(float(value), 6) for value in values)

    def _diagnostics(
        self, kept: _CollectedViews, teacher: Tensor, student: Tensor
    ) -> dict[str, float | None]:
        """Shares over all rows and versions."""
        apart = self.harness.models.distance
        edits = torch.cat(kept.edits) if kept.edits else None
        flips = (
            [target.argmax(-1) != teacher.argmax(-1) for target in kept.teachers if target is not None]
            if self.assets.task.labels
            else []
        )
        moved = [
            apart(answers, teacher if target is None else target)
            for answers, target in zip(kept.students, kept.teachers, strict=True)
        ]
        return {
            "changed": None if edits is None else float(edits[:, 0].sum() / edits[:, 1].sum().clamp(min=1)),
            "texts_unchanged": _mean([] if edits is None else [edits[:, 0] == 0]),
            "shift": _mean([shift for shift in kept.shifts if shift is not None]),
            "teacher_flip_rate": _mean(flips),
            "divergence_clean": _mean([apart(student, teacher)]),
            "divergence_perturbed": _mean(moved),
        }


def _mean(values: list[Tensor]) -> float | None:
    return float(torch.cat(values).double().mean()) if values else None

"""Previews of methods on a few rows: texts before and after, answers to them, and how much changed."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.device import contained_randomness, in_float64, resolve_device
from matekd_bench.distill.student_run import initial_student, student_session
from matekd_bench.distill.token_texts import RecordingContext, ViewDecoder
from matekd_bench.distill.training.view_relay import ViewRelay
from matekd_bench.errors import PluginError
from matekd_bench.events import Message, Sink
from matekd_bench.foreign_code import blamed
from matekd_bench.methods.context import Models
from matekd_bench.methods.edits import edits_between
from matekd_bench.methods.views import Batch, View
from matekd_bench.plugins.host import Host
from matekd_bench.seeds import seed_of
from matekd_bench.study.plan.grid import Cell, make_grid
from matekd_bench.study.plan.preflight import check_methods, row_notes
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.tools.preview_examples import MethodPreview, Preview, PreviewExample, PreviewVersion

SAMPLE = 64  # rows over which the diagnostics are measured


def preview(request: StudyRequest, host: Host, sink: Sink, *, examples: int, updates: int = 0) -> Preview:
    """Perturb rows of the request's only task as an update of a run would, after `updates` updates of training.

    The first `examples` of the sampled rows are shown; the diagnostics cover all of them. Nothing is recorded. Raises a
    BenchError for a request that a study would refuse.
    """
    spec = request.spec.model_copy(update={"tune": None})  # the settings before tuning are shown
    grid = make_grid(spec, resolve_device(request.execution.device), host, sink)
    check_methods(grid.cells)
    for note in row_notes(grid.cells):
        sink.emit(Message(kind="note", text=note))
    first = grid.cells[0]
    assets = TaskAssets(first.data, first.recipe, sink)
    count = len(assets.train)
    rng = random.Random(seed_of(spec.first_seed, first.data.task.name, "preview"))
    rows = rng.sample(range(count), min(count, max(examples, SAMPLE)))
    previews = []
    for cell in grid.cells:
        sink.emit(Message(kind="stage", text=f"previewing {cell.job.variant}"))
        failure = f"method '{cell.job.variant}' failed"
        with blamed(failure, PluginError), contained_randomness(cell.recipe.device):
            previews.append(_MethodPreviewer(cell, assets, rows).preview(examples, updates))
    return Preview(first.data.task.name, first.data.task.labels, len(rows), updates, tuple(previews))


@dataclass
class _CollectedViews:
    """The perturbed versions of all rows, one entry per version in the order in which they were yielded.

    Answers are logits [B, C]; shifts are [B]. A teacher of None means that the version has no soft target of its own.
    """

    texts: list[list[tuple[str, ...]] | None] = field(default_factory=list)
    # [B, 2], the numbers of changed words and of all words (or tokens); only for versions with texts
    edits: list[Tensor] = field(default_factory=list)
    shifts: list[Tensor | None] = field(default_factory=list)
    students: list[Tensor] = field(default_factory=list)
    teachers: list[Tensor | None] = field(default_factory=list)


class _MethodPreviewer:
    """One method with its student and teacher, for a preview on the sampled rows."""

    def __init__(self, cell: Cell, assets: TaskAssets, rows: list[int]) -> None:
        self.cell, self.assets, self.rows = cell, assets, rows
        student = initial_student(cell.job, assets)
        self.session = student_session(cell.job, assets, student, RecordingContext)
        self.reader = ViewDecoder(cell.recipe.student.checkpoint)

    def preview(self, examples: int, updates: int) -> MethodPreview:
        """Train for `updates` updates, then record the versions and answers of one more update."""
        session, job = self.session, self.cell.job
        self._train(updates)
        batch = session.batch(self.rows, update=updates)
        collected = _CollectedViews()
        clean_student = self._student_logits(batch.clean)
        clean_teacher = session.models.clean_logits(batch)
        session.trainer.method = ViewRelay(session.method, partial(self._collect, collected))
        session.trainer.micro_batch = None  # all rows at once, so that versions are collected for all of them
        session.trainer.update(batch)
        original = self._original_texts(batch)
        return MethodPreview(
            method=job.variant,
            level=job.method.level,
            examples=tuple(
                self._example(row, batch, original, collected, clean_teacher, clean_student)
                for row in range(examples)
                if row < len(batch)
            ),
            diagnostics=self._diagnostics(collected, clean_teacher, clean_student),
            notices=tuple(session.method.notices),
        )

    def _train(self, updates: int) -> None:
        """Warm the method up and train the first `updates` updates of the previewed run."""
        self.session.warm_up()
        with closing(self.session.losses()) as losses:
            for _ in islice(losses, updates):
                pass

    def _collect(
        self, collected: _CollectedViews, batch: Batch, models: Models, views: tuple[View, ...]
    ) -> None:
        """Add one item's views that differ from the clean batch, with the answers to them without dropout."""
        for view in views:
            if (
                view.ids is batch.ids
                and view.mask is batch.mask
                and view.embed is None
                and (view.shift is None or not bool(view.shift.detach().any()))
            ):
                continue
            shift = self._relative_shift(view, batch)
            collected.shifts.append(shift)
            texts = self._perturbed_texts(view, batch)
            collected.texts.append(texts)
            if texts is not None:
                collected.edits.append(self._edit_counts(view, batch))
            collected.students.append(self._student_logits(view))
            collected.teachers.append(self._teacher_logits(view))

    @torch.no_grad()
    def _student_logits(self, view: View) -> Tensor:
        """Return the student's logits on a view, without dropout."""
        logits: Tensor = self.session.models.student_logits(view, train=False)
        return logits

    @torch.no_grad()
    def _teacher_logits(self, view: View) -> Tensor | None:
        """Return the teacher's logits on a view; None if the view's target is the clean text's, or has no teacher."""
        if isinstance(view.teacher, Tensor):
            return view.teacher.detach()
        if view.teacher is None or view.teacher == "clean":
            return None
        logits: Tensor = self.session.models.teacher_logits(
            view.teacher if isinstance(view.teacher, View) else view
        )
        return logits

    @torch.no_grad()
    def _relative_shift(self, view: View, batch: Batch) -> Tensor | None:
        """Return each row's norm of the embedding shift over that of its embeddings [B]; None without a shift."""
        if view.embed is None and view.shift is None:
            return None
        table = self.session.models.student.get_input_embeddings()
        clean = table(view.ids)
        moved = clean if view.embed is None else view.embed(table)
        moved = moved if view.shift is None else moved + view.shift
        mask = view.mask.unsqueeze(-1)
        # the clamp avoids a division by zero
        sizes: Tensor = ((moved - clean) * mask).norm(dim=(1, 2)) / (clean * mask).norm(dim=(1, 2)).clamp(
            min=1e-12
        )
        return sizes

    def _perturbed_texts(self, view: View, batch: Batch) -> list[tuple[str, ...]] | None:
        """Return the texts of a view, decoded if it was made of ids; None if its ids are those of the batch."""
        context = self.session.context
        assert isinstance(context, RecordingContext)
        texts = context.texts_of(view)
        if texts is not None:
            return texts
        if view.ids.equal(batch.ids) and view.mask.equal(batch.mask):
            return None
        return self.reader(view, batch)

    def _edit_counts(self, view: View, batch: Batch) -> Tensor:
        """Count the changed and all words of each row [B, 2], or tokens if the view was made of ids.

        If the view has another shape than the batch, positions do not match and every token counts as changed.
        """
        context = self.session.context
        assert isinstance(context, RecordingContext)
        texts = context.texts_of(view)
        if texts is not None:
            pairs = zip(self._source_texts(), texts, strict=True)
            return torch.tensor([edits_between(old, new) for old, new in pairs])
        if view.ids.shape != batch.ids.shape:
            return torch.stack([(~batch.special).sum(1)] * 2, dim=1).cpu()
        changed = ((view.ids != batch.ids) | (view.mask != batch.mask)) & ~batch.special
        return torch.stack([changed.sum(1), (~batch.special).sum(1)], dim=1).cpu()

    def _source_texts(self) -> list[tuple[str, ...]]:
        return [self.assets.train.texts[row] for row in self.rows]

    def _original_texts(self, batch: Batch) -> list[tuple[str, ...]]:
        """Return the rows' texts: from the data if the method rewrites text, else decoded from their ids."""
        context = self.session.context
        assert isinstance(context, RecordingContext)
        if context.has_texts:
            return self._source_texts()
        return self.reader(batch.clean, batch)

    def _example(
        self,
        row: int,
        batch: Batch,
        original: list[tuple[str, ...]],
        collected: _CollectedViews,
        teacher: Tensor,
        student: Tensor,
    ) -> PreviewExample:
        """Build the example of one row; a version equal to the original has no texts."""
        versions = tuple(
            PreviewVersion(
                texts=None if texts is None or texts[row] == original[row] else texts[row],
                shift=None if shift is None else float(shift[row]),
                teacher=None if target is None else self._probabilities(target[row]),
                student=self._probabilities(answers[row]),
            )
            for texts, shift, answers, target in zip(
                collected.texts, collected.shifts, collected.students, collected.teachers, strict=True
            )
        )
        labels, train = self.assets.task.labels, self.assets.data.train
        assert train is not None  # the corpus was made of it
        assert train.labels is not None
        gold = train.labels[self.rows[row]]  # those of the batch are standardized
        return PreviewExample(
            uid=batch.uids[row],
            texts=original[row],
            label="no label" if gold is None else labels[int(gold)] if labels else f"{gold:g}",
            teacher=self._probabilities(teacher[row]),
            student=self._probabilities(student[row]),
            versions=versions,
        )

    def _probabilities(self, logits: Tensor) -> tuple[float, ...]:
        """Return the probabilities of the classes, or the score of a regression in the task's units."""
        units = self.assets.units
        values = logits.float().softmax(-1) if units is None else units.restore(logits.float())
        return tuple(round(float(value), 6) for value in values)

    def _diagnostics(
        self, collected: _CollectedViews, teacher: Tensor, student: Tensor
    ) -> dict[str, float | None]:
        """Compute the diagnostics of `MethodPreview` over all rows and versions."""
        distance = self.session.models.distance
        edits = torch.cat(collected.edits) if collected.edits else None
        flips = (
            [target.argmax(-1) != teacher.argmax(-1) for target in collected.teachers if target is not None]
            if self.assets.task.labels
            else []
        )
        divergences = [
            distance(answers, teacher if target is None else target)
            for answers, target in zip(collected.students, collected.teachers, strict=True)
        ]
        return {
            "changed": None if edits is None else float(edits[:, 0].sum() / edits[:, 1].sum().clamp(min=1)),
            "texts_unchanged": _mean([] if edits is None else [edits[:, 0] == 0]),
            "shift": _mean([shift for shift in collected.shifts if shift is not None]),
            "teacher_flip_rate": _mean(flips),
            "divergence_clean": _mean([distance(student, teacher)]),
            "divergence_perturbed": _mean(divergences),
        }


def _mean(values: list[Tensor]) -> float | None:
    """Return the mean over all elements; None if there are no tensors."""
    return float(in_float64(torch.cat(values)).mean()) if values else None

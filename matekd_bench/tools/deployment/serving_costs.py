"""Measures the costs of teachers and students in use, all together: parameters, megabytes and time per text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any, Final, Literal

import torch

from matekd_bench.distill.artifacts.kept_student import KeptStudent, read_card
from matekd_bench.distill.artifacts.onnx_model import OnnxModel, check_onnx_installed
from matekd_bench.distill.device import ResolvedPrecision, contained_randomness, resolve_device
from matekd_bench.distill.models.checkpoints import find_checkpoint
from matekd_bench.distill.models.networks import ModelSource, load_classifier, parameter_count
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.errors import CheckpointError
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.tasks.task import Task
from matekd_bench.tools.deployment.model_card import megabytes
from matekd_bench.tools.deployment.student_folder import ONNX_FILE
from matekd_bench.tools.predict import check_kept, scored_examples, task_to_predict
from matekd_bench.tools.reproduce import recorded_study

BATCH_SIZES: Final = (1, 32)
TEXTS: Final = max(BATCH_SIZES)  # of the dev set, the same for all models of a task
ROUNDS: Final = 5  # the median is reported; one more round comes first as a warm-up
Texts = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class ServingCost:
    """The costs of one model in use.

    `runtime` is "torch", or "onnxruntime" for a student's ONNX model, which runs on the CPU in float32. `milliseconds`
    are per text by batch size, from text to logits: tokenizer, padding and forward pass.
    """

    task: str
    role: Literal["teacher", "student"]
    runtime: Literal["torch", "onnxruntime"]
    device: str
    model: str
    parameters: int
    megabytes: float
    milliseconds: Mapping[int, float]


@dataclass(frozen=True)
class ServingCosts:
    """The costs of several models, measured in turns with `threads` CPU threads."""

    threads: int
    rows: tuple[ServingCost, ...]

    def table(self) -> ExportTable:
        """Return a row per model, with the milliseconds of each batch size in a column of its own."""
        rows = [
            {
                **{key: getattr(row, key) for key in ("task", "role", "model", "parameters", "megabytes")},
                **{f"milliseconds_{size}": value for size, value in row.milliseconds.items()},
                "device": row.device,
                "threads": self.threads,
                "runtime": row.runtime,
            }
            for row in self.rows
        ]
        return ExportTable("serving costs", tuple(rows[0]) if rows else (), rows)


@dataclass(frozen=True, eq=False)
class _ServedModel:
    """A model ready to answer the texts of its task; `onnx` is the ONNX model that answers in place of `network`."""

    task: str
    role: Literal["teacher", "student"]
    name: str
    network: Any
    encoder: Encoder
    precision: ResolvedPrecision
    texts: Texts
    onnx: OnnxModel | None = None

    def answer(self, batch_size: int) -> None:
        """Answer all texts in batches of `batch_size`, in their order."""
        for start in range(0, len(self.texts), batch_size):
            rows = self.encoder(self.texts[start : start + batch_size])
            if self.onnx is not None:
                self.onnx.logits(rows, batch_size)
            else:
                predict(
                    self.network,
                    rows,
                    self.encoder.tokens.pad,
                    batch_size=batch_size,
                    precision=self.precision,
                )


def serving_costs(
    runs: Sequence[Record],
    stores: Mapping[str, ResultsStore],
    tasks: Mapping[str, Task],
    *,
    device: str = "auto",
    glue_dir: Path | None = None,
    teacher: str | None = None,
    written: Mapping[str, Path] = MappingProxyType({}),
) -> ServingCosts:
    """Measure the kept students of `runs` and their teachers on the first texts of dev, in the precision of each run.

    `stores` are the results folders by run id, `tasks` the installed tasks. `teacher` replaces the recorded teacher's
    checkpoint. A fine-tuned teacher is measured as its checkpoint with a new head, because weights do not change the
    time. A teacher whose answers come from a file is not measured. `written` are folders of students by run id; an ONNX
    model in one of them is measured too. The models take turns in each round, so that a busy machine slows down all of
    them.

    Raises ResultsError if a run kept no student, CheckpointError if a model cannot be loaded or a folder has another
    student, and UsageError if onnxruntime is missing.
    """
    for run in runs:
        check_kept(run, stores[run.run_id].root)
    texts = {run.run_id: _texts(run, tasks, glue_dir) for run in runs}
    place = resolve_device(device)
    models = list(
        _distinct(
            model
            for run in runs
            for model in _models(run, stores, place, texts, teacher, written.get(run.run_id))
        )
    )
    with contained_randomness(place):
        times = _measured(models)
    rows = tuple(_cost(model, place, measured) for model, measured in zip(models, times, strict=True))
    return ServingCosts(torch.get_num_threads(), rows)


def _texts(run: Record, tasks: Mapping[str, Task], glue_dir: Path | None) -> Texts:
    """Return the texts that a run's models answer; those of a small dev set are repeated."""
    split = min(name for name in run.data.splits if name != "train")
    examples = scored_examples(task_to_predict(run, None, tasks), split, run, glue_dir)
    return list(islice(cycle(examples.texts), TEXTS))


def _models(
    run: Record,
    stores: Mapping[str, ResultsStore],
    device: torch.device,
    texts: Mapping[str, Texts],
    teacher: str | None,
    written: Path | None,
) -> Iterator[_ServedModel]:
    """Yield the teacher of a run, if it has one of its own, its student, and the ONNX model in `written`, if any."""
    store, task = stores[run.run_id], run.identity.task
    student = KeptStudent(KeptStudents(store.root).open(run.run_id), run.run_id, device)
    if run.teacher is not None and not run.teacher.answers:
        settings = recorded_study(store, run.run_id).teacher
        if teacher:
            settings = settings.model_copy(update={"checkpoint": teacher, "revision": None})
        try:
            checkpoint = find_checkpoint(settings.reference_for(task), settings.revision)
        except CheckpointError as error:
            raise CheckpointError(
                f"the teacher of run '{run.run_id}': {error.message}", hint="Name it with --teacher MODEL."
            ) from None
        labels = student.card.labels
        network = load_classifier(ModelSource(checkpoint), len(labels) or 1, labels, 0).to(device)
        encoder = Encoder(checkpoint, student.card.max_length)
        precision = student.card.precision
        yield _ServedModel(task, "teacher", checkpoint.id, network, encoder, precision, texts[run.run_id])
    served = _ServedModel(
        task, "student", run.run_id, student.model, student.encoder, student.card.precision, texts[run.run_id]
    )
    yield served
    if written is not None and (written / ONNX_FILE).is_file():
        check_onnx_installed(["onnxruntime"])
        if read_card(written, run.run_id).sha256 != student.card.sha256:
            raise CheckpointError(f"'{written}' holds another student of run '{run.run_id}'.")
        yield replace(served, precision="float32", onnx=OnnxModel(written / ONNX_FILE, student))


def _distinct(models: Iterator[_ServedModel]) -> Iterator[_ServedModel]:
    """Leave out models of a task that were already yielded, such as the teacher that several students share."""
    known = set()
    for model in models:
        key = (model.task, model.role, model.name, model.encoder.sha256, model.precision, model.onnx is None)
        if key not in known:
            known.add(key)
            yield model


def _measured(models: Sequence[_ServedModel]) -> list[dict[int, float]]:
    """Return the median milliseconds per text of each model by batch size."""
    seconds: list[dict[int, list[float]]] = [{size: [] for size in BATCH_SIZES} for _ in models]
    for _ in range(ROUNDS + 1):
        for model, times in zip(models, seconds, strict=True):
            for size in BATCH_SIZES:
                start = time.perf_counter()
                model.answer(size)
                times[size].append((time.perf_counter() - start) / len(model.texts))
    return [{size: 1000 * median(rounds[1:]) for size, rounds in times.items()} for times in seconds]


def _cost(model: _ServedModel, place: torch.device, milliseconds: Mapping[int, float]) -> ServingCost:
    parameters, onnx = parameter_count(model.network), model.onnx is not None
    return ServingCost(
        model.task, model.role, "onnxruntime" if onnx else "torch", "cpu" if onnx else str(place), model.name,
        parameters, megabytes(parameters), milliseconds,
    )  # fmt: skip

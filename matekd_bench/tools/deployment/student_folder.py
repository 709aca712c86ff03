"""Writes a kept student to a separate folder: weights, tokenizer, model card and, if requested, an ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.kept_student import KeptStudent
from matekd_bench.distill.artifacts.onnx_model import check_onnx_installed, export_onnx, onnx_logits
from matekd_bench.errors import CheckpointError, ResultsError, UsageError
from matekd_bench.files.durable import beside, copy_synced, settle
from matekd_bench.files.regular import delete
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents, run_of_student
from matekd_bench.tasks.task import Task
from matekd_bench.tools.deployment.card_facts import CardFacts, OnnxAgreement, score_evidence
from matekd_bench.tools.deployment.model_card import model_card
from matekd_bench.tools.predict import check_kept, scored_examples, task_to_predict

ONNX_FILE = "model.onnx"
TOLERANCE = 1e-4  # of logits in float32; relative if they are larger than 1


def write_student(
    run: Record,
    records: Sequence[Record],
    stores: Mapping[str, ResultsStore],
    tasks: Mapping[str, Task],
    to: Path,
    *,
    onnx: bool = False,
    glue_dir: Path | None = None,
) -> CardFacts:
    """Write the kept student of `run` to the new folder `to`, and return the facts of its model card.

    `records` are the runs among which the other seeds of the run are found, `stores` their results folders by run id,
    and `tasks` the installed tasks. With `onnx` the folder also has an ONNX model, whose answers to the dev set must
    agree with the recorded ones; `glue_dir` holds the texts of a GLUE task. The folder appears complete or not at all.

    Raises UsageError if `to` exists, ResultsError if the run kept no student, and CheckpointError if the model cannot
    be exported or its answers do not agree.
    """
    if to.exists():
        raise UsageError(f"'{to}' already exists.", hint="Name another folder with --to DIR.")
    if onnx:
        check_onnx_installed()
    store = stores[run.run_id]
    check_kept(run, store.root)
    recorded = _recorded_answers(run, store, tasks, glue_dir) if onnx else None
    source = KeptStudents(store.root).open(run.run_id)
    student = KeptStudent(source, run.run_id, torch.device("cpu"))
    new = beside(to, "student")
    new.mkdir(parents=True)
    try:
        for file in sorted(source.iterdir()):
            copy_synced(file, new / file.name)
        agreement = _add_onnx(new / ONNX_FILE, student, *recorded) if recorded else None
        task, evidence = tasks.get(run.identity.task), score_evidence(run, records, stores, tasks)
        facts = CardFacts(run, task, student.card, evidence, agreement)
        (new / "README.md").write_text(model_card(facts), encoding="utf-8")
        settle(new)
        new.rename(to)
    finally:
        delete(new)
    return facts


def written_students(runs: Sequence[str | Path], find: Callable[[str | Path], Record]) -> dict[str, Path]:
    """Return those of `runs` that name a folder of :func:`write_student`, by run id; `find` finds the record."""
    folders = {run: Path(run).expanduser() for run in runs}
    return {find(run).run_id: folder for run, folder in folders.items() if run_of_student(folder) is not None}


def _recorded_answers(
    run: Record, store: ResultsStore, tasks: Mapping[str, Task], glue_dir: Path | None
) -> tuple[list[tuple[str, ...]], Tensor]:
    """Return the texts of all rows on which the run was scored, and its logits [n, C] at the last evaluation."""
    predictions = store.read_predictions(run, last_only=True)
    if predictions is None or not predictions.evaluations:
        raise ResultsError(f"run '{run.run_id}' recorded no predictions to compare an ONNX model with.")
    task, texts, logits = task_to_predict(run, None, tasks), [], []
    for split, answers in sorted(predictions.evaluations[-1].items()):
        examples = scored_examples(task, split, run, glue_dir)
        by_id = dict(zip(examples.uids, examples.texts, strict=True))
        texts += [by_id[uid] for uid in predictions.uids[split]]
        logits.append(torch.from_numpy(answers))
    return texts, torch.cat(logits)


def _add_onnx(
    file: Path, student: KeptStudent, texts: Sequence[tuple[str, ...]], recorded: Tensor
) -> OnnxAgreement:
    """Export the student to `file` and compare its answers with the recorded ones.

    Answers recorded in bf16 are too coarse, so the student of such a run answers again in float32. Raises
    CheckpointError if a logit differs by more than the tolerance.
    """
    export_onnx(student, texts[:2], file)
    answers = onnx_logits(file, student, texts)
    exact = student.card.precision == "float32"
    expected = recorded if exact else student.logits(texts, "float32")
    if not ((answers - expected).abs() <= TOLERANCE * expected.abs().clamp(min=1)).all():
        raise CheckpointError(
            f"the ONNX model of student '{student.card.run_id}' differs from "
            f"{'the recorded logits' if exact else 'its student in float32'} by {_largest(answers, expected):.2g}, "
            f"more than {TOLERANCE:g}: nothing was written.",
            hint="Use its safetensors with transformers, without ONNX.",
        )
    changed = (answers.argmax(1) != recorded.argmax(1)).sum().item() if student.card.labels else 0
    return OnnxAgreement(
        len(texts), _largest(answers, recorded), _largest(answers, expected), int(changed), exact
    )


def _largest(answers: Tensor, others: Tensor) -> float:
    return float((answers - others).abs().max())

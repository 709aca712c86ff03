"""Writes the rows of a study's tasks to a file: texts to perturb, or rows for a teacher to answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from matekd_bench.errors import UsageError
from matekd_bench.events import Sink
from matekd_bench.files.printable import json_text
from matekd_bench.files.safe_names import check_folder_of, write_atomically
from matekd_bench.methods.params import ResolvedMethod
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import chosen_methods, chosen_tasks, read_task_data
from matekd_bench.study.spec.study_spec import StudySpec
from matekd_bench.tasks.perturbed_texts import texts_to_perturb
from matekd_bench.tasks.segments import Segments
from matekd_bench.tasks.task import TaskData


def write_texts(
    spec: StudySpec, host: Host, sink: Sink, file: Path, *, segments: Segments = "both", by_id: bool = False
) -> int:
    """Write the texts of the rows on which the study would train, as JSON lines, and return their number.

    Raises UsageError, before any data is read, for a file that exists, has another extension or no folder.
    """
    _check_new_file(file)
    rows: dict[str, tuple[str, ...]] = {}
    for data in _data_of_tasks(spec, host, sink):
        rows |= data.training_texts
    return _write_lines(file, texts_to_perturb(rows, segments, by_id=by_id))


def write_rows(spec: StudySpec, host: Host, sink: Sink, file: Path) -> int:
    """Write the training and dev rows of the study's tasks, as JSON lines, and return their number.

    Perturbed rows of its methods that are known before training follow, without an id. Raises UsageError as
    :func:`write_texts` does.
    """
    _check_new_file(file)
    methods = chosen_methods(spec, host)
    return _write_lines(
        file, [line for data in _data_of_tasks(spec, host, sink) for line in _rows(data, methods)]
    )


def _rows(data: TaskData, methods: Iterable[ResolvedMethod]) -> Iterator[dict[str, str]]:
    fields = data.task.fields
    for examples in (*([data.train] if data.train else []), *data.dev):
        for uid, texts in zip(examples.uids, examples.texts, strict=True):
            yield {"id": uid, "split": examples.split, **dict(zip(fields, texts, strict=True))}
    clean = data.training_texts
    versions = [
        texts for method in methods for texts in method.record.perturbed_rows(method.params, clean) or ()
    ]
    for texts in dict.fromkeys(versions):
        yield dict(zip(fields, texts, strict=True))


def _check_new_file(file: Path) -> None:
    if file.suffix.lower() != ".jsonl":
        raise UsageError(f"--out '{file}' must end with .jsonl.")
    check_folder_of(file, "--out")
    if file.exists():  # it may hold perturbed texts or answers that somebody has paid for
        raise UsageError(f"--out '{file}' already exists: name a new file, or delete this one.")


def _data_of_tasks(spec: StudySpec, host: Host, sink: Sink) -> Iterator[TaskData]:
    for task in chosen_tasks(spec.tasks, host, stand_ins=spec.stand_ins):
        yield read_task_data(task, spec, sink)


def _write_lines(file: Path, lines: Iterable[Mapping[str, str]]) -> int:
    texts = [json_text(line) + "\n" for line in lines]
    write_atomically(file, "".join(texts).encode())
    return len(texts)

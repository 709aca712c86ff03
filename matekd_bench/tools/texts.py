"""Writes the training texts of a study's tasks to a file, to be perturbed for the method `from-file`."""

from __future__ import annotations

from pathlib import Path

from matekd_bench.errors import UsageError
from matekd_bench.events import Sink
from matekd_bench.files.printable import json_text
from matekd_bench.files.safe_names import write_atomically
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import chosen_tasks, read_task_data
from matekd_bench.study.spec.study_spec import StudySpec
from matekd_bench.tasks.perturbed_texts import texts_to_perturb
from matekd_bench.tasks.segments import Segments


def write_texts(
    spec: StudySpec, host: Host, sink: Sink, file: Path, *, segments: Segments = "both", by_id: bool = False
) -> int:
    """Write the texts of the rows on which the study would train, as JSON lines, and return their number.

    Raises UsageError, before any data is read, for a file that exists, has another extension or no folder.
    """
    if file.suffix.lower() != ".jsonl":
        raise UsageError(f"--out '{file}' must end with .jsonl.")
    if not file.parent.is_dir():
        raise UsageError(f"--out '{file}': there is no folder '{file.parent}'.")
    if file.exists():  # it may hold perturbed texts that somebody has paid for
        raise UsageError(f"--out '{file}' exists: name a new file, or delete this one.")
    rows: dict[str, tuple[str, ...]] = {}
    for task in chosen_tasks(spec.tasks, host, stand_ins=spec.stand_ins):
        rows |= read_task_data(task, spec, sink).training_texts
    lines = [json_text(line) + "\n" for line in texts_to_perturb(rows, segments, by_id=by_id)]
    write_atomically(file, "".join(lines).encode())
    return len(lines)

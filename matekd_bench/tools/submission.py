"""The zip file for the GLUE server: eleven tables of predictions, checked before anything is written."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matekd_bench.errors import DataError, ResultsError, UsageError, unknown
from matekd_bench.files.safe_names import check_folder_of, write_atomically
from matekd_bench.methods.typed_names import PresetParams, variants_called
from matekd_bench.results.leaderboard.row_names import row_names
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.task import Task
from matekd_bench.tools.predict import StudentAnswers, StudentPredictor, read_split

ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # fixed, so that equal predictions give equal bytes
MIN_SCORE, MAX_SCORE = 0.0, 5.0  # of STS-B


@dataclass(frozen=True)
class SubmissionTable:
    """One file of a submission.

    `rows` is the size of the official test split. `written` is the form of a prediction: class id, label or score.
    """

    file: str
    task: str
    split: str
    rows: int
    written: Literal["class", "word", "score"]
    trained_on: str = ""  # empty: the task itself

    @property
    def source(self) -> str:
        """The task whose runs make the predictions."""
        return self.trained_on or self.task


TABLES = (
    SubmissionTable("CoLA.tsv", "cola", "test", 1063, "class"),
    SubmissionTable("SST-2.tsv", "sst2", "test", 1821, "class"),
    SubmissionTable("MRPC.tsv", "mrpc", "test", 1725, "class"),
    SubmissionTable("STS-B.tsv", "stsb", "test", 1379, "score"),
    SubmissionTable("QQP.tsv", "qqp", "test", 390965, "class"),
    SubmissionTable("MNLI-m.tsv", "mnli", "test-matched", 9796, "word"),
    SubmissionTable("MNLI-mm.tsv", "mnli", "test-mismatched", 9847, "word"),
    SubmissionTable("QNLI.tsv", "qnli", "test", 5463, "word"),
    SubmissionTable("RTE.tsv", "rte", "test", 3000, "word"),
    SubmissionTable("WNLI.tsv", "wnli", "test", 146, "class"),
    SubmissionTable("AX.tsv", "ax", "test", 1104, "word", trained_on="mnli"),
)
WORDS: Mapping[str, frozenset[str]] = {
    "rte": frozenset({"entailment", "not_entailment"}),
    "qnli": frozenset({"entailment", "not_entailment"}),
    "mnli": frozenset({"entailment", "neutral", "contradiction"}),
    "ax": frozenset({"entailment", "neutral", "contradiction"}),
}


HOW_TO_TRAIN = "'matekd-bench run --preset NAME --glue-dir DIR --methods METHOD --tasks {}' trains them."


def runs_of(
    records: Sequence[Record],
    method: str,
    seed: int,
    preset_params: Callable[[Record], PresetParams] | None = None,
) -> list[Record]:
    """Return the runs of a method with one seed that have a score.

    `method` is a variant, a name as in tables, or a method with one variant. `preset_params` are the parameters that
    the preset of a run's study set. Raises ResultsError if no run has a score, and UsageError if there is no such run
    or if several variants of the method have one.
    """
    scored = [run for run in records if run.task_score is not None]
    if not scored:
        raise ResultsError("no run is recorded:", hint=HOW_TO_TRAIN.format("glue"))
    of_seed = [run for run in scored if run.identity.seed == seed]
    variants = variants_called(method, row_names(of_seed, preset_params).values())
    if not variants:
        known = [f"{run.identity.variant}, {run.identity.seed}" for run in scored]
        raise unknown("method and seed", f"{method}, {seed}", known)
    if len(variants) > 1:
        raise UsageError(f"'{method}' has several rows: name one of {', '.join(variants)}.")
    return [run for run in of_seed if run.identity.variant == variants[0]]


def chosen_runs(runs: Sequence[Record]) -> dict[str, Record]:
    """Return one run for each task of GLUE.

    Raises UsageError for a task without a run or with two, and for a run of another task or on synthetic or partial
    data.
    """
    tasks = list(dict.fromkeys(table.source for table in TABLES))
    run_of_task: dict[str, Record] = {}
    for run in runs:
        task, data = run.identity.task, run.data
        if data.state == "mini":
            raise UsageError(
                f"run '{run.run_id}' was trained on synthetic data, but the server scores only GLUE."
            )
        if task not in tasks:
            raise UsageError(
                f"run '{run.run_id}' is a run of task '{task}', which is not part of a submission."
            )
        if task in run_of_task:
            raise UsageError(
                f"task {task} has two runs, '{run_of_task[task].run_id}' and '{run.run_id}'.",
                hint="Name a results folder with only one of them, or move the other's folder out of 'runs/'.",
            )
        if data.state != "official" or data.eval_on != "dev":
            raise UsageError(
                f"run '{run.run_id}' was trained on partial data ({data.state_text}), so it is not a GLUE result."
            )
        run_of_task[task] = run
    if missing := [task for task in tasks if task not in run_of_task]:
        raise UsageError(
            f"a submission needs all {len(tasks)} tasks, but there is no run of {', '.join(missing)}.",
            hint=HOW_TO_TRAIN.format(",".join(missing)),
        )
    return run_of_task


def write_submission(
    path: Path,
    runs: Sequence[Record],
    stores: Mapping[str, ResultsStore],
    tasks: Mapping[str, Task],
    *,
    device: str = "auto",
    glue_dir: Path | None = None,
) -> dict[str, str]:
    """Have the kept students of `runs` answer GLUE's test splits, write the zip, and return the run of each table.

    `stores` are the results folders by run id, `tasks` the installed tasks. Raises UsageError for a file that is no
    zip, and like `chosen_runs`, `file_text` and `zipped`; the file is written whole or not at all.
    """
    if path.suffix.lower() != ".zip":
        raise UsageError(f"'{path}' must be a .zip file.")
    check_folder_of(path)
    chosen = chosen_runs(runs)
    students = {
        task: StudentPredictor(run, stores[run.run_id].root, device) for task, run in sorted(chosen.items())
    }
    texts = {}
    for table in TABLES:
        examples = read_split(tasks[table.task], table.split, chosen[table.source], glue_dir)
        texts[table.file] = file_text(table, students[table.source].answer(examples.texts))
    write_atomically(path, zipped(texts))
    return {table.file: chosen[table.source].run_id for table in TABLES}


def file_text(table: SubmissionTable, answers: StudentAnswers) -> str:
    """Format one file: ``index<TAB>prediction``, rows numbered from 0.

    Raises DataError if the answers do not fit the table.
    """
    lines = list(_predictions(table, answers))
    if len(lines) != table.rows:
        raise DataError(
            f"{table.file} needs {table.rows} rows, but the test split has {len(lines)}: it is partial."
        )
    return "".join(
        ["index\tprediction\n", *(f"{index}\t{prediction}\n" for index, prediction in enumerate(lines))]
    )


def _predictions(table: SubmissionTable, answers: StudentAnswers) -> Iterator[str]:
    """Yield each prediction in the form of the table; raise DataError for other classes or scores."""
    if table.written == "score":
        if answers.labels:
            raise DataError(f"{table.file} needs scores, but the run has classes.")
        yield from (_score(table, value) for value in answers.scores)
    elif table.written == "class":
        if len(answers.labels) != 2:
            raise DataError(f"{table.file} needs two classes, but the run has {len(answers.labels)}.")
        yield from map(str, answers.classes)
    else:
        if set(answers.labels) != WORDS[table.task]:
            raise DataError(
                f"{table.file} needs {', '.join(sorted(WORDS[table.task]))}, not {answers.labels}."
            )
        yield from (answers.labels[class_id] for class_id in answers.classes)


def _score(table: SubmissionTable, value: float) -> str:
    """Format a score, clipped to the range of the labels; raise DataError for NaN."""
    if value != value:  # NaN
        raise DataError(f"{table.file}: a prediction is not a number.")
    return f"{min(max(value, MIN_SCORE), MAX_SCORE):.3f}"


def zipped(texts: Mapping[str, str]) -> bytes:
    """Pack the files into one zip; equal texts give equal bytes. Raises DataError if a file is missing."""
    if missing := [table.file for table in TABLES if table.file not in texts]:
        raise DataError(f"no predictions for {', '.join(missing)}.")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for table in TABLES:
            entry = zipfile.ZipInfo(table.file, ZIP_DATE)
            archive.writestr(entry, texts[table.file].encode(), zipfile.ZIP_DEFLATED)
    return content.getvalue()

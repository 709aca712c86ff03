"""The record of a finished run, schema `matekd.run/2`: its fields, and how it is written and read."""

from __future__ import annotations

import json
from typing import Annotated, Final, Literal, NoReturn

from pydantic import Field, ValidationError, model_validator

from matekd_bench.errors import ResultsError, first_problem
from matekd_bench.results.records.code_record import Code
from matekd_bench.results.records.field_types import (
    Amounts,
    Count,
    Counts,
    Fraction,
    Identifier,
    PlainJson,
    PrintableText,
    RecordPart,
    Seconds,
    Settings,
    TextMap,
)
from matekd_bench.results.records.score_item import ScoreItem as ScoreItem
from matekd_bench.results.records.score_item import Selection as Selection
from matekd_bench.results.records.score_item import SplitInfo as SplitInfo
from matekd_bench.results.records.set_scores import SetScores
from matekd_bench.tasks.task import DataState

SCHEMA: Final = "matekd.run/2"

OMITTED_DEFAULTS: Final = {  # fields of `compute` that are not written with these values
    "resumed": 0,
    "micro_batch": None,
    "deterministic": False,
    "processes": 1,
}
Status = Literal["ok", "collapsed", "diverged", "failed"]


class Identity(RecordPart):
    """Method, task, seed and protocol of the run. `variant` is its name in tables, such as ``eda[alpha=0.2]``."""

    method: PrintableText
    variant: PrintableText
    method_version: PrintableText
    params: Settings
    role: Literal["baseline", "ablation", "method"]
    ranked: bool
    task: PrintableText
    seed: Count
    preset: PrintableText
    protocol_id: PrintableText


class Standardization(RecordPart):
    """Mean and population standard deviation of the training scores, by which a regression is standardized."""

    mean: float
    sd: Annotated[float, Field(gt=0)]


class Data(RecordPart):
    """The data of the run.

    `labels` are the label names in class-id order. `majority_score` is the task score of always predicting the
    majority class on these dev splits. `standardization` is None, and not written, for a classification.
    """

    source: PrintableText
    revision: str | None
    state: DataState
    state_text: PrintableText
    splits: dict[str, SplitInfo]
    max_length: Count
    labels: tuple[str, ...]
    notices: tuple[PrintableText, ...]
    eval_on: Literal["dev", "holdout"]
    majority_score: Fraction | None
    standardization: Standardization | None = None


class TeacherRecord(RecordPart):
    """The frozen teacher.

    `sha256` is the digest of its weights. `given` is True if the user supplied it already fine-tuned.
    `fine_tune_flops` and `fine_tune_seconds` are its cost when it was fine-tuned; 0 for a given teacher. If it answered
    beforehand, `answers` is True, `id` and `sha256` are those of the file, and `scores` are empty unless the file
    has all dev rows. `cost_beforehand` is the cost of its answers, by unit. `answers` and `cost_beforehand` are not
    written for other teachers.
    """

    id: PrintableText
    revision: str | None
    sha256: str
    scores: tuple[ScoreItem, ...]
    task_score: Fraction | None
    label_map_checked: bool
    given: bool
    fine_tune_flops: Count
    fine_tune_seconds: Seconds
    answers: bool = Field(default=False, exclude_if=lambda answers: not answers)
    cost_beforehand: Amounts = Field(default_factory=dict, exclude_if=lambda cost: not cost)


class StudentRecord(RecordPart):
    """The student: digest of its initial weights, and the layers kept of the checkpoint (None: all).

    `revision` is the commit of a checkpoint from the Hub; None, and not written, for others.
    """

    id: PrintableText
    sha256: str
    layers: tuple[int, ...] | None
    parameters: Count
    revision: str | None = None


class Perturber(RecordPart):
    """The method's own module and external resources.

    `parameters` and `trainable` are parameter counts. `resources` maps the name of a resource to its version.
    `cost_beforehand` is what the resources cost before the study, by unit; not written if nothing is known.
    """

    parameters: Count
    trainable: Count
    resources: TextMap
    cost_beforehand: Amounts = Field(default_factory=dict, exclude_if=lambda cost: not cost)


class BudgetRecord(RecordPart):
    """The budget of the run: its limit and the amount spent, in units of `kind`."""

    kind: str
    limit: Count
    spent: Count


class Compute(RecordPart):
    """The cost of the run.

    `auxiliary_updates` are updates of the method's own module. `forwards` and `backwards` are counts per model.
    `resumed` counts how often the run resumed from a checkpoint. `micro_batch` is the number of rows per pass if
    memory was too small for the number in `hparams`. `deterministic` is True if only bit-reproducible kernels were
    used. `processes` is the number of processes that trained the run together. These last four are written only if
    they differ from their defaults.
    """

    student_updates: Count
    auxiliary_updates: Count
    clean_examples: Count
    perturbed_examples: Count
    real_tokens: Count
    padded_tokens: Count
    forwards: Counts
    backwards: Counts
    train_flops: Count
    precompute_flops: Count
    train_seconds: Seconds
    eval_seconds: Seconds
    precompute_seconds: Seconds
    peak_memory_bytes: Count | None
    device: str
    precision: str
    threads: Count | None
    resumed: Count = 0
    micro_batch: Count | None = None
    deterministic: bool = False
    processes: Annotated[int, Field(ge=1)] = 1


class SelectionRule(RecordPart):
    """The evaluation that gives the score: the last. `best_eval` (from 1) is the best on dev, for comparison."""

    rule: Literal["last"]
    evals: Count
    best_eval: Count | None


class TaskScore(RecordPart):
    """The task score at the last evaluation and at the best one on dev; `optimism` is best_dev - last."""

    last: Fraction
    best_dev: Fraction
    optimism: float
    xfit: Fraction | None


class EvaluationRecord(RecordPart):
    """One evaluation: its number from 1, the update after which it ran, the task score and the training loss."""

    eval: Count
    update: Count
    score: Fraction
    train_loss: float | None


class TrialRecord(RecordPart):
    """One tuning trial: its run, learning rate and changed parameters.

    `score` is the task score on the holdout at the last evaluation, None if the trial failed.
    """

    trial: Count
    run_id: Identifier
    status: Status
    lr: float
    params: Settings
    score: Fraction | None
    train_flops: Count
    train_seconds: Seconds


class Tuning(RecordPart):
    """The tuning of a run: its trials, the number of the chosen trial, and the rows of the holdout.

    The first trial has the settings as the user gave them. The chosen trial has the highest score; of equal scores
    the earliest.
    """

    chosen: Count
    holdout_n: Count
    trials: tuple[TrialRecord, ...]

    @property
    def chosen_trial(self) -> TrialRecord:
        """The trial whose settings the run used."""
        return next(trial for trial in self.trials if trial.trial == self.chosen)


class PredictionsFile(RecordPart):
    """Path of the predictions relative to the run's folder, and the SHA-256 of that file."""

    path: str
    sha256: str


class SeedPlan(RecordPart):
    """The seeds that a study planned: `count` seeds from `first` on."""

    first: Count
    count: Annotated[int, Field(ge=1)]

    @property
    def seeds(self) -> range:
        """The planned seeds."""
        return range(self.first, self.first + self.count)


class Provenance(RecordPart):
    """Origin of the record: the command, the git commit if known, and the time in UTC (ISO 8601).

    `seed_plan` are the seeds that the study planned when it trained the run; None, and not written, in older records
    and for trials of a tuning.
    """

    command: PrintableText
    git_commit: str | None
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$")]
    # omitted from every dump, so that older records keep their text and digests
    seed_plan: SeedPlan | None = Field(default=None, exclude_if=lambda plan: plan is None)


class Record(RecordPart):
    """A finished run.

    A failed run has a reason and no scores. Every other run has both `scores` and `task_score`. `teacher` and
    `student` are None only if the run failed before they existed. `code` is the code of the method, and of the method
    that it wraps; older records have none. `also` holds the scores on further sets, if the study asked for any.
    `tuning` is None, and not written, for a run with the settings that the user
    gave.
    """

    schema_: Literal["matekd.run/2"] = Field(default=SCHEMA, alias="schema")
    run_id: Identifier
    status: Status
    reason: PrintableText | None
    identity: Identity
    code: Code = ()
    seeds: Counts
    data: Data
    teacher: TeacherRecord | None
    student: StudentRecord | None
    perturber: Perturber | None
    hparams: Settings
    budget: BudgetRecord
    compute: Compute
    selection: SelectionRule
    tuning: Tuning | None = None
    scores: tuple[ScoreItem, ...]
    task_score: TaskScore | None
    curve: tuple[EvaluationRecord, ...]
    diagnostics: Annotated[dict[str, float | None], PlainJson]
    # left out of every dump without such sets, so that other records keep their text
    also: tuple[SetScores, ...] = Field(default=(), exclude_if=lambda sets: not sets)
    predictions: PredictionsFile | None
    env: TextMap
    provenance: Provenance

    @property
    def last_score(self) -> float | None:
        """The task's score at the last evaluation; None for a failed run."""
        return None if self.task_score is None else self.task_score.last

    @model_validator(mode="after")
    def _check_chosen_trial(self) -> Record:
        if self.tuning is not None and self.tuning.chosen not in {
            trial.trial for trial in self.tuning.trials
        }:
            raise ValueError(f"the chosen trial {self.tuning.chosen} is not among the trials")
        return self

    @model_validator(mode="after")
    def _check_status_and_scores(self) -> Record:
        if self.status == "failed":
            if self.scores or self.task_score is not None or not self.reason:
                raise ValueError("a failed run must have a reason and no scores")
        elif not self.scores or self.task_score is None or self.teacher is None or self.student is None:
            raise ValueError(
                f"a run with status '{self.status}' must have scores, a task score, a teacher and a student"
            )
        return self


def to_json(record: Record) -> str:
    """Write the record as text: fields in the schema's order, mappings sorted, one final newline.

    Equal records give equal text.
    """
    plain = record.model_dump(mode="json", by_alias=True)
    for part in (plain["data"], *plain.get("also", ())):
        part["splits"] = dict(sorted(part["splits"].items()))
        for split in part["splits"].values():
            if split["unlabeled"] == 0:
                del split["unlabeled"]
    for name, default in OMITTED_DEFAULTS.items():  # records older than these fields keep their text
        if plain["compute"][name] == default:
            del plain["compute"][name]
    if not plain["code"]:
        del plain["code"]
    if plain["tuning"] is None:
        del plain["tuning"]
    if plain["data"]["standardization"] is None:
        del plain["data"]["standardization"]
    if plain["student"] is not None and plain["student"]["revision"] is None:
        del plain["student"]["revision"]
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str | bytes) -> Record:
    """Read a record from text, or from its UTF-8 bytes.

    Raises ResultsError with a one-line message that names the fault: not JSON, another schema, NaN, or a field that
    is unknown, missing or of the wrong type. Values are never converted to another type.
    """
    try:
        record = Record.model_validate_json(text, strict=True)
    except ValidationError as error:
        _check_schema(text)
        raise ResultsError(f"damaged record: {first_problem(error, Record).sentence('field')}") from error
    # `schema` has a default for records made in Python; a text has to contain it.
    if "schema_" not in record.model_fields_set:
        _check_schema(text)
    return record


def _check_schema(text: str | bytes) -> None:
    """Raise ResultsError if `text` is not JSON or has another schema; these errors are clearer than pydantic's."""
    try:
        plain = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"damaged record: not JSON ({error}).") from error
    if not isinstance(plain, dict) or "schema" not in plain:
        raise ResultsError(f"not a record: no field 'schema' ('{SCHEMA}' is expected).")
    if plain["schema"] != SCHEMA:
        raise ResultsError(
            f"unknown record schema {plain['schema']!r}: this version reads '{SCHEMA}'.",
            hint=(
                "Version 0.1 wrote it: train the run again."
                if plain["schema"] == "matekd.run/1"
                else "A newer matekd-bench may have written it."
            ),
        )


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")

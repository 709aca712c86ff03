"""The record of a finished run, schema `matekd.run/2`: what it holds, how it is written and read."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from matekd_bench.errors import ResultsError
from matekd_bench.files.hashing import canonical
from matekd_bench.tasks.task import DataState

SCHEMA: Final = "matekd.run/2"

RARE: Final = {  # left out of the text with these values
    "resumed": 0,
    "micro_batch": None,
    "deterministic": False,
    "processes": 1,
}
Status = Literal["ok", "collapsed", "diverged", "failed"]
Selection = Literal["last", "best_dev"]
SIMPLE = frozenset({str, int, bool, type(None)})


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """`value` as JSON gives it back, keys sorted; NaN, infinity and what JSON has no word for are errors."""
    if all(type(key) is str and _simple(one) for key, one in value.items()):
        return dict(sorted(value.items()))  # what the lines below come to, in a tenth of the time
    try:
        return dict(json.loads(canonical(value)))
    except TypeError as error:
        raise ValueError(str(error)) from error


def _simple(value: Any) -> bool:
    return type(value) in SIMPLE or (type(value) is float and math.isfinite(value))


def _shown(value: str) -> str:
    """`value` with a sign in place of what would steer a terminal, break a line or turn the writing's direction."""
    if value.isprintable():
        return value
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in value)


Shown = Annotated[str, AfterValidator(_shown)]
Plain = AfterValidator(_plain)
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
# A mean of correlations can exceed 1 by a rounding error; 1.5 or 88 cannot be a fraction.
Fraction = Annotated[float, Field(ge=-1 - 1e-6, le=1 + 1e-6)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
Settings = Annotated[dict[str, Any], Plain]
Counts = Annotated[dict[str, Count], Plain]
Names = Annotated[dict[str, str], Plain]


class RecordPart(BaseModel):
    """Base of every part of a record: frozen, unknown fields refused, no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Identity(RecordPart):
    """Which run this is. `variant` is the canonical text shown in tables, e.g. ``eda[alpha=0.2]``."""

    method: Shown
    variant: Shown
    method_version: Shown
    params: Settings
    role: Literal["baseline", "ablation", "method"]
    ranked: bool
    task: Shown
    seed: Count
    preset: Shown
    protocol_id: Shown


class SplitInfo(RecordPart):
    """One split as it was used: rows, rows of the official split, SHA-256 of its uids, texts and labels."""

    n: Count
    official_n: Count
    digest: str


class Data(RecordPart):
    """The data of the run.

    `labels` are in class-id order; `majority_score` is the majority class's task score on these dev splits.
    """

    source: Shown
    revision: str | None
    state: DataState
    state_text: Shown
    splits: dict[str, SplitInfo]
    max_length: Count
    labels: tuple[str, ...]
    notices: tuple[Shown, ...]
    eval_on: Literal["dev", "holdout"]
    majority_score: Fraction | None


class ScoreItem(RecordPart):
    """One metric's value on one split of n examples: a fraction, never percent."""

    split: str
    selection: Selection
    metric: str
    value: Fraction
    n: Count


class TeacherRecord(RecordPart):
    """The frozen teacher; `given` says that the user brought it fine-tuned, `sha256` is of its weights.

    `fine_tune_flops` and `fine_tune_seconds` are what its fine-tuning cost when it was made: 0 for a given one.
    """

    id: Shown
    revision: str | None
    sha256: str
    scores: tuple[ScoreItem, ...]
    task_score: Fraction | None
    label_map_checked: bool
    given: bool
    fine_tune_flops: Count
    fine_tune_seconds: Seconds


class StudentRecord(RecordPart):
    """The student; `sha256` is of its initial weights, `layers` those kept of the checkpoint (None: all)."""

    id: Shown
    sha256: str
    layers: tuple[int, ...] | None
    parameters: Count


class Perturber(RecordPart):
    """The method's own module (parameter counts) and the external resources it used, name to version."""

    parameters: Count
    trainable: Count
    resources: Names


class BudgetRecord(RecordPart):
    """What the run was allowed and what it spent, in units of `kind`."""

    kind: str
    limit: Count
    spent: Count


class Compute(RecordPart):
    """What the run cost. `auxiliary_updates` are the method's own; forwards and backwards are per model.

    `resumed` counts how often it went on from a checkpoint; `micro_batch` is the number of rows per pass it had to
    come down to where memory was too small for what `hparams` say; `deterministic` that only kernels were used that
    give the same bits every time; `processes` is the number of processes that trained the run together. The text
    leaves all four out where they say nothing.
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
    """How an evaluation becomes the score: the last one; `best_eval` (from 1) is the best on dev, for comparison."""

    rule: Literal["last"]
    evals: Count
    best_eval: Count | None


class TaskScore(RecordPart):
    """The task's score at the last evaluation and at the best on dev; optimism = best_dev - last."""

    last: Fraction
    best_dev: Fraction
    optimism: float
    xfit: Fraction | None


class EvaluationRecord(RecordPart):
    """One evaluation of the run: its number from 1, the update it followed, task score, training loss."""

    eval: Count
    update: Count
    score: Fraction
    train_loss: float | None


class TrialRecord(RecordPart):
    """One setting that was tried: the run that tried it, its learning rate, the parameters that it changed.

    `score` is the task's at the last evaluation on the holdout, None where the run failed.
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
    """How the settings of a tuned run were chosen: the trials, the number of the chosen one, the holdout's rows.

    The first trial has the settings as they were given. The chosen one has the highest score; the earlier of equals.
    """

    chosen: Count
    holdout_n: Count
    trials: tuple[TrialRecord, ...]

    @property
    def pick(self) -> TrialRecord:
        """The chosen trial."""
        return next(trial for trial in self.trials if trial.trial == self.chosen)


class PredictionsFile(RecordPart):
    """Where the per-evaluation predictions lie, relative to the run's folder, and the SHA-256 of that file."""

    path: str
    sha256: str


class Provenance(RecordPart):
    """Who made this: the command, the git commit if known, and the moment in UTC (ISO 8601)."""

    command: Shown
    git_commit: str | None
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$")]


class Record(RecordPart):
    """A finished run. A failed one has no scores but a reason; every other one has both kinds of score.

    `teacher` and `student` are None only where a run failed before they existed. `tuning` is None, and the text leaves
    it out, where settings are as they were given.
    """

    schema_: Literal["matekd.run/2"] = Field(default=SCHEMA, alias="schema")
    run_id: Identifier
    status: Status
    reason: Shown | None
    identity: Identity
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
    diagnostics: Annotated[dict[str, float | None], Plain]
    predictions: PredictionsFile | None
    env: Names
    provenance: Provenance

    @model_validator(mode="after")
    def _one_trial_was_chosen(self) -> Record:
        if self.tuning is not None and self.tuning.chosen not in {
            trial.trial for trial in self.tuning.trials
        }:
            raise ValueError(f"trial {self.tuning.chosen} was chosen and is not among the trials")
        return self

    @model_validator(mode="after")
    def _status_and_scores_agree(self) -> Record:
        if self.status == "failed":
            if self.scores or self.task_score is not None or not self.reason:
                raise ValueError("a failed run has a reason and no scores")
        elif not self.scores or self.task_score is None or self.teacher is None or self.student is None:
            raise ValueError(
                f"a run with status '{self.status}' has scores, a task score, teacher and student"
            )
        return self


def to_json(record: Record) -> str:
    """The record as text: fields in the schema's order, mappings sorted, one final newline.

    Equal records give equal text.
    """
    plain = record.model_dump(mode="json", by_alias=True)
    plain["data"]["splits"] = dict(sorted(plain["data"]["splits"].items()))
    for rare, nothing in RARE.items():  # so that earlier records keep their text
        if plain["compute"][rare] == nothing:
            del plain["compute"][rare]
    if plain["tuning"] is None:
        del plain["tuning"]
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Record:
    """The record that `text` holds.

    Raises ResultsError, one line that names what is wrong: not JSON, another schema, a field that is unknown,
    missing or of the wrong type, NaN. Nothing is coerced.
    """
    try:
        found = Record.model_validate_json(text, strict=True)
    except ValidationError as error:
        _check_schema(text)
        raise ResultsError(f"damaged record: {_first_fault(error)}.") from error
    if (
        "schema_" not in found.model_fields_set
    ):  # a default fills it in where a record is made, not where it is read
        _check_schema(text)
    return found


def _check_schema(text: str) -> None:
    try:
        plain = json.loads(text, parse_constant=_refuse)
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


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _first_fault(error: ValidationError) -> str:
    """The first of the errors pydantic found, and how many more there are, in one line."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    place = ".".join(str(part) for part in faults[0]["loc"])
    match faults[0]["type"]:
        case "missing":
            said = f"field '{place}' is missing"
        case "extra_forbidden":
            said = f"unknown field '{place}'"
        case _:
            message = " ".join(faults[0]["msg"].removeprefix("Value error, ").split())
            said = f"field '{place}': {message}" if place else message
    more = len(faults) - 1
    return f"{said} (and {more} more)" if more else said

"""Everything that a study is asked to do, as two checked models: what to compare, and how to execute it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from matekd_bench.distill.settings import (
    MOST_ROWS,
    Budget,
    GeneratorSettings,
    Settings,
    StudentSettings,
    TeacherSettings,
    Training,
    check_warm_up,
)
from matekd_bench.results.store import RESULTS

MOST_PROCESSES = 1024  # of one run, and its CPU threads
HomePath: TypeAlias = Annotated[Path, AfterValidator(Path.expanduser)]  # `~` is the home folder


class StudySpec(Settings):
    """What a study compares: methods, tasks, models, training. With the models' content it determines every number."""

    preset: str
    summary: str = ""
    methods: str
    """Methods to compare, in the grammar of ``--methods``."""
    tasks: str
    """Tasks and suites, separated by commas."""
    reference: str = "kd"
    """The method that others are compared with; with `none` no row is the reference."""
    glue_dir: HomePath | None = None
    """GLUE folder to read tasks from; None means the Hub."""
    stand_ins: bool = False
    """If true, each GLUE task is replaced by its synthetic stand-in from mini-GLUE."""
    also: str | None = Field(default=None, exclude_if=lambda text: text is None)
    """Sets that students are scored on at the end, besides dev, separated by commas; no part of any identity."""
    also_dir: HomePath | None = Field(default=None, exclude_if=lambda path: path is None)
    """Folder of such sets, with a sub-folder for each; None: the Hub."""
    teacher: TeacherSettings
    teacher_answers: HomePath | None = Field(default=None, exclude_if=lambda path: path is None)
    """File of the teacher's answers to the rows, used instead of a teacher's checkpoint."""
    student: StudentSettings
    generator: GeneratorSettings | None = None
    training: Training
    budget: Budget
    seeds: int = Field(default=1, ge=1, le=1000)
    first_seed: int = Field(default=0, ge=0, le=2**31)
    threads: int | None = Field(default=None, ge=1, le=MOST_PROCESSES)
    """CPU threads of a run; they change the last bits of its results."""
    deterministic: bool = False
    """If true, only kernels run that always give the same bits; on a GPU other kernels are faster."""
    limit_train: int | None = Field(default=None, ge=1, le=MOST_ROWS)
    limit_eval: int | None = Field(default=None, ge=1, le=MOST_ROWS)
    eval_on: Literal["dev", "holdout"] = "dev"
    tune: int | None = Field(default=None, ge=2, le=256)
    """Tuning trials of every method on a holdout of train; the first keeps the given settings. None: no tuning."""
    keep: Literal["last", "none"] = "last"
    """`last` keeps the student from the end of each run, `none` keeps no student; not part of any identity."""
    sets: dict[str, str] = Field(default_factory=dict)
    """Parameters of methods, by `METHOD.PARAMETER`; ignored for methods that are not in the study."""
    set_by_user: tuple[str, ...] = ()
    """The keys of `sets` that the preset sets differently or not at all; tuning leaves these parameters alone."""

    @field_validator("sets", mode="before")
    @classmethod
    def _flatten_sets(cls, sets: Any) -> Any:
        """Accept a table for each method, and numbers and booleans as values."""
        return flattened(sets) if isinstance(sets, Mapping) else sets

    @model_validator(mode="after")
    def _check_warm_up(self) -> StudySpec:
        check_warm_up(self.training.optimizer, self.budget.kind)
        return self


class Resources(Settings):
    """The resources that one run requests from a cluster, in addition to its CPU threads."""

    cpus: float = Field(default=1.0, gt=0)
    """CPU cores of a run on a GPU; a run on a CPU requests as many cores as it has threads."""
    gpus: float = Field(default=1.0, gt=0)
    """Share of a GPU that a run takes, if the study runs on GPUs."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Main memory of a run in GiB; None means no limit."""


class Execution(Settings):
    """How a study is executed: where, how many runs at a time, which part of it. Not part of any identity."""

    results: HomePath = RESULTS
    """The results folder."""
    device: str = "auto"
    jobs: str | None = None
    """Number of runs at a time on this machine, or `auto`; None means 1."""
    processes: int | None = Field(default=None, ge=1, le=MOST_PROCESSES)
    """Processes that train each run together; None means the number set by a launcher such as torchrun, else 1."""
    executor: Literal["local", "ray"] = "local"
    ray_address: str = "auto"
    resources: Resources = Resources()
    shard: str | None = None
    """The part of the grid to train, as `I/N`; None means all of it, or the part that Slurm assigns."""
    fail_fast: bool = False
    """If true, the study ends with the first run that fails."""
    track: str | None = None
    """Names of trackers, separated by commas."""

    @field_validator("jobs", mode="before")
    @classmethod
    def _check_jobs(cls, jobs: Any) -> str | None:
        """Accept a number, as in a config file, and the text of an option."""
        if jobs is None:
            return None
        text = jobs if isinstance(jobs, str) else json.dumps(jobs, default=str)
        if text != "auto" and not (text.isdecimal() and int(text) >= 1):
            raise ValueError("it should be a number of runs, at least 1, or auto")
        return text


def setting_keys() -> list[str]:
    """Return the dotted keys of all settings that are not tables, in their order."""
    return [key for model in (StudySpec, Execution) for key in _leaf_keys(model, "")]


def _leaf_keys(model: type[Settings], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        tables = [kind for kind in kinds if issubclass(kind, Settings)]
        if tables:
            yield from _leaf_keys(tables[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def flattened(sets: Mapping[str, Any]) -> dict[str, str]:
    """Return the values in nested tables as text, by dotted name."""
    return dict(_flat_items(sets, ""))


def _flat_items(sets: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in sets.items():
        if isinstance(value, Mapping):
            yield from _flat_items(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, default=str)

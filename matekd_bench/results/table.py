"""What a leaderboard consists of: plain data, made by `leaderboard.build`, shown by `render` and `export`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA = "matekd.leaderboard/1"


@dataclass(frozen=True)
class Cell:
    """One method on one task. Scores are fractions, taken at the last look.

    `mean` and `sd` (ddof 1) are over the `n` seeds that have a score, collapsed and diverged ones included;
    `sd` is None below two seeds. `delta` is the mean difference to the control over the `delta_n` common
    seeds, None where there is none, where the task is uninformative or the row is not compared.
    """

    n: int
    mean: float | None
    sd: float | None
    delta: float | None
    delta_n: int
    optimism: float | None
    n_failed: int = 0
    n_collapsed: int = 0
    n_diverged: int = 0


@dataclass(frozen=True)
class Column:
    """One task under one data set and one teacher: what makes its cells comparable.

    `name` is the task's, with a number where one protocol holds several data sets or teachers for it.
    `uninformative` is the reason why nothing may be concluded from the column, None where something may.
    """

    name: str
    task: str
    title: str
    metrics: tuple[str, ...]
    source: str
    data_state: str
    official: bool  # complete official data, scored on dev
    eval_on: Literal["dev", "holdout"]
    eval_rows: Mapping[str, int]  # split -> examples scored
    budget: tuple[int, ...]  # the limits that runs had, in units of the table's budget kind
    teacher: str | None
    teacher_sha256: str | None
    teacher_score: float | None
    majority_score: float | None
    uninformative: str | None
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What a row's runs cost: means over seeds, then over tasks.

    `flops_x_control` is the FLOPs of training and preparation over the control's, summed over common runs.
    """

    student_updates: float
    own_updates: float
    train_seconds: float
    train_flops: float
    flops_x_control: float | None


@dataclass(frozen=True)
class Row:
    """One method variant in one version. `label` is its variant, with the version where there are several.

    `delta` is the mean of the cells' differences, None unless there is one for every informative column;
    `scores` holds `glue8` and `glue9` where all their tasks are there with official data.
    """

    label: str
    method: str
    variant: str
    method_version: str
    params: Mapping[str, Any]
    control: bool
    ranked: bool
    cells: Mapping[str, Cell]  # column name -> cell
    cost: Cost | None  # None: no run has a score
    delta: float | None
    scores: Mapping[str, float]
    glue_tasks: int  # tasks of glue8 that this row has complete
    devices: tuple[str, ...]
    students: tuple[str, ...]
    bench_versions: tuple[str, ...]
    runs_digest: str  # of the records the row is computed from


@dataclass(frozen=True)
class Table:
    """The rows of one protocol: only these are compared with each other.

    `control` is the label of the row that others are compared with, None where it is absent. `glue_tasks` is
    how many tasks of `glue8` are official and informative, None where no GLUE task is shown. `seeds` is the
    largest number of seeds in a cell.
    """

    protocol_id: str
    presets: tuple[str, ...]
    budget_kinds: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    control: str | None
    seeds: int
    glue_tasks: int | None
    notes: tuple[str, ...]

    @property
    def informative(self) -> tuple[Column, ...]:
        """The columns that a mean over tasks may use."""
        return tuple(column for column in self.columns if column.uninformative is None)


@dataclass(frozen=True)
class Leaderboard:
    """One table per protocol."""

    tables: tuple[Table, ...]

"""Holds the data of a leaderboard: tables, rows, columns and cells, built in `build.py` and shown by the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from matekd_bench.files.hashing import lines_digest
from matekd_bench.tasks.task import BY_ROW_COUNTS

if TYPE_CHECKING:
    from matekd_bench.methods.typed_names import TypedName
    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.stats.intervals import Interval
    from matekd_bench.results.stats.power import Power
    from matekd_bench.results.stats.summary import CellSummary, RowSummary
    from matekd_bench.results.store.planned_runs import PlannedRuns

SCHEMA = "matekd.leaderboard/2"
Role: TypeAlias = Literal["reference", "baseline", "ablation", "method"]


@dataclass(frozen=True)
class CellMarks:
    """Facts that a reader must know about a cell's runs besides their scores.

    `added_seeds` were added after the first results were seen. `answers_changed` is the difference between the answers
    and the reference's at the same seed, as a mean over common seeds; None without predictions. It is the share of dev
    examples with another label, or the mean absolute difference in standard deviations of the gold scores. `same_as` is
    the reference's label if the students are the same as its students: no label differs, and logits are equal up to
    rounding. `adversary_margin` is the mean over the `adversary_runs` that measured one; `no_adversary` of these had no
    adversary.
    """

    added_seeds: tuple[int, ...] = ()
    answers_changed: float | None = None
    same_as: str | None = None
    adversary_margin: float | None = None
    adversary_runs: int = 0
    no_adversary: int = 0


@dataclass(frozen=True)
class ScoreCell:
    """The scores of one method on one task, as fractions at the last evaluation.

    `mean` is over the `n` seeds that have a score, including collapsed and diverged runs. `delta` is the mean
    difference to the reference over the common seeds, None where `statistics.difference` is. `statuses` counts the
    runs by their status. `optimism` is the mean of the best score on dev less the last one, `best_dev` the mean of the
    best score on dev over the same seeds; both are None on a further set, which is scored once. `score_xfit` computes
    `xfit`.
    """

    n: int
    mean: float | None
    delta: float | None
    statistics: CellSummary
    statuses: Counter[str]
    optimism: float | None = None
    best_dev: float | None = None
    score_xfit: Callable[[], float | None] = field(default=lambda: None, repr=False, compare=False)
    marks: CellMarks = CellMarks()

    @property
    def xfit(self) -> float | None:
        """The mean of the cross-fitted score over the same seeds; None if a run has none.

        It needs every evaluation of every run, so it is computed only if it is shown.
        """
        return self.score_xfit()


@dataclass(frozen=True)
class TaskColumn:
    """One task with one data set and one teacher, so that the cells of the column are comparable.

    `name` is the task's name, plus a number if a protocol has several data sets or teachers for the task.
    `stands_for` is the task that a synthetic one imitates. `uninformative` is the reason why no conclusion can be drawn
    from the column, None if it is informative. `teacher_answers` is True if the teacher's answers come from a file;
    `teacher_cost` is what they cost, by unit.
    """

    name: str
    task: str
    title: str
    metrics: tuple[str, ...]
    source: str
    data_state: str
    synthetic: bool  # generated mini-GLUE data, never part of a GLUE score
    eval_on: Literal["dev", "holdout"]
    eval_rows: Mapping[str, int]  # split -> examples scored
    budget: tuple[int, ...]  # the distinct limits of the runs, in units of the table's budget kind
    teacher: str | None
    teacher_score: float | None
    majority_score: float | None
    uninformative: str | None
    notices: tuple[str, ...]
    stands_for: str | None = None
    teacher_answers: bool = False
    teacher_cost: Mapping[str, float] = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        """True if rows of the official, synthetic or user's data were left out."""
        return self.data_state not in ("official", BY_ROW_COUNTS, "mini", "own")

    @property
    def complete(self) -> bool:
        """True if all rows were used, and scored on dev."""
        return not self.partial and self.eval_on == "dev"


@dataclass(frozen=True)
class Cost:
    """The cost of a row's runs: means over seeds, then over tasks.

    `flops_x_reference` is the row's FLOPs of training and preparation divided by the reference's, both summed over
    common tasks and seeds. `peak_memory_bytes` is the maximum over the runs, None if a run did not record it.
    """

    student_updates: float
    auxiliary_updates: float
    train_seconds: float
    train_flops: float
    precompute_flops: float
    precompute_seconds: float
    eval_seconds: float
    flops_x_reference: float | None
    peak_memory_bytes: int | None

    @property
    def flops(self) -> float:
        """The FLOPs of training and preparation together."""
        return self.train_flops + self.precompute_flops


@dataclass(frozen=True)
class RowIdentity:
    """One method variant in one version.

    `params` omits parameters in which the runs of a tuned row differ. `resources` are the external ones that the method
    used, such as a thesaurus, with version and digest. `code` names the code of a method from outside matekd-bench.
    """

    name: TypedName
    version: str
    params: Mapping[str, Any]
    role: Role
    ranked: bool
    resources: str
    code: str

    @property
    def method(self) -> str:
        """The method's name, without parameters."""
        return self.name.method

    @property
    def variant(self) -> str:
        """The method with every parameter that differs from its default."""
        return self.name.variant


@dataclass(frozen=True)
class LeaderboardRow:
    """One method variant in one version.

    `label` is the variant as the user typed it, plus version, resources and code if there are several.

    `overall` are its statistics over the informative columns. `mean` is the mean over these columns, None unless
    every one has a score and no failed seed. `delta` is the mean of the cells' differences, None where
    `overall.difference` is. `scores` holds `glue8` and `glue9` if all their tasks are complete with official data,
    and `mini` if all tasks of mini-GLUE are. `scores_ci` holds their 95 % intervals over seeds, for these dev sets, as
    far as no run collapsed or diverged.

    `diagnostics` are means over seeds, then over tasks. `budget` gives the limits of the row's runs by column, in
    units of the table's budget kind. `chosen` describes the trial that tuning chose for each column.
    """

    label: str
    identity: RowIdentity
    cells: Mapping[str, ScoreCell]  # column name -> cell
    overall: RowSummary
    cost: Cost | None  # None: no run has a score
    mean: float | None
    delta: float | None
    scores: Mapping[str, float]
    scores_ci: Mapping[str, Interval]
    glue_tasks: int  # usable tasks of glue8 on which no seed of this row failed
    diagnostics: Mapping[str, float]
    budget: Mapping[str, tuple[int, ...]]
    chosen: Mapping[str, str]
    tuning_flops: float | None  # all trials of one task, mean over tasks; None: not tuned
    runs_by_column: Mapping[str, Sequence[Record]] = field(repr=False, compare=False)  # in seed order

    @property
    def runs(self) -> list[Record]:
        """The records that the row is computed from."""
        return [run for runs in self.runs_by_column.values() for run in runs]

    @property
    def runs_digest(self) -> str:
        """A digest of the records that the row is computed from, independent of their order."""
        return lines_digest(sorted(run.model_dump_json() for run in self.runs))[:16]


@dataclass(frozen=True)
class ShownPart:
    """The numbers of rows and columns that a filtered view shows, and those of the whole study."""

    rows: int
    all_rows: int
    columns: int
    all_columns: int

    @property
    def hides_tasks(self) -> bool:
        """True if columns are left out."""
        return self.columns < self.all_columns

    def __str__(self) -> str:
        return (
            f"shown: {self.rows} of {self.all_rows} methods, {self.columns} of {self.all_columns} tasks; means over "
            "tasks, costs, ranks, p values and verdicts are those of the whole study."
        )


@dataclass(frozen=True)
class LeaderboardTable:
    """The rows of one protocol, which are compared only with each other.

    `reference` is the label of the row that others are compared with, None if there is none. `seeds` is the largest
    number of seeds in a cell. `glue_tasks` counts the tasks of `glue8` with official, informative data, None if the
    table has no GLUE task. `family` lists the labels of the tested methods, `tested_baselines` those of the
    baselines, which are a family of their own. `power` gives for each column the power of the comparison with the
    median noise. `settings` are the nested settings of the protocol. `compared` counts the informative columns of the
    whole study. `part` is the part of the study that a filtered view shows, None for all of it. `tuning` describes
    how settings were chosen. `also` has a column for each further set that students were scored on, with a family of
    its own and no means over columns; None without any. `planned` counts the runs that the studies of this protocol
    planned; None if it is not known. `reference_runs` are the runs of the reference by column, also in a view that
    hides its row.
    """

    protocol_id: str
    presets: tuple[str, ...]
    budget_kinds: tuple[str, ...]
    columns: tuple[TaskColumn, ...]
    rows: tuple[LeaderboardRow, ...]
    reference: str | None
    seeds: int
    glue_tasks: int | None
    notes: tuple[str, ...]
    family: tuple[str, ...] = ()
    tested_baselines: tuple[str, ...] = ()
    power: Mapping[str, Power] = field(default_factory=dict)  # column name -> power
    settings: Mapping[str, Any] = field(default_factory=dict)
    compared: int = 0
    part: ShownPart | None = None
    tuning: str = "defaults"
    also: LeaderboardTable | None = None
    planned: PlannedRuns | None = None
    reference_runs: Mapping[str, Sequence[Record]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def with_also(self) -> tuple[LeaderboardTable, ...]:
        """This table and, if there is one, that of the further sets."""
        return (self,) if self.also is None else (self, self.also)

    @property
    def power_lines(self) -> tuple[str, ...]:
        """One line per task: the difference this design can detect, its half-widths, and the seeds to detect less."""
        from matekd_bench.results.stats.power import power_line

        return tuple(power_line(name, power, self._half_widths(name)) for name, power in self.power.items())

    def _half_widths(self, column: str) -> list[float]:
        """Return the half-widths of the intervals of a column's differences."""
        differences = [row.cells[column].statistics.difference for row in self.rows if column in row.cells]
        widths = [difference.half_width for difference in differences if difference is not None]
        return [width for width in widths if width is not None]

    def shown_cells(self, row: LeaderboardRow) -> dict[str, ScoreCell]:
        """Return the cells of a row in the columns of this table, by column; a row has those of the whole study."""
        names = (column.name for column in self.columns)
        return {name: row.cells[name] for name in names if name in row.cells}

    def missing_runs(self, row: LeaderboardRow) -> int | None:
        """Return the number of planned runs of a row's variant without a record; None if it is not known.

        Of several rows of one variant, such as those of two versions, only the first has a number above 0.
        """
        if self.planned is None:
            return None
        typed = row.identity.name.typed
        first = next(other for other in self.rows if other.identity.name.typed == typed)
        return self.planned.missing.get(typed, 0) if first.label == row.label else 0

    @property
    def tasks_of_means(self) -> str:
        """The tasks over which means are taken, in words: "3 tasks", or "all 3 tasks" if a view hides some."""
        hidden = self.part is not None and self.part.hides_tasks
        return f"{'all ' * hidden}{self.compared} tasks"

    @property
    def budgets_differ(self) -> bool:
        """True if rows had different budgets on the same task, such as `kd` and `kd@2x`."""
        limits: dict[str, set[int]] = {}
        for row in self.rows:
            for name, row_limits in row.budget.items():
                limits.setdefault(name, set()).update(row_limits)
        return any(len(column_limits) > 1 for column_limits in limits.values())

    @property
    def synthetic(self) -> bool:
        """True if any column has synthetic data."""
        return any(column.synthetic for column in self.columns)

    @property
    def informative(self) -> tuple[TaskColumn, ...]:
        """The informative columns, those that a mean over tasks uses."""
        return tuple(column for column in self.columns if column.uninformative is None)


@dataclass(frozen=True)
class LeaderboardTables:
    """One table per protocol; `differences` lists the settings in which the protocols differ, one per line."""

    tables: tuple[LeaderboardTable, ...]
    differences: tuple[str, ...] = ()

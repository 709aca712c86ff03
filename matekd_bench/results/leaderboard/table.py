"""What a leaderboard consists of: plain data, made by `leaderboard.build`, shown by `render` and `export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from matekd_bench.files.hashing import lines_digest

if TYPE_CHECKING:
    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.stats.power import Power
    from matekd_bench.results.stats.verdicts import Verdict

SCHEMA = "matekd.leaderboard/2"


@dataclass(frozen=True)
class ScoreCell:
    """One method on one task. Scores are fractions, taken at the last evaluation.

    `mean` and `sd` (ddof 1) are over the `n` seeds that have a score, collapsed and diverged ones included;
    `sd` is None below two seeds. `delta` is the mean difference to the reference over the `delta_n` common
    seeds, None where there is none, where the task is uninformative or the row is not compared.

    `ci_lo` to `ci_hi` is the 95 % interval of the mean over seeds, None below three. `delta_ci_lo`, `delta_ci_hi`,
    `p_holm` (over methods x tasks) and `verdict` are of the difference; where one is None nothing is claimed, and
    `missing` says why if a difference is there. `best_dev` and `xfit` are means over the same seeds of the score
    at the best evaluation on dev and of the cross-fitted one (None: a run has no predictions, or dev is too small).
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
    ci_lo: float | None = None
    ci_hi: float | None = None
    delta_ci_lo: float | None = None
    delta_ci_hi: float | None = None
    p_holm: float | None = None
    verdict: Verdict | None = None
    missing: str | None = None
    best_dev: float | None = None
    xfit: float | None = None


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
    complete: bool  # all rows of the official, the synthetic or the user's data, scored on dev
    synthetic: bool  # made by a generator: its score is never one of GLUE
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

    `flops_x_reference` is the FLOPs of training and preparation over the reference's, summed over common runs.
    `peak_memory_bytes` is the largest of the runs, None where a run does not know it.
    """

    student_updates: float
    auxiliary_updates: float
    train_seconds: float
    train_flops: float
    flops_x_reference: float | None
    precompute_flops: float = 0.0
    precompute_seconds: float = 0.0
    eval_seconds: float = 0.0
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class LeaderboardRow:
    """One method variant in one version. `label` is its variant, with the version where there are several.

    `delta` is the mean of the cells' differences, None unless there is one for every informative column;
    `scores` holds `glue8` and `glue9` where all their tasks are there with official data, and `mini` where those of
    mini-GLUE are; `scores_ci` their 95 % intervals over seeds, on these dev sets. `mean` is the plain mean over the
    informative columns, None unless all are there without a failed seed.

    `delta_ci_lo`, `delta_ci_hi`, `p_holm` (over the study's methods) and `verdict` are of `delta`; where they are None
    nothing is claimed, `missing` says why. The rank is between `rank_lo` and `rank_hi` (1 is best); `with_best`: the
    row cannot be told from the one with the highest mean. `delta_matched` is the difference to `matched_rival`, the
    cheapest row of the reference (`kd`, `kd@2x`, ...) that cost at least as much, with its interval.

    Described, not tested: `tasks_won`, `prob_improve` (probability of improvement), `trimmed` (mean difference
    without the outer quarters), `seed_correlation`. `diagnostics` are means over seeds, then tasks. `budget` gives
    the limits of the row's runs by column, in units of the table's budget kind. Of `params` those are left out in
    which the row's runs differ: where a row is tuned, `chosen` says what each task got.
    """

    label: str
    method: str
    variant: str
    method_version: str
    params: Mapping[str, Any]
    role: Literal["reference", "baseline", "ablation", "method"]
    ranked: bool
    cells: Mapping[str, ScoreCell]  # column name -> cell
    cost: Cost | None  # None: no run has a score
    delta: float | None
    scores: Mapping[str, float]
    glue_tasks: int  # tasks of glue8 that this row has complete
    devices: tuple[str, ...]
    students: tuple[str, ...]
    bench_versions: tuple[str, ...]
    runs: Sequence[Record] = field(repr=False, compare=False)  # that the row is computed from
    resources: str = ""  # what its methods used, e.g. a thesaurus with version and digest
    mean: float | None = None
    scores_ci: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # definition -> low, high
    delta_ci_lo: float | None = None
    delta_ci_hi: float | None = None
    p_holm: float | None = None
    verdict: Verdict | None = None
    missing: str | None = None
    rank_lo: int | None = None
    rank_hi: int | None = None
    with_best: bool | None = None  # None: no claim
    delta_matched: float | None = None
    delta_matched_ci_lo: float | None = None
    delta_matched_ci_hi: float | None = None
    matched_rival: str | None = None
    tasks_won: int | None = None
    prob_improve: float | None = None
    trimmed: float | None = None
    seed_correlation: float | None = None
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    budget: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # column name -> limits
    chosen: Mapping[str, str] = field(default_factory=dict)  # column name -> the trial that tuning chose
    tuning_flops: float | None = None  # of all trials of one task, mean over tasks; None: not tuned

    @property
    def runs_digest(self) -> str:
        """A digest of the records that the row is computed from, whatever their order."""
        return lines_digest(sorted(run.model_dump_json() for run in self.runs))[:16]


@dataclass(frozen=True)
class LeaderboardTable:
    """The rows of one protocol: only these are compared with each other.

    `control` is the label of the row that others are compared with, None where it is absent. `glue_tasks` is
    how many tasks of `glue8` are official and informative, None where no GLUE task is shown. `seeds` is the
    largest number of seeds in a cell. `family` are the labels of the rows that the study tests: its methods without
    the baselines. `power` gives for a column what the comparison with the median noise could have found. `settings`
    are what the records say of the protocol, nested. `compared` counts the informative columns of the study; `view`
    says what was left out of sight, None where nothing was. `tuning` says how settings were chosen.
    """

    protocol_id: str
    presets: tuple[str, ...]
    budget_kinds: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[LeaderboardRow, ...]
    reference: str | None
    seeds: int
    glue_tasks: int | None
    notes: tuple[str, ...]
    family: tuple[str, ...] = ()
    power: Mapping[str, Power] = field(default_factory=dict)  # column name -> power
    settings: Mapping[str, Any] = field(default_factory=dict)
    compared: int = 0
    view: str | None = None
    tuning: str = "defaults"

    @property
    def power_lines(self) -> tuple[str, ...]:
        """One line for each task: what this design could have found, and what would find more."""
        from matekd_bench.results.stats.power import power_line

        return tuple(power_line(name, found) for name, found in self.power.items())

    @property
    def budgets_differ(self) -> bool:
        """Whether some rows had another budget than others on the same task, as `kd@2x` has."""
        limits: dict[str, set[int]] = {}
        for row in self.rows:
            for name, those in row.budget.items():
                limits.setdefault(name, set()).update(those)
        return any(len(found) > 1 for found in limits.values())

    @property
    def synthetic(self) -> bool:
        """Whether any column is no real data."""
        return any(column.synthetic for column in self.columns)

    @property
    def informative(self) -> tuple[Column, ...]:
        """The columns that a mean over tasks may use."""
        return tuple(column for column in self.columns if column.uninformative is None)


@dataclass(frozen=True)
class Leaderboard:
    """One table per protocol. `differences` names the settings in which the protocols differ, one a line."""

    tables: tuple[LeaderboardTable, ...]
    differences: tuple[str, ...] = ()

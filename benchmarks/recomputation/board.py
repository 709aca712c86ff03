"""The rows of a leaderboard, computed from runs: one board per protocol."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import scipy.stats

from recomputation.comparisons import PAIRS_LEVEL, Cell, Pair, holm, ranks, scored, verdict
from recomputation.costs import costs, matched, over_cells
from recomputation.descriptions import DESCRIBED, described
from recomputation.differences import OnTask
from recomputation.folder import Run
from recomputation.glue import glue_score
from recomputation.informative import is_informative

MOST_RANKED = 60
ENDS = ("ci_lo", "ci_hi", "delta_ci_lo", "delta_ci_hi")
CELL = ("mean", "sd", "n", "delta", "n_failed", "n_collapsed", "n_diverged", *ENDS, "p_holm")
COMPARED = ("delta", "delta_ci_lo", "delta_ci_hi", "p_holm", "delta_matched", "worst_task_delta", *DESCRIBED)


class Board:
    """All runs of one protocol; `reference` is the variant that the others are compared with."""

    def __init__(self, runs: Sequence[Run], reference: str) -> None:
        self.runs, self.reference = runs, reference
        self.tasks = tuple(dict.fromkeys(run.task for run in runs))
        self.rows: dict[str, dict[str, dict[int, Run]]] = {}
        for run in runs:
            row = self.rows.setdefault(run.record["identity"]["variant"], {})
            row.setdefault(run.task, {})[run.seed] = run

    @cached_property
    def informative(self) -> tuple[str, ...]:
        return tuple(
            task for task in self.tasks if is_informative([run for run in self.runs if run.task == task])
        )

    def is_ranked(self, name: str) -> bool:
        return bool(self._identity(name)["ranked"])

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """Every row that is compared with the reference."""
        if self.reference not in self.rows:
            return {}
        names = [name for name in self.rows if name != self.reference and self.is_ranked(name)]
        return {name: self._pair(name, self.reference) for name in names}

    @cached_property
    def families(self) -> tuple[list[str], list[str]]:
        """Methods, and baselines (the rows of the reference with other budgets too), each with three runs on a task."""
        tested = [name for name in self.pairs if self._most_runs(name) >= 3]
        baselines = [name for name in tested if self._is_baseline(name)]
        return [name for name in tested if name not in baselines], baselines

    def _is_baseline(self, name: str) -> bool:
        method, reference = (re.sub(r"@[\d.]+x$", "", row) for row in (name, self.reference))
        return method in ("kd", "finetune", reference)

    def _most_runs(self, name: str) -> int:
        """The largest number of runs that the row has on an informative task, failed ones included."""
        return max((len(self.rows[name].get(task, ())) for task in self.informative), default=0)

    @cached_property
    def p_over_tasks(self) -> dict[str, float | None]:
        """Corrected p values of the rows; rows of fewer than three common seeds are in no family."""
        corrected: dict[str, float | None] = {}
        for family in self.families:
            tested = {name: self.pairs[name] for name in family}
            members = {name: p for name, p in tested.items() if p.delta is None or p.n_seeds >= 3}
            over = {name: pair.over_tasks for name, pair in members.items()}
            corrected |= holm({name: None if item is None else item.p for name, item in over.items()})
        return corrected

    @cached_property
    def p_on_tasks(self) -> dict[tuple[str, str], float | None]:
        """Corrected p values of the cells; cells of one or two common seeds are in no family."""
        corrected: dict[tuple[str, str], float | None] = {}
        for family in self.families:
            cells = {(name, task): self.pairs[name] for name in family for task in self.informative}
            members = {(name, task): pair for (name, task), pair in cells.items() if not pair.is_short(task)}
            parts = {cell: pair.parts.get(cell[1]) for cell, pair in members.items()}
            corrected |= holm({cell: None if part is None else part.p for cell, part in parts.items()})
        return corrected

    def verdict(self, name: str) -> str | None:
        return verdict(self.pairs[name].over_tasks, self.p_over_tasks.get(name))

    @cached_property
    def ranks(self) -> dict[str, tuple[int, int]]:
        names = [name for name in (*self.pairs, self.reference) if self._can_be_ranked(name)]
        if len(names) > MOST_RANKED:
            return {}
        return ranks(names, self._significant(names))

    def _can_be_ranked(self, name: str) -> bool:
        """True if the row has three seeds with predictions on every task, and no failed run."""
        cells = [self.rows.get(name, {}).get(task, {}) for task in self.informative]
        return bool(cells) and all(
            len(cell) >= 3 and all(run.is_usable and run.status != "failed" for run in cell.values())
            for cell in cells
        )

    def _significant(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Pairs (better, worse): by the verdict against the reference, or after Holm over all pairs."""
        for name in names:
            if name != self.reference and (said := self.verdict(name)) in ("better", "worse"):
                yield (name, self.reference) if said == "better" else (self.reference, name)
        compared = {pair: self._pair(*pair).over_tasks for pair in combinations(names, 2)}
        corrected = holm({pair: None if over is None else over.p for pair, over in compared.items()})
        for (one, other), p in corrected.items():
            over = compared[one, other]
            if over is not None and p is not None and p < PAIRS_LEVEL:
                yield (one, other) if over.delta > 0 else (other, one)

    def _pair(self, name: str, other: str) -> Pair:
        return Pair(self.rows[name], self.rows[other], self.informative)

    def _identity(self, name: str) -> Mapping[str, Any]:
        identity: dict[str, Any] = self._runs(name)[0].record["identity"]
        return identity

    def _runs(self, name: str) -> list[Run]:
        return [run for cell in self.rows[name].values() for run in cell.values()]

    def row(self, name: str) -> dict[str, Any]:
        """The row as the files have it, less the columns that are no numbers and no verdicts."""
        row = self.rows[name]
        counts = [len(scored(cell)) for cell in row.values()]
        definition, score, ci_lo, ci_hi = glue_score(row, self.informative)
        found: dict[str, Any] = {
            "n_tasks": sum(count > 0 for count in counts),
            "n_seeds_min": min(counts),
            **counts_of(self._runs(name)),
            "score_definition": definition, "score": score, "ci_lo": ci_lo, "ci_hi": ci_hi,
            "optimism_mean": over_cells(row, lambda run: run.optimism),
            **costs(row, self.rows.get(self.reference, {})),
            **self._compared(name),
        }  # fmt: skip
        for task in self.tasks:
            found |= {f"{task}_{key}": value for key, value in self._cell(name, task).items()}
        return found

    def _compared(self, name: str) -> dict[str, Any]:
        rank = self.ranks.get(name, (None, None))
        found: dict[str, Any] = {"rank_lo": rank[0], "rank_hi": rank[1]}
        if name not in self.pairs:
            return found | dict.fromkeys(COMPARED) | {"verdict": None if self.is_ranked(name) else "unranked"}
        pair = self.pairs[name]
        over = pair.over_tasks
        claimed = over is not None and name in self.p_over_tasks
        width = over.half_width(0.05) if over and claimed else None
        return found | {
            "delta": pair.delta,
            "delta_ci_lo": None if over is None or width is None else over.delta - width,
            "delta_ci_hi": None if over is None or width is None else over.delta + width,
            "p_holm": self.p_over_tasks.get(name),
            "verdict": self.verdict(name) if claimed else None,
            "delta_matched": matched(self.rows, name, self.reference, self.informative),
            **described(pair),
        }

    def _cell(self, name: str, task: str) -> dict[str, Any]:
        cell = self.rows[name].get(task, {})
        if not cell:
            return dict.fromkeys(CELL)
        scores = np.array([*scored(cell).values()])
        found: dict[str, Any] = {
            "mean": float(scores.mean()) if len(scores) else None,
            "sd": float(scores.std(ddof=1)) if len(scores) > 1 else None,
            "n": len(scores),
            **counts_of([*cell.values()]),
            **dict.fromkeys(("delta", *ENDS, "p_holm")),
            **dict(zip(ENDS[:2], cell_interval(cell), strict=False)),
            "verdict": None if task in self.informative else "uninformative",
        }
        if task in self.informative and name in self.pairs:
            pair = self.pairs[name]
            part, corrected = pair.parts.get(task), self.p_on_tasks.get((name, task))
            found |= {
                "delta": pair.deltas.get(task),
                "verdict": verdict(part, corrected),
                "p_holm": corrected,
            }
            found |= dict(zip(ENDS[2:], delta_interval(part), strict=False))
        return found

    def task_row(self, name: str, task: str) -> dict[str, tuple[float, ...]]:
        """The cells that only the table of a task has, by heading; empty without them."""
        cell = self.rows[name][task]
        part = self.pairs[name].parts.get(task) if name in self.pairs else None
        p = self.p_on_tasks.get((name, task))
        return {
            "95% interval": cell_interval(cell),
            "best dev": mean_of(run.best for run in cell.values()),
            "xfit": mean_of(run.xfit for run in cell.values()),
            "95% interval 2": delta_interval(part),
            "p (Holm)": () if p is None else (p,),
        }


def delta_interval(part: OnTask | None) -> tuple[float, ...]:
    """The interval of a difference on one task; none without one."""
    width = None if part is None else part.half_width(0.05)
    return () if part is None or width is None else (part.delta - width, part.delta + width)


def mean_of(values: Iterable[float | None]) -> tuple[float, ...]:
    """The mean of what there is, if there is something."""
    known = [value for value in values if value is not None]
    return (float(np.mean(known)),) if known else ()


def cell_interval(cell: Cell) -> tuple[float, ...]:
    """The t interval of a cell's mean within the metric's bounds; none where a part or all of the runs is constant."""
    scores = np.array([*scored(cell).values()])
    if len(scores) < 3 or any(run.is_constant for run in cell.values()):
        return ()
    width = scipy.stats.t.isf(0.025, len(scores) - 1) * scores.std(ddof=1) / np.sqrt(len(scores))
    names = next(iter(cell.values())).metric_names
    lowest = 0.0 if set(names) <= {"accuracy", "f1"} else -1.0
    return max(lowest, float(scores.mean() - width)), min(1.0, float(scores.mean() + width))


def counts_of(runs: Sequence[Run]) -> dict[str, int]:
    """Runs by how they ended."""
    return {
        f"n_{status}": sum(run.status == status for run in runs)
        for status in ("failed", "collapsed", "diverged")
    }

"""Checks the sets of `--also` before any training: each has students, and its rows can be perturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from matekd_bench.distill.evaluation_sets import EvaluationSet, SetEvaluator
from matekd_bench.errors import BenchError, ResultsError, UsageError
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.spelling import counted
from matekd_bench.study.plan.further_sets import check_used
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.identity import named_resources
from matekd_bench.study.plan.preflight import check_needs, row_sentences, unfit_reason


def check_sets_used(grid: Grid) -> None:
    """Raise UsageError for a set that no task of the whole study has students for."""
    first_cells = _first_cells(grid)
    sets = [evaluation_set for cell in first_cells for evaluation_set in cell.sets]
    check_used(grid.spec, grid.host, [cell.data.task for cell in first_cells], sets)


def _first_cells(grid: Grid) -> list[Cell]:
    """Return one cell of each task; all cells of a task have the same sets."""
    return list({cell.data.task.name: cell for cell in grid.cells}.values())


def set_notes(grid: Grid) -> list[str]:
    """Return what the user should know of the sets of a grid or of its shard, a sentence each.

    Raises a BenchError for rows that the method of their set cannot perturb.
    """
    notes = []
    for cell in _first_cells(grid):
        for evaluation_set in cell.sets:
            notes += [
                _rows_note(evaluation_set),
                *(f"{evaluation_set.name}: {notice}" for notice in evaluation_set.data.notices),
                *_perturbation_notes(evaluation_set, cell),
            ]
    return notes


def _rows_note(evaluation_set: EvaluationSet) -> str:
    rows = counted(sum(map(len, evaluation_set.data.dev)), "row")
    return f"students are also scored on {evaluation_set.name}: {rows}, {evaluation_set.data.state_text}"


def _perturbation_notes(evaluation_set: EvaluationSet, cell: Cell) -> Iterator[str]:
    """Check that the method can perturb the rows, and yield what it says of them."""
    if (job := evaluation_set.perturbation) is None:
        return
    method, where = job.method, f"--also '{evaluation_set.asked[0]}'"
    try:
        check_needs(method, cell.recipe)
        if "generator" in method.needs and cell.recipe.ranks.size > 1:
            raise UsageError(
                "its method needs a generator, which is not supported with several processes per run."
            )
        if (reason := unfit_reason(job, cell.data.task)) is not None:
            raise UsageError(reason)
        rows = {uid: row for split in cell.data.dev for uid, row in zip(split.uids, split.texts, strict=True)}
        sentences = row_sentences(job, rows)
        named_resources(job)
    except BenchError as error:
        raise type(error)(f"{where}: {error.message}", hint=error.hint) from error
    yield from (f"{evaluation_set.name}: {sentence}" for sentence in sentences)


def perturb_rows(cells: Sequence[Cell], evaluator: Callable[[Cell], SetEvaluator]) -> None:
    """Perturb the rows of all sets now, so that a method that fails on one costs no training.

    `evaluator` returns that of the task of a cell. Rows that a generator perturbs wait for it.
    """
    for cell in {cell.data.task.name: cell for cell in cells}.values():
        jobs = [one.perturbation for one in cell.sets if one.perturbation is not None]
        if jobs and all("generator" not in job.method.needs for job in jobs):
            evaluator(cell).prepare()


def count_unscored(cells: Sequence[Cell], store: ResultsStore) -> int:
    """Count the recorded runs that were not scored on all sets that the study asks for now."""
    return sum(not _is_scored(cell, store) for cell in cells if cell.sets)


def _is_scored(cell: Cell, store: ResultsStore) -> bool:
    try:
        recorded = {scores.name for scores in store.read(cell.run_id).also}
    except ResultsError:  # damaged since it was found
        return True
    return {evaluation_set.name for evaluation_set in cell.sets} <= recorded

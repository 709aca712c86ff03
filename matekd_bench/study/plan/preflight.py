"""What is checked before anything is trained: vocabularies, mask tokens, and the labels of given teachers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matekd_bench.distill.artifacts.task_assets import Recipe, TaskAssets
from matekd_bench.distill.models.tokenizers import check_vocabularies, names_mask, tokens_of
from matekd_bench.errors import CheckpointError, UsageError
from matekd_bench.methods.method import Method
from matekd_bench.study.plan.grid import Cell

NEEDS = frozenset({"generator", "one-vocabulary", "mask-token", "thesaurus"})


def check_methods(cells: Sequence[Cell], *, quick: bool = False) -> None:
    """Raises a BenchError for the first method whose needs the models do not meet, or that does not suit its task.

    With `quick` a tokenizer is loaded only where its files leave something open.
    """
    for cell in {
        (id(cell.recipe), cell.job.method.name, cell.job.method.needs): cell for cell in cells
    }.values():
        check_needs(cell.job.method, cell.recipe, quick=quick)
    for cell in {(cell.job.variant, cell.data.task.name): cell for cell in cells}.values():
        reason = cell.job.method.unfit(cell.job.params, cell.data.task)
        if reason is not None:
            raise UsageError(f"method '{cell.job.variant}' on task '{cell.data.task.name}': {reason}")


def check_given_teachers(cells: Sequence[Cell], assets: Callable[[Cell], TaskAssets]) -> None:
    """Loads every teacher that was given fine-tuned: a CheckpointError where its outputs or labels do not fit.

    `assets` gives what the runs on a cell's task share.
    """
    for cell in {cell.data.task.name: cell for cell in cells}.values():
        if cell.recipe.teacher.classifies:
            _ = assets(cell).teacher  # checks number, names and order of its labels


def check_needs(method: Method, recipe: Recipe, *, quick: bool = False) -> None:
    """Raises an error unless the study's models offer what a method's record says it needs."""
    unknown_needs = sorted(method.needs - NEEDS)
    if unknown_needs:
        raise UsageError(
            f"method '{method.name}' needs '{unknown_needs[0]}', which this version does not offer."
        )
    if "generator" in method.needs and recipe.generator is None:
        raise UsageError(
            f"method '{method.name}' needs a generator and this study names none.",
            hint="Give a masked language model with --generator.",
        )
    if not method.needs & {"one-vocabulary", "mask-token", "generator"}:
        return
    if quick and _one_tokenizer_with_mask(method, recipe):
        return
    student = tokens_of(recipe.student.checkpoint)
    if "mask-token" in method.needs and student.mask is None:
        raise CheckpointError(f"method '{method.name}' needs a mask token, '{recipe.student.name}' has none.")
    roles = {"student": (recipe.student.checkpoint, student)}
    if "one-vocabulary" in method.needs:
        roles["teacher"] = (recipe.teacher, tokens_of(recipe.teacher))
    if "generator" in method.needs and recipe.generator is not None:
        checkpoint = recipe.generator.checkpoint
        roles["generator"] = (checkpoint, tokens_of(checkpoint))
    check_vocabularies(roles, f"method '{method.name}'")


def _one_tokenizer_with_mask(method: Method, recipe: Recipe) -> bool:
    """Whether all models are layers of one checkpoint, whose files name a mask token.

    To load the tokenizer takes longer than to plan thousands of runs.
    """
    student = recipe.student.checkpoint
    others = [recipe.teacher] if "one-vocabulary" in method.needs else []
    if "generator" in method.needs and recipe.generator is not None:
        others.append(recipe.generator.checkpoint)
    return all(other.sha256 == student.sha256 for other in others) and names_mask(student)

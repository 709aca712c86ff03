"""Checks before any training: vocabularies, mask tokens, and the labels of given teachers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matekd_bench.distill.artifacts.task_assets import Recipe, TaskAssets
from matekd_bench.distill.models.score_units import score_units
from matekd_bench.distill.models.tokenizers import check_vocabularies, has_mask_token, tokens_of
from matekd_bench.errors import CheckpointError, UsageError
from matekd_bench.methods.method import Method
from matekd_bench.study.plan.grid import Cell

NEEDS = frozenset({"generator", "one-vocabulary", "mask-token", "thesaurus"})


def check_methods(cells: Sequence[Cell], *, quick: bool = False) -> None:
    """Check that the models meet the needs of every method and that every method suits its tasks.

    With `quick`, tokenizers are loaded only if the checkpoint's files do not give the answer. Raises a BenchError for
    the first problem, also for training scores that are all the same.
    """
    for cell in {
        (id(cell.recipe), cell.job.method.name, cell.job.method.needs): cell for cell in cells
    }.values():
        check_needs(cell.job.method, cell.recipe, quick=quick)
    for cell in {(cell.job.variant, cell.data.task.name): cell for cell in cells}.values():
        _ = score_units(cell.data)  # refuses a regression whose training scores are all the same
        reason = cell.job.method.unfit(cell.job.params, cell.data.task)
        if reason is not None:
            raise UsageError(f"method '{cell.job.variant}' on task '{cell.data.task.name}': {reason}")


def check_given_teachers(cells: Sequence[Cell], assets: Callable[[Cell], TaskAssets]) -> None:
    """Load every teacher that was given fine-tuned, to check its outputs and labels.

    `assets` returns the shared assets for the task of a cell. Raises CheckpointError if a teacher does not fit.
    """
    for cell in {cell.data.task.name: cell for cell in cells}.values():
        if cell.recipe.teacher.classifies:
            _ = assets(cell).teacher  # loading it checks the number, names and order of its labels


def check_needs(method: Method, recipe: Recipe, *, quick: bool = False) -> None:
    """Raise a BenchError unless the study's models offer what the method's record needs."""
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
    if quick and _share_tokenizer_with_mask(method, recipe):
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


def _share_tokenizer_with_mask(method: Method, recipe: Recipe) -> bool:
    """Return True if all models that matter come from one checkpoint and its files name a mask token.

    This saves loading the tokenizer, which takes longer than planning thousands of runs.
    """
    student = recipe.student.checkpoint
    others = [recipe.teacher] if "one-vocabulary" in method.needs else []
    if "generator" in method.needs and recipe.generator is not None:
        others.append(recipe.generator.checkpoint)
    return all(other.sha256 == student.sha256 for other in others) and has_mask_token(student)

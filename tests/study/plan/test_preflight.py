"""What a method needs is compared with what a study has, before anything is trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from matekd_bench import CheckpointError, Method, Tokens, UsageError
from matekd_bench.distill.artifacts.task_assets import Recipe
from matekd_bench.distill.models.checkpoints import Checkpoint, describe
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.settings import TeacherSettings
from matekd_bench.errors import DataError
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import Grid, make_grid
from matekd_bench.study.plan.preflight import NEEDS, check_methods, check_needs
from matekd_bench.study.spec.request import make_request

Models = Callable[..., Recipe]


def needing(*needs: str) -> Method:
    """A method that needs these things."""
    return Method(
        name="m", summary="", factory=Perturbation, level="token", version="1", needs=frozenset(needs)
    )


@pytest.fixture
def recipe(tiny_checkpoint: Path) -> Recipe:
    """One tiny checkpoint as teacher, student and generator."""
    checkpoint = describe(tiny_checkpoint, id="tiny")
    source = ModelSource(checkpoint)
    return Recipe(
        teacher=checkpoint, teacher_settings=TeacherSettings(checkpoint="tiny"), student=source, generator=source,
        generator_settings=None, max_length=16, device=torch.device("cpu"), precision="float32",
    )  # fmt: skip


@pytest.fixture
def grid(tiny_checkpoint: Path, small_glue: Path, tiny_config: Path) -> Callable[[str], Grid]:
    """Makes the grid of a small study of some methods."""

    def make(methods: str) -> Grid:
        options = {
            "methods": methods, "tasks": "rte", "config": tiny_config, "glue_dir": small_glue, "threads": 1,
            "teacher": str(tiny_checkpoint), "student": "layers:2", "generator": "layers:2",
        }  # fmt: skip
        host = Host.load(only_builtin=True)
        return make_grid(make_request(options, host).spec, torch.device("cpu"), host)

    return make


@pytest.mark.parametrize("need", sorted(NEEDS))
def test_what_is_there_suffices(need: str, recipe: Recipe) -> None:
    check_needs(needing(need), recipe)
    check_needs(needing(), recipe)


def test_what_a_wrapped_method_needs_is_asked_for_each(grid: Callable[[str], Grid]) -> None:
    """Wrappers of one name may wrap methods with different needs."""
    cells = [cell for cell in grid("worst-of-n[tinybert-aug],worst-of-n[eda]").cells if "worst" in cell.label]
    check_methods(cells)
    lacking = [replace(cell, recipe=replace(cells[0].recipe, generator=None)) for cell in cells]
    same = [replace(cell, recipe=lacking[0].recipe) for cell in lacking]
    with pytest.raises(UsageError, match="method 'worst-of-n' needs a generator"):
        check_methods(same)
    check_methods(same[1:])


def test_an_unknown_need(recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="method 'm' needs 'wings', which this version does not offer"):
        check_needs(needing("wings"), recipe)


def test_a_generator_that_is_not_named(recipe: Recipe) -> None:
    lacking = replace(recipe, generator=None)
    check_needs(needing("mask-token", "one-vocabulary"), lacking)
    with pytest.raises(
        UsageError, match=r"needs a generator and this study names none\. Give .* --generator"
    ):
        check_needs(needing("generator"), lacking)


def test_vocabularies_that_differ(recipe: Recipe, other_vocabulary: Path) -> None:
    other = describe(other_vocabulary, id="other")
    for mixed, need in (
        (replace(recipe, teacher=other), "one-vocabulary"),
        (replace(recipe, student=ModelSource(other)), "one-vocabulary"),
        (replace(recipe, generator=ModelSource(other)), "generator"),
    ):
        with pytest.raises(CheckpointError, match=r"method 'm' needs one vocabulary.*'other'"):
            check_needs(needing(need), mixed)
        check_needs(needing("mask-token"), mixed)
    check_needs(needing("generator"), replace(recipe, teacher=other))


def test_a_tokenizer_without_mask_token(recipe: Recipe, tiny_checkpoint: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    bare = tmp_path / "bare"
    shutil.copytree(tiny_checkpoint, bare)
    tokenizer = AutoTokenizer.from_pretrained(bare)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(bare)
    without = replace(recipe, student=ModelSource(describe(bare, id="bare")))
    with pytest.raises(CheckpointError, match="method 'm' needs a mask token, 'bare' has none"):
        check_needs(needing("mask-token"), without)


@pytest.mark.parametrize("need", ["generator", "one-vocabulary", "mask-token"])
def test_a_quick_evaluation_loads_no_tokenizer_where_one_checkpoint_has_it(
    need: str, recipe: Recipe, other_vocabulary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(checkpoint: Checkpoint) -> Tokens:
        raise AssertionError(f"loads {checkpoint.id}")

    monkeypatch.setattr("matekd_bench.study.plan.preflight.tokens_of", load)
    check_needs(needing(need), recipe, quick=True)
    with pytest.raises(AssertionError, match="loads tiny"):
        check_needs(needing(need), recipe)
    if need != "mask-token":  # the student's alone
        other = ModelSource(describe(other_vocabulary, id="other"))
        with pytest.raises(AssertionError, match="loads other"):
            check_needs(needing(need), replace(recipe, student=other), quick=True)
    bare = tmp_path / "bare"
    shutil.copytree(recipe.teacher.path, bare)
    for text in ("{}", "[]", "{"):
        (bare / "tokenizer_config.json").write_text(text)
        silent = describe(bare, id="silent")
        with pytest.raises(AssertionError, match="loads silent"):
            check_needs(
                needing(need),
                replace(recipe, teacher=silent, student=ModelSource(silent), generator=ModelSource(silent)),
                quick=True,
            )


def test_constant_scores_are_refused(grid: Callable[[str], Grid]) -> None:
    cell = grid("kd").cells[0]
    data, rows = cell.data, cell.data.train
    assert rows is not None
    task = replace(data.task, kind="regression", labels=(), metrics=("pearson",))
    constant = replace(data, task=task, train=replace(rows, labels=(2.5,) * len(rows)))
    with pytest.raises(DataError, match=r"'rte'.*mean 2\.5"):
        check_methods([replace(cell, data=constant)])

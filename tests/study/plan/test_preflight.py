"""What a method needs is compared with what a study has, before anything is trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from event_recorder import EventRecorder
from families import make_family
from matekd_bench import CheckpointError, Method, Tokens, UsageError
from matekd_bench.distill.artifacts.task_assets import Recipe
from matekd_bench.distill.models.checkpoints import Checkpoint, describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.distill.settings import TeacherSettings
from matekd_bench.errors import DataError, PluginError
from matekd_bench.events import Message, Sink
from matekd_bench.methods.method import NEEDS
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import Grid, make_grid
from matekd_bench.study.plan.identity import models_identity
from matekd_bench.study.plan.preflight import check_methods, check_models, check_needs, row_notes
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
    with pytest.raises(UsageError, match=r"'worst-of-n'.*generator"):
        check_methods(same)
    check_methods(same[1:])


def test_the_answer_whether_a_task_fits_is_a_sentence(grid: Callable[[str], Grid]) -> None:
    cell = grid("eda").cells[0]
    method = replace(cell.job.method, unfit=lambda params, task: True)
    with pytest.raises(PluginError, match="returned True"):
        check_methods([replace(cell, job=replace(cell.job, method=method))])


def test_methods_check_the_training_rows_of_each_task(grid: Callable[[str], Grid]) -> None:
    cell = grid("eda").cells[0]
    assert row_notes([cell]) == []

    def sentences(**functions: Callable[..., object]) -> list[str]:
        return row_notes([replace(cell, job=replace(cell.job, method=replace(cell.job.method, **functions)))])

    train = cell.data.train
    first = sentences(check_rows=lambda params, rows: [f"{len(rows)}, {next(iter(rows.items()))}"])
    assert first == [f"{cell.job.variant} on rte: {len(train)}, {train.uids[0], train.texts[0]}"]
    with pytest.raises(PluginError, match="returned 'fine'"):
        sentences(check_rows=lambda params, rows: "fine")

    def refuse(params: object, rows: object) -> list[str]:
        raise DataError("these rows are none.", hint="Write some.")

    with pytest.raises(DataError, match=r"'kd'.*'rte': these rows are none\. Write some\."):
        sentences(check_rows=refuse)
    for cost in ({"USD": -1}, {"USD": float("nan")}, {"USD": "much"}):
        with pytest.raises(PluginError, match=r"'kd'"):
            sentences(cost_beforehand=lambda params, cost=cost: cost)


def test_a_generator_that_is_not_named(recipe: Recipe) -> None:
    lacking = replace(recipe, generator=None)
    check_needs(needing("mask-token", "one-vocabulary"), lacking)
    with pytest.raises(UsageError, match=r"'m'.*--generator"):
        check_needs(needing("generator"), lacking)


def test_vocabularies_that_differ(recipe: Recipe, other_vocabulary: Path) -> None:
    other = describe(other_vocabulary, id="other")
    for mixed, need in (
        (replace(recipe, teacher=other), "one-vocabulary"),
        (replace(recipe, student=ModelSource(other)), "one-vocabulary"),
        (replace(recipe, generator=ModelSource(other)), "generator"),
    ):
        with pytest.raises(CheckpointError, match=r"'m'.*'other'"):
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
    with pytest.raises(CheckpointError, match=r"'m'.*'bare'"):
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


@pytest.mark.parametrize(("method", "role"), [("freelb", "student"), ("matekd", "teacher")])
def test_a_method_that_needs_embeddings_and_a_model_that_takes_none(
    method: str, role: str, grid: Callable[[str], Grid], tmp_path: Path
) -> None:
    """T5 as the role that the method gives embeddings to; FreeLB gives the teacher none."""
    t5 = describe(make_family("t5", tmp_path / "t5"), id="t5")
    cells = [cell for cell in grid(f"eda,{method}").cells if cell.job.variant != "kd"]
    part = {"teacher": t5, "student": ModelSource(t5)}[role]
    recipe = replace(cells[0].recipe, **{role: part})
    text, embedding = (replace(cell, recipe=recipe) for cell in cells[:2])
    check_models([text], Sink())
    with pytest.raises(CheckpointError, match=rf"method '{method}.*{role} 't5' accepts none.*such as eda"):
        check_models([text, embedding], Sink())
    if role == "student":
        check_models([replace(cells[1], recipe=replace(cells[0].recipe, teacher=t5))], Sink())


def test_a_padding_token_that_had_to_be_chosen_is_noted_once(
    grid: Callable[[str], Grid], tmp_path: Path
) -> None:
    gpt2 = describe(make_family("gpt2", tmp_path / "gpt2"), id="gpt2")
    cells = [
        replace(cell, recipe=replace(cell.recipe, teacher=gpt2, student=ModelSource(gpt2)))
        for cell in grid("eda,freelb").cells
    ]
    sink = EventRecorder()
    check_models(cells, sink)
    [note] = sink.all(Message)
    assert note.kind == "note"
    assert "gpt2" in note.text
    assert "'<|endoftext|>'" in note.text


def test_a_teacher_with_other_outputs_is_given_or_fine_tuned(
    grid: Callable[[str], Grid], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "three"
    shutil.copytree(tiny_checkpoint, folder)
    three = load_classifier(ModelSource(describe(folder, id="tiny")), 3, ("a", "b", "c"), 0)
    three.save_pretrained(folder)
    cell = grid("kd").cells[0]
    given = replace(cell.recipe, teacher=describe(folder, id="three"))
    with pytest.raises(CheckpointError, match=r"'three' has 3 outputs.*'rte' has 2.*fine_tune = true"):
        check_models([replace(cell, recipe=given)], Sink())
    settings = given.teacher_settings.model_copy(update={"fine_tune": True})
    tuned = replace(given, teacher_settings=settings)
    check_models([replace(cell, recipe=tuned)], Sink())
    assert (given.teacher_given, tuned.teacher_given) == (True, False)
    # The identity tells the two apart, and is the same for a checkpoint that has to be fine-tuned anyway.
    assert models_identity(given)["teacher_recipe"] is None
    assert models_identity(tuned)["teacher_recipe"] == models_identity(cell.recipe)["teacher_recipe"]
    assert "fine_tune" not in models_identity(tuned)["teacher_recipe"]


def test_constant_scores_are_refused(grid: Callable[[str], Grid]) -> None:
    cell = grid("kd").cells[0]
    data, rows = cell.data, cell.data.train
    assert rows is not None
    task = replace(data.task, kind="regression", labels=(), metrics=("pearson",))
    constant = replace(data, task=task, train=replace(rows, labels=(2.5,) * len(rows)))
    with pytest.raises(DataError, match=r"'rte'.*mean 2\.5"):
        check_methods([replace(cell, data=constant)])

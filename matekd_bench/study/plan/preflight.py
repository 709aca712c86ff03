"""Checks before any training: vocabularies, mask tokens, the models themselves, and the labels of given teachers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType

from matekd_bench.distill.artifacts.given_teacher import label_order
from matekd_bench.distill.artifacts.model_checks import ModelCheck, Role
from matekd_bench.distill.artifacts.task_assets import Recipe, TaskAssets
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.models.score_units import score_units
from matekd_bench.distill.models.tokenizers import check_vocabularies, has_mask_token, tokens_of
from matekd_bench.distill.student_run import Job
from matekd_bench.errors import BenchError, CheckpointError, PluginError, UsageError
from matekd_bench.events import Message, Sink
from matekd_bench.foreign_code import blamed
from matekd_bench.methods.method import Method
from matekd_bench.methods.perturbation import wrong_result
from matekd_bench.study.plan.answer_checks import answer_notes, check_answerable
from matekd_bench.study.plan.estimate import uses_generator
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.identity import cost_beforehand
from matekd_bench.tasks.metrics import check_library_metrics
from matekd_bench.tasks.task import Task

# The models to which methods of a level give embeddings; a generator's soft tokens also go to the teacher.
EMBEDDED: dict[str, tuple[Role, ...]] = {
    "embedding": ("student",),
    "generator": ("student", "teacher", "given teacher"),
}


def check_methods(cells: Sequence[Cell], *, quick: bool = False) -> None:
    """Check that the models meet the needs of every method, and that every method suits its tasks.

    With `quick`, tokenizers are loaded only if the checkpoint's files are not enough. Raises a BenchError for the first
    problem, which may also be training scores that are all the same.
    """
    for cell in {(cell.job.variant, cell.data.task.name): cell for cell in cells}.values():
        check_answerable(cell)
    for cell in {
        (id(cell.recipe), cell.job.method.name, cell.job.method.needs): cell for cell in cells
    }.values():
        check_needs(cell.job.method, cell.recipe, quick=quick)
    for data in {cell.data.task.name: cell.data for cell in cells}.values():
        check_library_metrics(data)
    for cell in {(cell.job.variant, cell.data.task.name): cell for cell in cells}.values():
        _ = score_units(cell.data)  # refuses a regression whose training scores are all the same
        if (reason := unfit_reason(cell.job, cell.data.task)) is not None:
            raise UsageError(f"method '{cell.job.variant}' on task '{cell.data.task.name}': {reason}")


def unfit_reason(job: Job, task: Task) -> str | None:
    """Ask a method why it does not suit a task; None if it does. Raises PluginError if its code fails."""
    with blamed(f"method '{job.variant}' cannot say which tasks suit it", PluginError):
        reason: object = job.method.unfit(job.params, task)
    if not isinstance(reason, (str, NoneType)):
        raise wrong_result(job.method.unfit, repr(reason), "return a sentence, or None")
    return reason


def row_sentences(job: Job, rows: Mapping[str, tuple[str, ...]]) -> Sequence[str]:
    """Let a method check rows, by id, and return its remarks. Raises a BenchError if it cannot run on them."""
    with blamed("it cannot check the rows", PluginError):
        sentences: object = job.method.check_rows(job.params, rows)
    if not isinstance(sentences, (list, tuple)) or not all(isinstance(one, str) for one in sentences):
        raise wrong_result(job.method.check_rows, repr(sentences), "return a list of sentences")
    return sentences


def row_notes(cells: Sequence[Cell]) -> list[str]:
    """Let every method check the training rows of its tasks; return the remarks, each once with methods and tasks.

    A teacher's answers from a file are also checked. Raises a BenchError, naming method and task, if a method cannot
    run on the rows or its costs are not numbers.
    """
    notes = answer_notes(cells)
    data = {cell.data.task.name: cell.data for cell in cells}
    rows = {name: task_data.training_texts for name, task_data in data.items()}
    tasks_of: dict[str, dict[str, list[str]]] = {}  # by sentence and variant
    for cell in {(cell.job.variant, cell.data.task.name): cell for cell in cells}.values():
        task = cell.data.task.name
        try:
            cost_beforehand(cell.job)
            sentences = row_sentences(cell.job, rows[task])
        except BenchError as error:
            where = f"method '{cell.job.variant}' on task '{task}'"
            raise type(error)(f"{where}: {error.message}", hint=error.hint) from error
        for sentence in sentences:
            tasks_of.setdefault(sentence, {}).setdefault(cell.job.variant, []).append(task)
    return [*notes, *_said_once(tasks_of)]


def _said_once(tasks_of: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    """Yield each sentence once for all methods that said it of the same tasks."""
    for sentence, tasks_by_method in tasks_of.items():
        methods: dict[tuple[str, ...], list[str]] = {}
        for method, tasks in tasks_by_method.items():
            methods.setdefault(tuple(tasks), []).append(method)
        for tasks, names in methods.items():
            yield f"{', '.join(names)} on {', '.join(tasks)}: {sentence}"


def check_models(cells: Sequence[Cell], sink: Sink) -> None:
    """Check teacher, student and generator of every task for what matekd-bench and the methods rely on.

    Checks that passed are not repeated. `sink` gets a note about a padding token that had to be chosen. Raises
    CheckpointError for the first model that does not fit.
    """
    notes: dict[str, None] = {}
    for cell in {
        (id(cell.recipe), cell.job.method.level, uses_generator(cell)): cell for cell in cells
    }.values():
        for check in _model_checks(cell):
            facts = check.facts()
            if (note := check.encoder.padding_note) is not None and check.role != "generator":
                notes[f"{check.source.checkpoint.id}: {note}"] = None
            if facts.no_embeddings and check.role in EMBEDDED.get(cell.job.method.level, ()):
                raise CheckpointError(
                    f"method '{cell.job.variant}' works on word embeddings, but the {check.role} "
                    f"'{check.source.name}' accepts none ({facts.no_embeddings}).",
                    hint="Choose methods that work on text or tokens (such as eda), or another checkpoint.",
                )
    for note in notes:
        sink.emit(Message(kind="note", text=note))


def _model_checks(cell: Cell) -> list[ModelCheck]:
    """Return the checks of the models of a cell, those that fail fastest first."""
    recipe, data = cell.recipe, cell.data
    checks = [ModelCheck("student", recipe.student, recipe.student_encoder, data)]
    if recipe.answers is None:
        if recipe.teacher_given:
            label_order(recipe.teacher_checkpoint, data.task)  # raises for other outputs or label names
        teacher: Role = "given teacher" if recipe.teacher_given else "teacher"
        source = ModelSource(recipe.teacher_checkpoint)
        checks.append(ModelCheck(teacher, source, recipe.teacher_encoder, data))
    if uses_generator(cell) and recipe.generator is not None:
        checks.append(ModelCheck("generator", recipe.generator, recipe.student_encoder, data))
    return checks


def check_given_teachers(cells: Sequence[Cell], assets: Callable[[Cell], TaskAssets]) -> None:
    """Load every teacher that was given fine-tuned, to check its outputs and labels.

    `assets` returns the shared assets for the task of a cell. Raises CheckpointError if a teacher does not fit.
    """
    for cell in {cell.data.task.name: cell for cell in cells}.values():
        if cell.recipe.teacher_given:
            _ = assets(cell).teacher  # loading it checks the number, names and order of its labels


def check_needs(method: Method, recipe: Recipe, *, quick: bool = False) -> None:
    """Raise a BenchError unless the study's models offer what the method's record needs."""
    if "generator" in method.needs and recipe.generator is None:
        raise UsageError(
            f"method '{method.name}' needs a generator, but this study names none.",
            hint="Name a masked language model with --generator.",
        )
    if not method.needs & {"one-vocabulary", "mask-token", "generator"}:
        return
    if quick and _share_tokenizer_with_mask(method, recipe):
        return
    student = tokens_of(recipe.student.checkpoint)
    if "mask-token" in method.needs and student.mask is None:
        raise CheckpointError(
            f"method '{method.name}' needs a mask token, but '{recipe.student.name}' has none."
        )
    roles = {"student": (recipe.student.checkpoint, student)}
    if "one-vocabulary" in method.needs and recipe.answers is None:
        roles["teacher"] = (recipe.teacher_checkpoint, tokens_of(recipe.teacher_checkpoint))
    if "generator" in method.needs and recipe.generator is not None:
        checkpoint = recipe.generator.checkpoint
        roles["generator"] = (checkpoint, tokens_of(checkpoint))
    check_vocabularies(roles, f"method '{method.name}'")


def _share_tokenizer_with_mask(method: Method, recipe: Recipe) -> bool:
    """Return True if all relevant models come from one checkpoint and its files name a mask token.

    This avoids loading the tokenizer, which takes longer than planning thousands of runs.
    """
    student = recipe.student.checkpoint
    asks = "one-vocabulary" in method.needs and recipe.answers is None
    others = [recipe.teacher_checkpoint] if asks else []
    if "generator" in method.needs and recipe.generator is not None:
        others.append(recipe.generator.checkpoint)
    return all(other.sha256 == student.sha256 for other in others) and has_mask_token(student)

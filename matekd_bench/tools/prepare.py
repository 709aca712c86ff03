"""Fetches and checks everything that a study reads, so that the study can run later without a network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from matekd_bench.distill.models.checkpoint_files import damaged_files
from matekd_bench.distill.models.checkpoints import fetch_again, find_checkpoint, find_local_folder
from matekd_bench.distill.settings import GeneratorSettings, StudentSettings, TeacherSettings
from matekd_bench.errors import BenchError, DataError, PluginError
from matekd_bench.files.hub.network import hub_answers
from matekd_bench.foreign_code import blamed
from matekd_bench.methods.grammar import NO_REFERENCE
from matekd_bench.methods.params import ResolvedMethod
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.further_sets import entries, perturbing_methods, rows_to_read
from matekd_bench.study.plan.grid import chosen_methods, chosen_tasks
from matekd_bench.study.spec.request import make_request
from matekd_bench.study.spec.study_spec import StudySpec
from matekd_bench.tasks.metrics import check_library_metrics
from matekd_bench.tasks.sources import DamagedCacheError, DataSource, GlueFolder, Hub, load_task, source_of
from matekd_bench.tasks.task import Task, TaskData
from matekd_bench.tasks.teacher_answers import read_teacher_answers
from matekd_bench.tools.doctor.glue_and_wordnet import GET_WORDNET, find_wordnet

SUITE = "glue"  # the default tasks to prepare


@dataclass(frozen=True)
class Requirement:
    """One thing that a study reads, with its state: already on this machine, fetched now, or missing.

    `todo` says how to get it if it is missing. `needed` is False if the study can do without it.
    """

    kind: Literal["model", "data", "answers", "thesaurus", "method"]
    name: str
    state: Literal["there", "fetched", "missing"]
    text: str
    todo: str = ""
    needed: bool = True


def prepare(
    options: Mapping[str, Any],
    host: Host,
    stage: Callable[[str], None],
    *,
    glue_home: Path | None = None,
) -> Iterator[Requirement]:
    """Fetch the models, data and resources of a study that are not on this machine, and yield the state of each.

    `options` are settings as for `make_request`. Without methods and config file, the needs of all methods are
    prepared. Without tasks and config file, the tasks are those of the suite `glue`. `stage` is called with a text
    before each slow step. Raises UsageError, before anything is fetched, for unknown names and settings.
    """
    options = {name: value for name, value in options.items() if value is not None}
    every = not options.keys() & {"methods", "config"}
    if "config" not in options:
        # a study needs at least one method to be valid; with `every`, its choice does not matter
        options = {"methods": next(iter(host.methods), None), "tasks": SUITE, **options}
    spec = make_request(options, host, defaults={"reference": NO_REFERENCE}, glue_home=glue_home).spec
    return prepare_study(spec, host, stage, every_method=every)


def prepare_study(
    spec: StudySpec, host: Host, stage: Callable[[str], None], *, every_method: bool = False
) -> Iterator[Requirement]:
    """Do the same for a study's settings; with `every_method` for all methods in place of the study's."""
    methods = () if every_method else chosen_methods(spec, host)
    records = [resolved.record for resolved in methods]
    if every_method:
        records = [provided.record for provided in host.methods.values()]
    tasks = chosen_tasks(spec.tasks, host, stand_ins=spec.stand_ins)
    records += [method.record for method in perturbing_methods(spec, host)]
    needs = {need for record in records for need in record.needs}
    texts = spec.generator.tasks if spec.generator and "generator" in needs else None
    read = chosen_tasks(f"{spec.tasks},{texts}" if texts else spec.tasks, host, stand_ins=spec.stand_ins)
    sets = [
        (rows, source)
        for entry in entries(spec)
        if "@" not in entry
        for rows, source, _ in rows_to_read(entry, spec, host, tasks)
    ]
    return _prepare_parts(spec, tasks, read, sets, methods, needs, stage)


def _prepare_parts(
    spec: StudySpec,
    tasks: Collection[Task],
    read: Collection[Task],
    sets: Collection[tuple[Task, DataSource]],
    methods: Collection[ResolvedMethod],
    needs: Collection[str],
    stage: Callable[[str], None],
) -> Iterator[Requirement]:
    """Prepare checkpoints, data, thesaurus and methods, in this order.

    `read` are the tasks whose data is read: those of the study and those of its generator's texts. `sets` are the sets
    of ``--also``, each with its source.
    """
    for reference, revision in checkpoint_references(spec, tasks, generating="generator" in needs):
        yield prepare_model(reference, revision, stage)
    source: DataSource = GlueFolder(spec.glue_dir) if spec.glue_dir else Hub()
    for task in read:
        yield prepare_data(task, source_of(task, source), stage)
    for task, of_set in sets:
        yield prepare_data(task, of_set, stage)
    if spec.teacher_answers is not None:
        yield _teacher_answers(spec.teacher_answers)
    if "thesaurus" in needs and not spec.stand_ins:  # with stand-ins, mini-GLUE provides the thesaurus
        yield prepare_thesaurus(stage)
    yield from _missing_resources(methods)


def _teacher_answers(file: Path) -> Requirement:
    """Read the file as a run does; whether every training row has an answer is checked by the dry run."""
    try:
        answers = read_teacher_answers(file)
    except DataError as error:
        return Requirement("answers", str(file), "missing", error.message, error.hint or "")
    return Requirement("answers", str(file), "there", answers.id)


def _missing_resources(methods: Collection[ResolvedMethod]) -> Iterator[Requirement]:
    """Yield the methods whose parameters name a resource that does not exist."""
    for method in methods:
        try:
            with blamed("its resources cannot be named", PluginError):
                method.record.resources(method.params)
        except BenchError as error:
            yield Requirement("method", method.variant, "missing", error.message, error.hint or "")


def checkpoint_references(
    spec: StudySpec, tasks: Collection[Task], *, generating: bool
) -> list[tuple[str, str | None]]:
    """Return reference and revision of every checkpoint of a study, each once.

    A model made of the teacher's layers (``layers:...``) has no checkpoint. A teacher whose answers come from a file
    needs its checkpoint only for such a model.
    """
    parts: list[TeacherSettings | StudentSettings | GeneratorSettings] = [spec.student]
    if generating and spec.generator is not None:
        parts.append(spec.generator)
    if spec.teacher_answers is None or any(part.checkpoint.startswith("layers:") for part in parts):
        parts.insert(0, spec.teacher)
    references = [
        (part.checkpoint.replace("{task}", task.name), part.revision) for part in parts for task in tasks
    ]
    return [pair for pair in dict.fromkeys(references) if not pair[0].startswith("layers:")]


def prepare_model(reference: str, revision: str | None, stage: Callable[[str], None]) -> Requirement:
    """Find a checkpoint, download it if necessary, and check its files; damaged ones are downloaded again."""
    folder = find_local_folder(reference, revision)
    damaged = [] if folder is None else list(damaged_files(folder))
    if folder is None or damaged:
        stage(f"fetching {reference}" + (f" again ({', '.join(damaged)} damaged)" if damaged else ""))
    try:
        if damaged:
            fetch_again(reference, revision, damaged)
        checkpoint = find_checkpoint(reference, revision)
    except BenchError as error:
        return Requirement("model", reference, "missing", error.message, error.hint or "")
    state: Literal["there", "fetched"] = "there" if folder and not damaged else "fetched"
    return Requirement("model", reference, state, str(checkpoint.path))


def prepare_data(task: Task, source: DataSource, stage: Callable[[str], None]) -> Requirement:
    """Read the training and dev rows of a task as a study reads them, which fetches them if necessary."""
    present = not isinstance(source, Hub) or source.is_cached(task)
    stage(f"{'reading' if present else 'fetching'} {task.name}")
    try:
        task_data, damaged = _load_or_fetch_again(task, source, stage)
        check_library_metrics(task_data)  # loads them
    except BenchError as error:
        return Requirement("data", task.name, "missing", error.message, error.hint or "")
    state: Literal["there", "fetched"] = "there" if present and not damaged else "fetched"
    return Requirement("data", task.name, state, _row_counts(task_data))


def _load_or_fetch_again(
    task: Task, source: DataSource, stage: Callable[[str], None]
) -> tuple[TaskData, bool]:
    """Return the task's data, and True if damaged files of the Hub's cache were downloaded again."""
    try:
        return load_task(task, source), False
    except DamagedCacheError as error:
        if not isinstance(source, Hub):
            raise
        stage(f"fetching {task.name} again (damaged)")
        try:
            source.fetch_again(task)
        except BenchError:
            raise error from None  # it names the folder to delete
        return load_task(task, source), True


def _row_counts(task_data: TaskData) -> str:
    train = 0 if task_data.train is None else len(task_data.train)
    return f"{train} training and {sum(map(len, task_data.dev))} dev rows, {task_data.state_text}"


def prepare_thesaurus(stage: Callable[[str], None]) -> Requirement:
    """Find WordNet or download it; without it, methods use a smaller thesaurus of their own."""
    if (path := find_wordnet()) is not None:
        return Requirement("thesaurus", "WordNet", "there", str(path))
    stage("fetching WordNet")
    if hub_answers() and _download_wordnet() and (path := find_wordnet()) is not None:
        return Requirement("thesaurus", "WordNet", "fetched", str(path))
    text = "cannot be fetched: methods use a smaller thesaurus of their own"
    return Requirement("thesaurus", "WordNet", "missing", text, GET_WORDNET, needed=False)


def _download_wordnet() -> bool:
    """Download WordNet into NLTK's usual folder; return False if that fails."""
    import nltk

    try:
        return bool(nltk.download("wordnet", quiet=True, raise_on_error=True))
    except (OSError, ValueError):
        return False

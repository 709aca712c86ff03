"""Everything that a study reads, fetched and checked beforehand, so that it later runs without a network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from matekd_bench.distill.models.checkpoints import find_checkpoint, found_locally
from matekd_bench.distill.settings import GeneratorSettings, StudentSettings, TeacherSettings
from matekd_bench.errors import BenchError
from matekd_bench.files.network import hub_answers, without_retries
from matekd_bench.methods.params import ResolvedMethod
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import chosen_methods, chosen_tasks
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import StudySpec, study_spec
from matekd_bench.tasks.sources import DataSource, GlueFolder, Hub, load_task, source_of
from matekd_bench.tasks.task import Task, TaskData
from matekd_bench.tools.doctor.glue_and_wordnet import GET_WORDNET, wordnet_place

SUITE = "glue"  # what is prepared where no tasks are named


@dataclass(frozen=True)
class Preparation:
    """One thing that a study reads: whether it was there, was fetched, or can't be had, and what to do then.

    `needed` is False for what the study can do without.
    """

    kind: Literal["model", "data", "thesaurus", "method"]
    name: str
    state: Literal["there", "fetched", "missing"]
    text: str
    todo: str = ""
    needed: bool = True


def prepare(request: StudyRequest, host: Host, stage: Callable[[str], None]) -> Iterator[Preparation]:
    """The parts of a study one after another, each fetched if it has to be.

    Without methods in `request` and without a config file it is every method's parts; without tasks the suite `glue`.
    Raises UsageError, before anything is fetched, for names and settings that do not exist. `stage` is told what may
    take a while.
    """
    every = request.methods is None and request.config is None
    if request.config is None:
        placeholder = request.methods or next(iter(host.methods), None)
        request = replace(request, methods=placeholder, tasks=request.tasks or SUITE)
    spec = study_spec(request, host)
    methods = () if every else chosen_methods(request, spec, host)
    records = [one.record for one in host.methods.values()] if every else [one.record for one in methods]
    tasks = chosen_tasks(spec.tasks, host, stand_ins=spec.stand_ins)
    return _parts(spec, tasks, methods, {need for record in records for need in record.needs}, stage)


def _parts(
    spec: StudySpec,
    tasks: Collection[Task],
    methods: Collection[ResolvedMethod],
    needs: Collection[str],
    stage: Callable[[str], None],
) -> Iterator[Preparation]:
    for reference, revision in references(spec, tasks, generating="generator" in needs):
        yield model(reference, revision, stage)
    source: DataSource = GlueFolder(spec.glue_dir) if spec.glue_dir else Hub()
    for task in tasks:
        yield data(task, source_of(task, source), stage)
    if "thesaurus" in needs and not spec.stand_ins:  # mini-GLUE brings its own
        yield thesaurus(stage)
    yield from _lacking(methods)


def _lacking(methods: Collection[ResolvedMethod]) -> Iterator[Preparation]:
    """The methods that do not find a resource which their parameters name."""
    for method in methods:
        try:
            method.record.resources(method.params)
        except BenchError as error:
            yield Preparation("method", method.variant, "missing", error.message, error.hint or "")


def references(spec: StudySpec, tasks: Collection[Task], *, generating: bool) -> list[tuple[str, str | None]]:
    """Reference and revision of every checkpoint of a study, each once; layers of the teacher are none."""
    parts: list[TeacherSettings | StudentSettings | GeneratorSettings] = [spec.teacher, spec.student]
    if generating and spec.generator is not None:
        parts.append(spec.generator)
    named = [
        (part.checkpoint.replace("{task}", task.name), part.revision) for part in parts for task in tasks
    ]
    return [pair for pair in dict.fromkeys(named) if not pair[0].startswith("layers:")]


def model(reference: str, revision: str | None, stage: Callable[[str], None]) -> Preparation:
    """A checkpoint: found or downloaded, and looked through."""
    there = found_locally(reference, revision) is not None
    if not there:
        stage(f"fetching {reference}")
    try:
        found = find_checkpoint(reference, revision)
    except BenchError as error:
        return Preparation("model", reference, "missing", error.message, error.hint or "")
    return Preparation("model", reference, "there" if there else "fetched", str(found.path))


def data(task: Task, source: DataSource, stage: Callable[[str], None]) -> Preparation:
    """The training and dev rows of a task, read as a study reads them."""
    there = not isinstance(source, Hub) or in_hub_cache(task)
    stage(f"{'reading' if there else 'fetching'} {task.name}")
    try:
        with without_retries():
            read = load_task(task, source)
    except BenchError as error:
        return Preparation("data", task.name, "missing", error.message, error.hint or "")
    return Preparation("data", task.name, "there" if there else "fetched", _rows(read))


def _rows(read: TaskData) -> str:
    train = 0 if read.train is None else len(read.train)
    return f"{train} training and {sum(map(len, read.dev))} dev rows, {read.state_text}"


def in_hub_cache(task: Task) -> bool:
    """Whether the library `datasets` has kept the task's pinned data set."""
    import datasets.config

    home = Path(datasets.config.HF_DATASETS_CACHE) / str(task.hub_id).replace("/", "___")
    pattern = f"{task.hub_config or 'default'}/*/{task.hub_revision or '*'}"
    return home.is_dir() and any(folder.is_dir() for folder in home.glob(pattern))


def thesaurus(stage: Callable[[str], None]) -> Preparation:
    """WordNet, which methods with a thesaurus use where it is; they have a smaller one of their own."""
    if (place := wordnet_place()) is not None:
        return Preparation("thesaurus", "WordNet", "there", str(place))
    stage("fetching WordNet")
    if hub_answers() and _fetched_wordnet() and (place := wordnet_place()) is not None:
        return Preparation("thesaurus", "WordNet", "fetched", str(place))
    text = "can't be fetched: methods use a smaller thesaurus of their own"
    return Preparation("thesaurus", "WordNet", "missing", text, GET_WORDNET, needed=False)


def _fetched_wordnet() -> bool:
    """Downloads WordNet into NLTK's usual folder; False where that did not work."""
    import nltk

    try:
        return bool(nltk.download("wordnet", quiet=True, raise_on_error=True))
    except (OSError, ValueError):
        return False

"""From a request to the grid: methods, tasks and data looked up, every run with its identity and budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from matekd_bench.distill.artifacts.task_assets import Recipe
from matekd_bench.distill.device import resolve_device, resolve_precision
from matekd_bench.distill.models.checkpoints import find_checkpoint
from matekd_bench.distill.models.networks import ModelSource, parse_layers
from matekd_bench.distill.settings import BudgetKind
from matekd_bench.distill.student_run import Job
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.errors import BenchError, UsageError
from matekd_bench.methods.grammar import parse
from matekd_bench.methods.params import ResolvedMethod, names_in, parse_sets, resolve_all
from matekd_bench.methods.search_space import Space
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.study.plan.identity import protocol_id, run_ids
from matekd_bench.study.plan.trials import spaces_of, tuning_identity
from matekd_bench.study.spec.method_settings import overridden
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import StudySpec, preset_table
from matekd_bench.tasks.sources import DataSource, GlueFolder, Hub, load_task, source_of
from matekd_bench.tasks.task import Task, TaskData


@dataclass(frozen=True)
class Cell:
    """One run to be: what to train on which data with which models, under which identity."""

    run_id: str
    protocol_id: str
    job: Job
    data: TaskData
    recipe: Recipe
    tuning: Tuning | None = None  # what its trials found, where there were any
    trial: str = ""  # which of how many it is itself

    @property
    def label(self) -> str:
        """A short name for screens: method, task and seed."""
        return f"{self.job.variant} on {self.data.task.name}, {self.trial or f'seed {self.job.seed}'}"


@dataclass(frozen=True)
class Grid:
    """A study looked up and checked: its settings, its runs in order, and the reference's variant.

    `spaces` are what tuning tries, by variant; empty where nothing is tuned.
    """

    spec: StudySpec
    cells: tuple[Cell, ...]
    methods: tuple[ResolvedMethod, ...]
    data: Mapping[str, TaskData]
    reference: str | None
    device: torch.device
    threads: int | None
    spaces: Mapping[str, Mapping[str, Space]] = field(default_factory=dict)


def make_grid(
    spec: StudySpec, request: StudyRequest, host: Host, stage: Callable[[str], None], ranks: Ranks = ALONE
) -> Grid:
    """Evaluations everything up that a study names; raises a BenchError, before any training, for what does not fit.

    `spec` is made of `request`; `stage` is told what may take a while; `ranks` train each run together.
    """
    methods = chosen_methods(request, spec, host)
    reference = methods[0].variant if request.reference is not None else None
    tasks = chosen_tasks(spec.tasks, host, stand_ins=spec.stand_ins)
    device = resolve_device(spec.device)
    threads = _threads(spec, device)
    generating = any("generator" in method.record.needs for method in methods)
    recipes = {task.name: replace(make_recipe(spec, task, device, generating), ranks=ranks) for task in tasks}
    data = {task.name: read(task, spec, stage) for task in tasks}
    protocols = {name: protocol_id(spec, recipes[name], read.source) for name, read in data.items()}
    spaces = _spaces(methods, spec, request, host) if spec.tune else {}
    series = [
        [
            make_cells(
                spec, method, data[task.name], recipes[task.name], host, protocols[task.name], threads,
                spaces.get(method.variant),
            )
            for method in methods
        ]
        for task in tasks
    ]  # fmt: skip
    seeds = range(spec.first_seed, spec.first_seed + spec.seeds)
    cells = tuple(make(seed) for of_task in series for seed in seeds for make in of_task)
    return Grid(spec, cells, methods, data, reference, device, threads, spaces)


def chosen_methods(request: StudyRequest, spec: StudySpec, host: Host) -> tuple[ResolvedMethod, ...]:
    """The methods of the study, each once, with the reference (unless there is none) before all others.

    A method that is listed is the reference only where it is the very same: `kd@2x` or a `kd` with other parameters is
    compared with it.
    """
    reference = () if request.reference is None else parse(request.reference)
    if len(reference) > 1:
        raise UsageError(
            f"--reference '{request.reference}' names several methods: others are compared with one."
        )
    listed = {name for ref in (*reference, *parse(spec.methods)) for name in names_in(ref)}
    sets = {**_standing_sets(spec, listed, host), **parse_sets(request.sets)}
    text = ",".join([*map(str, reference), spec.methods])
    return resolve_all(text, lambda name: host.method(name).record, sets)


def _standing_sets(spec: StudySpec, listed: Collection[str], host: Host) -> dict[str, str]:
    """The parameters that preset and config file set, of those methods that are in the study.

    Only a config file's are checked for methods that do not exist: a preset may name one that is not installed.
    """
    preset = preset_table(spec.preset, host).get("sets", {})
    targets = {key: key.rpartition(".")[0] for key in spec.sets}
    for key, method in targets.items():
        if not method:
            raise UsageError(f"setting 'sets.{key}' must be named METHOD.PARAMETER, e.g. 'eda.alpha'.")
        if key not in preset:
            host.method(method)
    return {key: value for key, value in spec.sets.items() if targets[key] in listed}


def chosen_tasks(text: str, host: Host, *, stand_ins: bool = False) -> tuple[Task, ...]:
    """The tasks that a comma-separated list of tasks and suites names, each once, in order.

    With `stand_ins` a task that has a synthetic stand-in is replaced by it.
    """
    names: list[str] = []
    for item in (part.strip() for part in text.split(",")):
        if not item:
            raise UsageError(f"--tasks '{text}' has an empty entry.")
        names += host.suite(item).record.tasks if item in host.suites else [item]
    for name in names:
        if name not in host.tasks:
            raise _absent_task(name, host)
    records = [found.record for found in host.tasks.values()] if stand_ins else []
    acting = {task.stands_for: task.name for task in records if task.stands_for is not None}
    tasks = []
    for name in dict.fromkeys(acting.get(name, name) for name in names):
        task = host.task(name).record
        if task.train is None:
            raise UsageError(f"task '{name}' has no training data: it only evaluates models of other tasks.")
        tasks.append(task)
    return tuple(tasks)


def _absent_task(name: str, host: Host) -> BenchError:
    """Why there is no such task; where a file of that name lies here, how it is given."""
    error = host.absent("task", name, [*host.tasks, *host.suites])
    file = Path(name if name.endswith(".toml") else f"{name}.toml")
    if file.is_file():
        return UsageError(
            f"unknown task '{name}', but there is a file '{file}':",
            hint=f"give it with --plugin {file}, and --tasks has the name that it holds.",
        )
    return error


def _spaces(
    methods: Sequence[ResolvedMethod], spec: StudySpec, request: StudyRequest, host: Host
) -> dict[str, Mapping[str, Space]]:
    """What is tried of each method: not what options or config file set; what a preset sets is only a start."""
    preset = preset_table(spec.preset, host).get("sets", {})
    fixed = {key for key, value in spec.sets.items() if preset.get(key) != value} | parse_sets(
        request.sets
    ).keys()
    return {method.variant: spaces_of(method, fixed) for method in methods}


def read(task: Task, spec: StudySpec, stage: Callable[[str], None]) -> TaskData:
    """The data of a task as the study uses it; `stage` is told where that may take a while."""
    source: DataSource = source_of(task, GlueFolder(spec.glue_dir) if spec.glue_dir else Hub())
    if isinstance(source, Hub):
        stage(f"reading {task.name} from the Hub")  # without a network its retries take long and say nothing
    return load_task(
        task, source, limit_train=spec.limit_train, limit_eval=spec.limit_eval, eval_on=spec.eval_on
    )


def make_recipe(spec: StudySpec, task: Task, device: torch.device, generating: bool) -> Recipe:
    """The models of a study for one task, found on disk or on the Hub; a generator only if `generating`."""
    teacher = find_checkpoint(spec.teacher.checkpoint.replace("{task}", task.name), spec.teacher.revision)

    def part(checkpoint: str, revision: str | None) -> ModelSource:
        if checkpoint.startswith("layers:"):
            return ModelSource(teacher, parse_layers(checkpoint, teacher))
        return ModelSource(find_checkpoint(checkpoint, revision))

    generator = spec.generator if generating else None
    return Recipe(
        teacher=teacher,
        teacher_settings=spec.teacher,
        student=part(spec.student.checkpoint, spec.student.revision),
        generator=part(generator.checkpoint, generator.revision) if generator else None,
        generator_settings=generator,
        max_length=spec.training.max_length,
        device=device,
        precision=resolve_precision(spec.training.precision, device),
    )


def _threads(spec: StudySpec, device: torch.device) -> int | None:
    """CPU threads of this study: part of a run's identity on a CPU, where they change the last bits."""
    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    return torch.get_num_threads() if device.type == "cpu" else None


def make_cells(
    spec: StudySpec,
    method: ResolvedMethod,
    data: TaskData,
    recipe: Recipe,
    host: Host,
    protocol: str,
    threads: int | None,
    spaces: Mapping[str, Space] | None = None,
) -> Callable[[int], Cell]:
    """The runs to be of one method on one task by their seed, with their identities.

    `spaces` are what is tried for them before, None where they are not tuned.
    """
    job = Job(
        variant=method.variant,
        method=method.record,
        params=method.params,
        seed=spec.first_seed,
        training=overridden(spec.training, method.record, method.params, spec.budget.kind),
        budget=budget_of(spec, data, method.factor),
    )
    tuning = tuning_identity(spaces, spec.tune) if spaces and spec.tune else None
    ids = run_ids(job, data, recipe, spec, threads, _sources(method, host), tuning)

    def of(seed: int) -> Cell:
        return Cell(
            run_id=ids(seed), protocol_id=protocol, job=replace(job, seed=seed), data=data, recipe=recipe
        )

    return of


def _sources(method: ResolvedMethod, host: Host) -> str | None:
    """The digest of the one-file plugin a method comes from, with that of the method it wraps; None for neither."""
    digests = [host.method(name).by.source_digest for name in method.names]
    return "+".join(digest or "" for digest in digests) if any(digests) else None


def budget_of(spec: StudySpec, data: TaskData, factor: float) -> tuple[BudgetKind, int]:
    """The budget of a run on this data; `factor` is that of rows like `kd@2x`."""
    examples = len(data.train or ())
    try:
        limit = spec.budget.resolve(data.task.name, examples, spec.training.optimizer.batch_size)
    except ValueError as error:
        raise UsageError(
            f"{error}.", hint="Give one with --budget, e.g. --budget student_updates=300."
        ) from None
    return spec.budget.kind, max(1, round(limit * factor))

"""The grid of a study: one cell per run, with everything that the run needs, including its identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from matekd_bench.distill.artifacts.task_assets import Recipe
from matekd_bench.distill.device import resolve_precision
from matekd_bench.distill.evaluation_sets import EvaluationSet
from matekd_bench.distill.models.checkpoints import Checkpoint, find_checkpoint
from matekd_bench.distill.models.layer_cut import parse_layers
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.settings import Budget, BudgetKind
from matekd_bench.distill.student_run import Job
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.errors import BenchError, RunError, UsageError
from matekd_bench.events import Message, Progress, Sink
from matekd_bench.methods.grammar import NO_REFERENCE, parse, parse_reference
from matekd_bench.methods.params import ResolvedMethod, resolve_all
from matekd_bench.methods.search_space import Space
from matekd_bench.methods.typed_names import typed_name, typed_names
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.known_names import tasks_and_suites
from matekd_bench.plugins.method_code import MethodCode
from matekd_bench.results.records.run_record import SeedPlan, Tuning
from matekd_bench.study.plan.further_sets import further_sets, perturbing_methods
from matekd_bench.study.plan.identity import make_run_id_function, named_resources, protocol_id
from matekd_bench.study.plan.trials import spaces_of, tuning_identity, with_rate, with_values
from matekd_bench.study.spec.method_settings import apply_overrides
from matekd_bench.study.spec.request import listed_methods
from matekd_bench.study.spec.study_spec import StudySpec
from matekd_bench.tasks.sources import DataSource, GlueFolder, Hub, load_task, source_of
from matekd_bench.tasks.task import Task, TaskData, named_tasks
from matekd_bench.tasks.teacher_answers import read_teacher_answers


@dataclass(frozen=True)
class Cell:
    """One run to train: its job, data, models and identity."""

    run_id: str
    protocol_id: str
    job: Job
    data: TaskData
    recipe: Recipe
    code: tuple[MethodCode, ...]  # of its method, and of the method that this one wraps
    resources: Mapping[str, str]  # that its method's record names
    name: str  # of the method as the user typed it, which tables and screens show
    tuning: Tuning | None = None  # result of its trials, if it is tuned
    trial: str = ""  # e.g. "trial 2 of 8" if the cell is a trial itself
    sets: tuple[
        EvaluationSet, ...
    ] = ()  # that the student is scored on at the end, besides dev; no part of the id

    @property
    def label(self) -> str:
        """A short name for messages: method, task, and seed or trial."""
        return f"{self.name} on {self.data.task.name}, {self.trial or f'seed {self.job.seed}'}"


@dataclass(frozen=True)
class Grid:
    """All runs of a study in the order in which they are planned, and what they were made from.

    `reference` is the variant that differences refer to. `spaces` are the search spaces of tuning by variant and
    parameter, empty without tuning. The cells of a tuned study have the settings before tuning; :meth:`complete` gives
    them the chosen ones. `seed_plan` is what records say about the planned seeds; None for trials.
    """

    spec: StudySpec
    cells: tuple[Cell, ...]
    methods: tuple[ResolvedMethod, ...]
    data: Mapping[str, TaskData]
    reference: str | None
    device: torch.device
    threads: int | None
    host: Host = field(repr=False, compare=False)
    spaces: Mapping[str, Mapping[str, Space]] = field(default_factory=dict)
    seed_plan: SeedPlan | None = None

    def cell(self, run_id: str, tuning: Tuning | None = None) -> Cell:
        """Return the complete cell of a run; processes that train the run again or elsewhere get the same cell.

        `tuning` is the recorded result of the trials of a tuned run. Raises RunError for an unknown run id.
        """
        for cell in self.cells:
            if cell.run_id == run_id:
                return self.complete(cell, tuning)
        foreign = dict.fromkeys(str(part) for cell in self.cells for part in cell.code if not part.built_in)
        here = f" ({'; '.join(foreign)})" if foreign else ""
        raise RunError(
            f"run '{run_id}' is not in the grid of this process: its versions, plugins, data or models differ from the "
            f"planned ones{here}."
        )

    def complete(self, cell: Cell, tuning: Tuning | None) -> Cell:
        """Return a cell of this grid with the settings of its chosen trial, if the study is tuned.

        Variant, seed and budget remain the study's. Raises RuntimeError for a tuned study without a choice.
        """
        if tuning is None:
            if self.spec.tune is not None:
                raise RuntimeError(f"the settings of run '{cell.run_id}' are not chosen yet")
            return cell
        trial = tuning.chosen_trial
        method = next(method for method in self.methods if method.variant == cell.job.variant)
        chosen = with_values(method, trial.params, lambda name: self.host.method(name).record)
        training = with_rate(self.spec, trial.lr).training
        job = replace(
            cell.job,
            method=chosen.record,
            params=chosen.params,
            training=apply_overrides(training, chosen.record, chosen.params, self.spec.budget.kind),
        )
        return replace(cell, job=job, resources=named_resources(job), tuning=tuning)


def make_grid(
    spec: StudySpec, device: torch.device, host: Host, sink: Sink = Sink(), ranks: Ranks = ALONE
) -> Grid:
    """Look up everything that a study names, and make its grid.

    `sink` receives the name of each step that may take a while. `ranks` are the processes that train each run
    together. Raises a BenchError for anything that does not exist or does not fit.
    """
    methods = chosen_methods(spec, host)
    reference = None if spec.reference == NO_REFERENCE else methods[0].variant
    tasks = chosen_tasks(spec.tasks, host, stand_ins=spec.stand_ins)
    for task in tasks:  # before models are looked up, which may have to be downloaded
        if isinstance(source := _source(task, spec), GlueFolder):
            source.folder(task)
    threads = _set_threads(spec, device)
    perturbing = perturbing_methods(spec, host)
    needs_generator = any("generator" in method.record.needs for method in (*methods, *perturbing))
    recipes = {
        task.name: replace(make_recipe(spec, task, device, needs_generator), ranks=ranks) for task in tasks
    }
    data = _read_data(tasks, spec, sink)
    sets = further_sets(spec, host, data, sink)
    texts = generator_texts(spec, host, data, sink) if needs_generator else ()
    recipes = {name: replace(recipe, generator_texts=texts) for name, recipe in recipes.items()}
    protocols = {task.name: protocol_id(spec, recipes[task.name], data[task.name].source) for task in tasks}
    spaces = {method.variant: spaces_of(method, spec.set_by_user) for method in methods} if spec.tune else {}
    factories = [
        [
            make_cell_factory(
                spec, method, data[task.name], recipes[task.name], host, protocols[task.name], threads,
                spaces.get(method.variant),
            )
            for method in methods
        ]
        for task in tasks
    ]  # fmt: skip
    seed_plan = SeedPlan(first=spec.first_seed, count=spec.seeds)
    # By task, then seed, then method: the runs of a task are adjacent because they share its data and teacher.
    cells = tuple(
        replace(make_cell(seed), sets=sets[task.name])
        for task, of_task in zip(tasks, factories, strict=True)
        for seed in seed_plan.seeds
        for make_cell in of_task
    )
    return Grid(spec, cells, methods, data, reference, device, threads, host, spaces, seed_plan)


def one_run(spec: StudySpec, *, method: str, task: str, seed: int) -> StudySpec:
    """Return the settings of a study reduced to one method, with all its variants, on one task with one seed.

    Its runs have the same ids as in the whole study.
    """
    listed = (*parse_reference(spec.reference), *parse(spec.methods))
    refs = [str(ref) for ref in listed if ref.name == method]
    return spec.model_copy(
        update={
            "methods": ",".join(refs) or method,
            "reference": NO_REFERENCE,
            "tasks": task,
            "seeds": 1,
            "first_seed": seed,
        }
    )


def chosen_methods(spec: StudySpec, host: Host) -> tuple[ResolvedMethod, ...]:
    """Return the methods of the study, each once, the reference first if there is one.

    A listed method counts as the reference only if parameters and budget factor are equal: `kd@2x`, or `kd` with other
    parameters, is a separate row.
    """
    reference = parse_reference(spec.reference)
    if len(reference) > 1:
        raise UsageError(
            f"--reference '{spec.reference}' names several methods: name only one to compare the others with."
        )
    listed = listed_methods(spec)
    sets = {key: value for key, value in spec.sets.items() if key.rpartition(".")[0] in listed}
    text = ",".join([*map(str, reference), spec.methods])
    methods = resolve_all(text, lambda name: host.method(name).record, sets)
    preset = {key: value for key, value in spec.sets.items() if key not in spec.set_by_user}
    names = typed_names(typed_name(method.name, method.variant, preset) for method in methods)
    return tuple(replace(method, typed=names[method.variant]) for method in methods)


def chosen_tasks(text: str, host: Host, *, stand_ins: bool = False) -> tuple[Task, ...]:
    """Return the tasks that a comma-separated list of tasks and suites names, each once, in order.

    With `stand_ins`, each task that has a synthetic stand-in is replaced by it.
    """
    known, suites = tasks_and_suites(host)
    tasks = []
    for name in named_tasks(text, known, suites, stand_ins=stand_ins):
        if not name:
            raise UsageError(f"--tasks '{text}' has an empty entry.")
        if name not in known:
            raise _unknown_task(name, host)
        task = known[name]
        if task.train is None:
            raise UsageError(
                f"task '{name}' has no training data: it is only for evaluating models of other tasks."
            )
        tasks.append(task)
    return tuple(tasks)


def _unknown_task(name: str, host: Host) -> BenchError:
    """Return the error for an unknown task; if a task file of that name exists, it says how to use the file."""
    error = host.missing_error("task", name, [*host.tasks, *host.suites])
    file = Path(name if name.endswith(".toml") else f"{name}.toml")
    if file.is_file():
        return UsageError(
            f"unknown task '{name}', but a file '{file}' exists:",
            hint=f"load it with --plugin {file}, and give --tasks the name in the file.",
        )
    return error


def _source(task: Task, spec: StudySpec) -> DataSource:
    """Return the source of a task's rows under the study's settings."""
    return source_of(task, GlueFolder(spec.glue_dir) if spec.glue_dir else Hub())


def _read_data(tasks: Sequence[Task], spec: StudySpec, sink: Sink) -> dict[str, TaskData]:
    """Load the data of all tasks, and report how many have been read."""
    sink.emit(Message(kind="stage", text="reading data", counted=True))
    data: dict[str, TaskData] = {}
    for number, task in enumerate(tasks, start=1):
        data[task.name] = read_task_data(task, spec, sink)
        sink.emit(Progress(done=number, limit=len(tasks), preparing=True))
    return data


def read_task_data(task: Task, spec: StudySpec, sink: Sink) -> TaskData:
    """Load the data of a task with the limits and the evaluation split of the study."""
    source = _source(task, spec)
    if isinstance(source, Hub):
        # Without a network the retries take long and print nothing.
        sink.emit(Message(kind="stage", text=f"reading {task.name} from the Hub"))
    data = load_task(
        task, source, limit_train=spec.limit_train, limit_eval=spec.limit_eval, eval_on=spec.eval_on
    )
    if data.train is not None and data.train.unlabeled and spec.training.objective.soft == 0:
        raise UsageError(
            f"training.objective.soft is 0, but {data.train.unlabeled} training rows of {task.name} have no label: "
            "the student can only learn them from the teacher."
        )
    return data


def generator_texts(
    spec: StudySpec, host: Host, loaded: Mapping[str, TaskData], sink: Sink
) -> tuple[TaskData, ...]:
    """Return the data of the tasks that the study names for its generator's warm-up; empty if it names none.

    They are sorted by name, so the order in which they are named does not matter. `loaded` holds the data of the
    study's own tasks.
    """
    if spec.generator is None or spec.generator.tasks is None:
        return ()
    tasks = chosen_tasks(spec.generator.tasks, host, stand_ins=spec.stand_ins)
    return tuple(
        loaded.get(task.name) or read_task_data(task, spec, sink)
        for task in sorted(tasks, key=lambda task: task.name)
    )


def make_recipe(spec: StudySpec, task: Task, device: torch.device, needs_generator: bool) -> Recipe:
    """Find the models of a study for one task, on disk or on the Hub; a generator only if it is needed.

    If the teacher's answers come from a file, its checkpoint is only looked up if a model is made of its layers.
    """
    answers = None if spec.teacher_answers is None else read_teacher_answers(spec.teacher_answers)

    def find_teacher() -> Checkpoint:
        return find_checkpoint(spec.teacher.reference_for(task.name), spec.teacher.revision)

    def model_source(checkpoint: str, revision: str | None) -> ModelSource:
        if checkpoint.startswith("layers:"):
            base = find_teacher()
            return ModelSource(base, parse_layers(checkpoint, base))
        return ModelSource(find_checkpoint(checkpoint, revision))

    generator = spec.generator if needs_generator else None
    return Recipe(
        teacher=find_teacher() if answers is None else answers,
        teacher_settings=spec.teacher,
        student=replace(
            model_source(spec.student.checkpoint, spec.student.revision),
            from_teacher=spec.student.start == "teacher",
        ),
        generator=model_source(generator.checkpoint, generator.revision) if generator else None,
        generator_settings=generator,
        max_length=spec.training.max_length,
        device=device,
        precision=resolve_precision(spec.training.precision, device),
    )


def _set_threads(spec: StudySpec, device: torch.device) -> int | None:
    """Set torch's number of threads if the study names one; return the number on a CPU, None elsewhere.

    The number is part of a run's identity on a CPU, because it changes the last bits of the results.
    """
    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    return torch.get_num_threads() if device.type == "cpu" else None


def make_cell_factory(
    spec: StudySpec,
    method: ResolvedMethod,
    data: TaskData,
    recipe: Recipe,
    host: Host,
    protocol: str,
    threads: int | None,
    spaces: Mapping[str, Space] | None = None,
) -> Callable[[int], Cell]:
    """Return a function from a seed to the cell of one method on one task.

    Whatever all seeds share is computed once. `spaces` are the search spaces of the method; None if it is not tuned.
    """
    job = Job(
        variant=method.variant,
        method=method.record,
        params=method.params,
        seed=spec.first_seed,
        training=apply_overrides(spec.training, method.record, method.params, spec.budget.kind),
        budget=budget_of(spec, data, method.factor),
    )
    tuning = tuning_identity(spaces, spec.tune) if spaces and spec.tune else None
    code = tuple(host.method(name).code for name in method.names)
    resources = named_resources(job)
    run_id_of = make_run_id_function(job, data, recipe, spec, threads, code, tuning)

    def make_cell(seed: int) -> Cell:
        return Cell(
            run_id=run_id_of(seed),
            protocol_id=protocol,
            job=replace(job, seed=seed),
            data=data,
            recipe=recipe,
            code=code,
            resources=resources,
            name=method.typed.typed,
        )

    return make_cell


def budget_of(spec: StudySpec, data: TaskData, factor: float) -> tuple[BudgetKind, int]:
    """Return kind and limit of the budget of a run on this data; `factor` is 2 for a variant such as `kd@2x`."""
    limit = resolved_limit(
        spec.budget, data.task.name, len(data.train or ()), spec.training.optimizer.batch_size,
        "Set one with --budget, e.g. --budget student_updates=300.",
    )  # fmt: skip
    return spec.budget.kind, max(1, round(limit * factor))


def resolved_limit(budget: Budget, name: str, examples: int, batch_size: int, hint: str) -> int:
    """Return the limit of a budget on the data `name`; raise UsageError with `hint` if the budget names none."""
    try:
        return budget.resolve(name, examples, batch_size)
    except ValueError as error:
        raise UsageError(f"{error}.", hint=hint) from None

"""Finds the sets that `--also` names, and the tasks of the study whose students are scored on each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from matekd_bench.distill.evaluation_sets import SEED, EvaluationSet
from matekd_bench.distill.student_run import Job
from matekd_bench.errors import BenchError, UsageError
from matekd_bench.events import Message, Sink
from matekd_bench.methods.grammar import parse
from matekd_bench.methods.params import ResolvedMethod, names_in, resolve_all
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.known_names import known_methods
from matekd_bench.results.leaderboard.row_filters import split_names
from matekd_bench.study.spec.study_spec import StudySpec
from matekd_bench.tasks.label_maps import class_map
from matekd_bench.tasks.sources import DataSource, GlueFolder, Hub, load_task, source_of
from matekd_bench.tasks.sources.task_data import dev_alone
from matekd_bench.tasks.task import Task, TaskData, stand_ins_of

FOLDERS = "HANS, PAWS-QQP, AdvGLUE"  # for messages
Sets: TypeAlias = Mapping[str, tuple[EvaluationSet, ...]]  # by task of the study


def further_sets(spec: StudySpec, host: Host, data: Mapping[str, TaskData], sink: Sink) -> Sets:
    """Return the sets that the students of each task are scored on at the end, besides dev, and read their rows.

    `data` are those of the study's tasks, or of some of them: a set for others is left out. Raises a BenchError for an
    entry that names nothing, and for rows that cannot be read.
    """
    sets: dict[str, dict[str, EvaluationSet]] = {name: {} for name in data}
    loaded: dict[str, TaskData] = {}
    for entry in entries(spec):
        if "@" in entry:
            found = _perturbed_sets(entry, spec, host, data)
        else:
            found = _sets_of_rows(entry, spec, host, data, loaded, sink)
        for task, evaluation_set in found:
            same = sets[task].get(evaluation_set.name)
            asked = (*(same.asked if same else ()), entry)
            sets[task][evaluation_set.name] = replace(evaluation_set, asked=asked)
    return {task: tuple(by_name.values()) for task, by_name in sets.items()}


def entries(spec: StudySpec) -> list[str]:
    """Return the entries of ``--also``."""
    return [] if spec.also is None else split_names(spec.also)


def perturbing_methods(spec: StudySpec, host: Host) -> list[ResolvedMethod]:
    """Return the methods that perturb dev rows for ``--also``."""
    return [method for entry in entries(spec) if "@" in entry for method in _methods(entry, spec, host)]


def _methods(entry: str, spec: StudySpec, host: Host) -> tuple[ResolvedMethod, ...]:
    """Return the text methods after the @ of an entry such as ``rte@aeda``."""
    try:
        methods = _resolved(known_methods(entry.partition("@")[2], host), spec, host)
    except BenchError as error:
        raise type(error)(f"--also '{entry}': {error.message}", hint=error.hint) from error
    for method in methods:
        if method.factor != 1:
            raise UsageError(
                f"--also '{entry}': a perturbation of dev rows has no budget: leave the factor out."
            )
        if method.record.level != "text":
            raise UsageError(
                f"--also '{entry}': '{method.name}' is a method of level {method.record.level}, not of level text.",
                hint="'matekd-bench methods' lists the levels.",
            )
    return methods


def _resolved(text: str, spec: StudySpec, host: Host) -> tuple[ResolvedMethod, ...]:
    """Look up the methods of a list; parameters that the study sets hold for them too, such as a thesaurus."""
    names = {name for ref in parse(text) for name in names_in(ref)}
    sets = {key: value for key, value in spec.sets.items() if key.rpartition(".")[0] in names}
    return resolve_all(text, lambda name: host.method(name).record, sets)


def _perturbed_sets(
    entry: str, spec: StudySpec, host: Host, data: Mapping[str, TaskData]
) -> Iterator[tuple[str, EvaluationSet]]:
    """Yield the dev rows of the tasks before the @, once for each method after it."""
    wanted = {task.name for task in _tasks_of(entry.partition("@")[0], entry, spec, host)}
    for task in (name for name in data if name in wanted):
        for method in _methods(entry, spec, host):
            job = Job(
                f"{task}@{method.variant}",
                method.record,
                method.params,
                SEED,
                spec.training,
                ("student_updates", 1),
            )
            classes = tuple(range(len(data[task].task.labels)))
            yield task, EvaluationSet(job.variant, (entry,), dev_alone(data[task]), classes, job)


def _sets_of_rows(
    entry: str,
    spec: StudySpec,
    host: Host,
    data: Mapping[str, TaskData],
    loaded: dict[str, TaskData],
    sink: Sink,
) -> Iterator[tuple[str, EvaluationSet]]:
    """Yield the sets of an entry without @, for each task whose students can answer them."""
    tasks = [task_data.task for task_data in data.values()]
    for rows, source, maps in rows_to_read(entry, spec, host, tasks, sink):
        if rows.name not in loaded:
            sink.emit(Message(kind="stage", text=f"reading {rows.name}"))
            loaded[rows.name] = load_task(rows, source, limit_eval=spec.limit_eval)
        for task, classes in maps.items():
            yield task, EvaluationSet(f"{task}/{rows.name}", (entry,), loaded[rows.name], classes)


def rows_to_read(
    entry: str, spec: StudySpec, host: Host, tasks: Sequence[Task], sink: Sink = Sink()
) -> Iterator[tuple[Task, DataSource, Mapping[str, tuple[int, ...]]]]:
    """Yield what an entry without @ reads: the set, its source, and the class map of each task that answers it.

    A set that none of the tasks answers is left out.
    """
    for wanted in _tasks_of(entry, entry, spec, host):
        if maps := dict(_class_maps(wanted, tasks)):
            rows = _without_train(_with_file(wanted, spec, host, sink))
            yield rows, _source(rows, spec), maps


def _class_maps(wanted: Task, tasks: Sequence[Task]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the tasks whose models can answer the rows of a set, with the class ids that their classes mean."""
    for task in tasks:
        if task.name == wanted.name:
            continue
        try:
            yield task.name, class_map(task, wanted)
        except UsageError:
            if wanted.evaluated_with == task.name:  # meant for it: then its record is wrong
                raise


def _tasks_of(names: str, entry: str, spec: StudySpec, host: Host) -> list[Task]:
    """Return the tasks that a name of a task or suite means; with stand-ins, each one's stand-in."""
    name = host.known_name("task", names.strip(), [*host.tasks, *host.suites])
    listed = host.suite(name).record.tasks if name in host.suites else (name,)
    if unknown := [task for task in listed if task not in host.tasks]:
        error = host.missing_error("task", unknown[0], [*host.tasks, *host.suites])
        raise type(error)(f"--also '{entry}': {error.message}", hint=error.hint)
    return [host.task(task).record for task in _with_stand_ins(listed, spec, host)]


def _with_stand_ins(names: Sequence[str], spec: StudySpec, host: Host) -> list[str]:
    records = [provided.record for provided in host.tasks.values()] if spec.stand_ins else []
    stand_ins = stand_ins_of(records)
    return [stand_ins.get(name, name) for name in names]


def _without_train(task: Task) -> Task:
    """Return a task that is only evaluated, so that its training rows are not read, unless dev is a part of them."""
    return task if task.dev_share is not None else replace(task, train=None)


def _with_file(task: Task, spec: StudySpec, host: Host, sink: Sink) -> Task:
    """Return the task, or the regenerated one that stands for it if only that one's file is in the folder."""
    if task.folder is None or spec.also_dir is None or _has_file(task, spec):
        return task
    others = [provided.record for provided in host.tasks.values() if provided.record.stands_for == task.name]
    for other in others:
        if other.folder is not None and _has_file(other, spec):
            text = f"--also {task.name}: '{spec.also_dir}' contains {other.name} instead, which is evaluated"
            sink.emit(Message(kind="note", text=text))
            return other
    return task


def _has_file(task: Task, spec: StudySpec) -> bool:
    files = [task.splits[split].file for split in task.dev]
    return spec.also_dir is not None and all(
        (spec.also_dir / str(task.folder) / file).is_file() for file in files
    )


def _source(task: Task, spec: StudySpec) -> DataSource:
    """Return the source of a set: the folder of further sets or of GLUE, whichever has a place for it, or the Hub."""
    further = GlueFolder(spec.also_dir, "also-dir", FOLDERS) if spec.also_dir else None
    glue = GlueFolder(spec.glue_dir) if spec.glue_dir else None
    for folder in filter(None, (further, glue)):
        if task.folder is not None and (folder.path / task.folder).is_dir():
            return source_of(task, folder)
    if task.hub_id is None and task.reader is None:
        if further is not None:
            return further  # its error names what is there
        raise UsageError(
            f"--also '{task.name}': its rows are not on the Hub.",
            hint=f"Name the folder that contains {task.dev_file} with --also-dir DIR.",
        )
    return source_of(task, Hub())


def check_used(spec: StudySpec, host: Host, tasks: Sequence[Task], sets: Sequence[EvaluationSet]) -> None:
    """Raise UsageError for an entry of ``--also`` that no task of the whole study has students for."""
    asked = {entry for evaluation_set in sets for entry in evaluation_set.asked}
    for entry in entries(spec):
        if entry not in asked:
            raise UsageError(f"--also '{entry}': {_why_unused(entry, spec, host, tasks)}.")


def _why_unused(entry: str, spec: StudySpec, host: Host, tasks: Sequence[Task]) -> str:
    listed = ", ".join(task.name for task in tasks)
    if "@" in entry:
        return f"the study has no task '{entry.partition('@')[0]}'; it has {listed}"
    reasons = []
    for wanted in _tasks_of(entry, entry, spec, host):
        for task in tasks:
            try:
                class_map(task, wanted)
                reasons.append(f"'{task.name}' is scored on its own dev set anyway")
            except BenchError as error:
                reasons.append(error.message.rstrip("."))
    return (
        reasons[0]
        if len(reasons) == 1
        else f"no task of the study has models for it ({listed}); {reasons[0]}"
    )

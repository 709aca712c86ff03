"""The identities of runs and protocols: hashes of what determines a result, never of where it was computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matekd_bench.distill.artifacts.task_assets import Recipe
from matekd_bench.distill.student_run import Job
from matekd_bench.errors import BenchError, PluginError
from matekd_bench.files.hashing import around, bytes_digest, short_digest
from matekd_bench.study.plan.trials import protocol_tuning
from matekd_bench.study.spec.study_spec import StudySpec
from matekd_bench.tasks.task import TaskData

ENGINE = "2"  # raised when the same settings may give other numbers than before


def run_ids(
    job: Job,
    data: TaskData,
    recipe: Recipe,
    spec: StudySpec,
    threads: int | None,
    source_digest: str | None,
    tuning: Mapping[str, Any] | None = None,
) -> Callable[[int], str]:
    """Gives for a seed the identity of that run of `job`: same id, same result, so it is never trained twice.

    Made of method, version and full parameters (and a one-file plugin's source), the digests of the splits, the
    models by content, every hyper-parameter, the resolved precision, CPU threads and the seed. Not of paths, the
    device's name or the order in which runs are done. A tuned run has the settings that it sets out from and the rule
    by which trials are made: what is chosen follows from these. What seeds share is written out once for all.
    """
    found = run_identity(job, data, recipe, spec, threads, source_digest)
    if tuning is not None:
        found["tuning"] = dict(tuning)
    before, behind = around(found, "seed")
    start = f"{data.task.name}-{job.method.name}"

    def of(seed: int) -> str:
        name = f"{start}-{seed}".replace(":", "-").replace("_", "-")
        return f"{name}-{bytes_digest(f'{before}{seed}{behind}'.encode())[:16]}"

    return of


def run_identity(
    job: Job, data: TaskData, recipe: Recipe, spec: StudySpec, threads: int | None, source_digest: str | None
) -> dict[str, Any]:
    """What :func:`run_ids` hashes, in words."""
    uses_generator = "generator" in job.method.needs
    return {
        "engine": ENGINE,
        "method": {
            "name": job.method.name,
            "version": job.method.version,
            "params": job.params.model_dump(mode="json"),
            "source": source_digest,
            "resources": _named_resources(job),
        },
        "task": data.task.name,
        "metrics": list(data.task.metrics),
        "data": dict(data.digests),
        "eval_on": spec.eval_on,
        "models": models_identity(recipe),
        "generator": generator_identity(recipe) if uses_generator else None,
        "training": job.training.model_dump(mode="json", exclude={"precision"}),
        "budget": list(job.budget),
        "precision": recipe.precision,
        "device": recipe.device.type,
        "threads": threads,
        "seed": job.seed,
        **({"deterministic": True} if spec.deterministic else {}),  # left out, so that earlier ids stay
        **({"processes": recipe.ranks.size} if recipe.ranks.size > 1 else {}),  # they change the last bits
    }


def models_identity(recipe: Recipe) -> dict[str, Any]:
    """Teacher (with its recipe unless it was given) and student, by content."""
    recipe_of_teacher = recipe.teacher_settings.model_dump(mode="json", exclude={"checkpoint", "revision"})
    return {
        "teacher": recipe.teacher.sha256,
        "teacher_recipe": None if recipe.teacher.classifies else recipe_of_teacher,
        "student": recipe.student.identity,
    }


def generator_identity(recipe: Recipe) -> dict[str, Any] | None:
    """The generator and its warm-up, by content."""
    if recipe.generator is None or recipe.generator_settings is None:
        return None
    settings = recipe.generator_settings.model_dump(mode="json", exclude={"checkpoint", "revision"})
    return {**recipe.generator.identity, "settings": settings}


def resources_of(job: Job, recipe: Recipe) -> dict[str, str]:
    """What a method uses besides teacher and student, by kind: its thesaurus, its generator with warm-up."""
    resources = _named_resources(job)
    generator = generator_identity(recipe) if "generator" in job.method.needs else None
    if generator is not None and recipe.generator is not None:
        resources["generator"] = f"{recipe.generator.name} ({short_digest(generator, 12)})"
    return resources


def used_by(job: Job) -> str | None:
    """What a method brings from outside, as a sentence, known before training; None where it brings nothing."""
    named = sorted(_named_resources(job).items())
    return f"{job.variant} uses {', '.join(f'{kind}: {name}' for kind, name in named)}" if named else None


def _named_resources(job: Job) -> dict[str, str]:
    """What the method's record names; PluginError, before any training, where it cannot or where it is no text."""
    try:
        named = dict(job.method.resources(job.params))
    except BenchError:
        raise
    except Exception as error:  # foreign code, and no run exists yet that could be recorded as failed
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"method '{job.method.name}' cannot name its resources: {reason}.") from error
    if wrong := [value for pair in named.items() for value in pair if not isinstance(value, str)]:
        raise PluginError(f"method '{job.method.name}' names {wrong[0]!r} among its resources: use text.")
    return named


def protocol_id(spec: StudySpec, recipe: Recipe, source: str) -> str:
    """The identity of the protocol: rows are ranked together only where it is the same.

    Made of data source and limits, teacher, student, objective, the budget's rule, evaluations, optimizer, precision
    and how methods are tuned; not of method, task or seed.
    """
    models = models_identity(recipe)
    if "{task}" in spec.teacher.checkpoint:  # a teacher (and its layers) for each task: names stand for them
        models["teacher"] = spec.teacher.checkpoint
        models["student"] = spec.student.model_dump(mode="json")
    return short_digest(
        {
            "engine": ENGINE,
            "source": source,
            "limits": [spec.limit_train, spec.limit_eval],
            "eval_on": spec.eval_on,
            "models": models,
            "training": spec.training.model_dump(mode="json", exclude={"precision"}),
            "budget": spec.budget.model_dump(mode="json"),
            "precision": recipe.precision,
            "tuning": protocol_tuning(spec.tune),
        },
        length=12,
    )

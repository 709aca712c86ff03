"""The ids of runs and protocols: hashes of everything that determines a result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matekd_bench.distill.artifacts.task_assets import Recipe
from matekd_bench.distill.student_run import Job
from matekd_bench.errors import PluginError
from matekd_bench.files.hashing import bytes_digest, canonical_around, short_digest
from matekd_bench.foreign_code import blamed
from matekd_bench.plugins.method_code import MethodCode
from matekd_bench.study.plan.trials import protocol_tuning
from matekd_bench.study.spec.study_spec import StudySpec
from matekd_bench.tasks.task import TaskData

ENGINE = "3"  # raise it when the same settings may give other numbers than before


def make_run_id_function(
    job: Job,
    data: TaskData,
    recipe: Recipe,
    spec: StudySpec,
    threads: int | None,
    code: Sequence[MethodCode],
    tuning: Mapping[str, Any] | None = None,
) -> Callable[[int], str]:
    """Return a function from a seed to the run id of `job` with that seed.

    Runs with the same id give the same result, so an id is never trained twice. The id depends on the method with its
    version and parameters, its code if it is not part of matekd-bench, the digests of the splits, the models by
    content, every hyper-parameter, the precision in use, CPU threads and the seed. It does not depend on paths, the
    name of the device or the order of the runs. The id of a tuned run is known before its trials: it contains the
    settings before tuning and the rule of the trials, which together determine the choice.
    """
    identity = run_identity(job, data, recipe, spec, threads, code)
    if tuning is not None:
        identity["tuning"] = dict(tuning)
    before, after = canonical_around(identity, "seed")  # as text, written once for all seeds
    prefix = f"{data.task.name}-{job.method.name}"

    def run_id_of(seed: int) -> str:
        name = f"{prefix}-{seed}".replace(":", "-").replace("_", "-")
        return f"{name}-{bytes_digest(f'{before}{seed}{after}'.encode())[:16]}"

    return run_id_of


def run_identity(
    job: Job, data: TaskData, recipe: Recipe, spec: StudySpec, threads: int | None, code: Sequence[MethodCode]
) -> dict[str, Any]:
    """Return everything that :func:`make_run_id_function` hashes, by name."""
    uses_generator = "generator" in job.method.needs
    return {
        "engine": ENGINE,
        "method": {
            "name": job.method.name,
            "version": job.method.version,
            "params": job.params.model_dump(mode="json"),
            "source": _foreign_code(code),
            "resources": named_resources(job),
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
        # The next three are left out in the usual case, so that earlier ids stay the same.
        **({"library_metrics": library} if (library := _library_metrics(data)) else {}),
        **({"deterministic": True} if spec.deterministic else {}),
        **({"processes": recipe.ranks.size} if recipe.ranks.size > 1 else {}),  # they change the last bits
    }


def _library_metrics(data: TaskData) -> dict[str, str]:
    """Return the digests of the metrics that the library evaluate loads, by name."""
    return {name: metric.digest for name, metric in data.task.library_metrics.items()}


def _foreign_code(code: Sequence[MethodCode]) -> list[Mapping[str, Any] | None] | None:
    """Return the code of a method and of the one that it wraps; None if both are built in."""
    # `ENGINE` and the versions of built-in methods represent their code, so an edited comment retrains nothing.
    parts = [part.identity for part in code]
    return parts if any(part is not None for part in parts) else None


def models_identity(recipe: Recipe) -> dict[str, Any]:
    """Return teacher and student by content, with the fine-tuning recipe unless the teacher was given fine-tuned.

    The digest of a file of answers replaces the teacher's.
    """
    recipe_of_teacher = recipe.teacher_settings.as_recipe()
    return {
        "teacher": recipe.teacher.sha256,
        "teacher_recipe": None if recipe.teacher_given else recipe_of_teacher,
        "student": recipe.student.identity,
    }


def generator_identity(recipe: Recipe) -> dict[str, Any] | None:
    """Return the generator by content and its warm-up; None if the recipe has no generator."""
    if recipe.generator is None or recipe.generator_settings is None:
        return None
    return {**recipe.generator.identity, "settings": recipe.warm_up}


def resources_of(job: Job, recipe: Recipe) -> dict[str, str]:
    """Return what a method uses besides teacher and student, by kind, such as a thesaurus or a generator."""
    resources = named_resources(job)
    generator = generator_identity(recipe) if "generator" in job.method.needs else None
    if generator is not None and recipe.generator is not None:
        resources["generator"] = f"{recipe.generator.name} ({short_digest(generator, 12)})"
    return resources


def describe_resources(job: Job) -> str | None:
    """Describe in one sentence the resources that the method's record names; None if it names none."""
    named = sorted(named_resources(job).items())
    return f"{job.variant} uses {', '.join(f'{kind}: {name}' for kind, name in named)}" if named else None


def named_resources(job: Job) -> dict[str, str]:
    """Return the resources that the method's record names; raise PluginError if that fails or gives no text."""
    # At this point there is no run that could be recorded as failed.
    with blamed(f"method '{job.method.name}' cannot name its resources", PluginError):
        named = dict(job.method.resources(job.params))
    if wrong := [value for pair in named.items() for value in pair if not isinstance(value, str)]:
        raise PluginError(
            f"method '{job.method.name}' names {wrong[0]!r} among its resources: it must be text."
        )
    return named


def cost_beforehand(job: Job) -> dict[str, float]:
    """Return what was spent before the study on the method's resources, by unit; raise PluginError for bad amounts."""
    with blamed(f"method '{job.method.name}' cannot state its cost beforehand", PluginError):
        cost = {str(unit): float(amount) for unit, amount in job.method.cost_beforehand(job.params).items()}
    if wrong := [unit for unit, amount in cost.items() if not 0 <= amount < math.inf]:
        raise PluginError(
            f"method '{job.method.name}' states a cost beforehand of {cost[wrong[0]]} {wrong[0]}: it must be 0 or more."
        )
    return cost


def protocol_id(spec: StudySpec, recipe: Recipe, source: str) -> str:
    """Return the id of the protocol; only rows with the same protocol are ranked together.

    It depends on data source and limits, teacher, student, objective, the budget rule, evaluations, optimizer,
    precision and tuning. It does not depend on method, task or seed.
    """
    models = models_identity(recipe)
    if "{task}" in spec.teacher.checkpoint:  # the models differ by task, so their names are hashed instead
        if recipe.answers is None:
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

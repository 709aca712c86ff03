"""The hooks: three functions by which a plugin announces methods, tasks and suites.

A plugin is a module named by an entry point of the group `matekd_bench`, or a file given with
``--plugin FILE``. It implements any of these hooks, marks them with `hookimpl`, and
returns or yields plain records.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from matekd_bench.methods.record import Method
    from matekd_bench.tasks.record import Suite, Task

PROJECT = "matekd_bench"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def matekd_bench_methods() -> Iterable[Method]:
    """The methods of this plugin. Import what is heavy inside the factory: listing methods must stay instant.

    >>> from matekd_bench import Method, TextPerturbation, hookimpl
    >>> class Reverse(TextPerturbation):
    ...     def perturb(self, text, rng):
    ...         return " ".join(reversed(text.split()))
    >>> @hookimpl
    ... def matekd_bench_methods():
    ...     yield Method(
    ...         name="reverse", summary="words in reverse order", factory=Reverse, level="text", version="1"
    ...     )
    >>> [method.name for method in matekd_bench_methods()]
    ['reverse']
    """
    return ()


@hookspec
def matekd_bench_tasks() -> Iterable[Task]:
    """The tasks of this plugin.

    >>> from matekd_bench import Split, Task, hookimpl
    >>> @hookimpl
    ... def matekd_bench_tasks():
    ...     yield Task(
    ...         name="polarity", title="Polarity", summary="sentiment of short texts", kind="classification",
    ...         fields=("text",), labels=("negative", "positive"), metrics=("accuracy",), folder="Polarity",
    ...         splits={"train": Split("train", "train.tsv", 900), "dev": Split("dev", "dev.tsv", 100)},
    ...     )
    >>> [(task.name, task.outputs) for task in matekd_bench_tasks()]
    [('polarity', 2)]
    """
    return ()


@hookspec
def matekd_bench_suites() -> Iterable[Suite]:
    """The suites of this plugin: named lists of tasks, its own or those of other plugins.

    >>> from matekd_bench import Suite, hookimpl
    >>> @hookimpl
    ... def matekd_bench_suites():
    ...     yield Suite(name="paraphrase", tasks=("mrpc", "qqp"))
    >>> [suite.tasks for suite in matekd_bench_suites()]
    [('mrpc', 'qqp')]
    """
    return ()

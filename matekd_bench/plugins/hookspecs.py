"""The hooks through which a plugin provides something: functions without arguments that return or yield records.

A plugin is a module named by an entry point of the group `matekd_bench`, or a file given with ``--plugin FILE``. It
implements any of these hooks, or of the events in `event_hookspecs.py`, and marks them with `hookimpl`. Later versions
may pass arguments to hooks; an implementation takes only those that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from matekd_bench.methods.method import Method
    from matekd_bench.methods.perturbation import Perturbation
    from matekd_bench.methods.thesaurus import Thesaurus
    from matekd_bench.plugins.record_types import Exporter, Preset, Tracker
    from matekd_bench.tasks.task import Suite, Task

PROJECT = "matekd_bench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def matekd_bench_methods() -> Iterable[Method | type[Perturbation[Any]]]:
    """Provide methods, as classes that describe themselves or as `Method` records.

    Listing methods must stay fast. Import large packages inside the class, or yield a record whose `factory`
    imports them.

    >>> from matekd_bench import TextPerturbation, hookimpl
    >>> class Reverse(TextPerturbation):
    ...     '''Words in reverse.'''
    ...     name, version = "reverse", "1"
    ...     def perturb(self, text, rng):
    ...         return " ".join(reversed(text.split()))
    >>> @hookimpl
    ... def matekd_bench_methods():
    ...     yield Reverse
    >>> [method.name for method in matekd_bench_methods()]
    ['reverse']
    """
    return ()


@hookspec
def matekd_bench_tasks() -> Iterable[Task]:
    """Provide tasks; `load_tasks(folder)` reads them from TOML files.

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
    """Provide suites: named lists of tasks, which may come from other plugins.

    >>> from matekd_bench import Suite, hookimpl
    >>> @hookimpl
    ... def matekd_bench_suites():
    ...     yield Suite(name="paraphrase", tasks=("mrpc", "qqp"))
    >>> [suite.tasks for suite in matekd_bench_suites()]
    [('mrpc', 'qqp')]
    """
    return ()


@hookspec
def matekd_bench_thesauri() -> Iterable[Thesaurus]:
    """Provide thesauri, for methods that replace words by synonyms: ``eda[thesaurus=NAME]``.

    >>> from matekd_bench import Synonyms, Thesaurus, hookimpl
    >>> @hookimpl
    ... def matekd_bench_thesauri():
    ...     groups = lambda: Synonyms.of_groups("films v1", "film, movie, picture")
    ...     yield Thesaurus(name="films", summary="Words of the cinema.", load=groups)
    >>> [thesaurus.load().synonyms("movie") for thesaurus in matekd_bench_thesauri()]
    [('film', 'picture')]
    """
    return ()


@hookspec
def matekd_bench_presets() -> Iterable[Preset]:
    """Provide presets, for ``--preset NAME``; `load_presets(folder)` reads them from TOML files.

    >>> from matekd_bench import Preset, hookimpl
    >>> @hookimpl
    ... def matekd_bench_presets():
    ...     yield Preset(name="five-seeds", summary="minilm, repeated.", settings={"preset": "minilm", "seeds": 5})
    >>> [preset.settings["seeds"] for preset in matekd_bench_presets()]
    [5]
    """
    return ()


@hookspec
def matekd_bench_exporters() -> Iterable[Exporter]:
    """Provide file formats of ``matekd-bench export FILE``, by extension.

    >>> from matekd_bench import Exporter, ExportTable, hookimpl
    >>> def names(table):
    ...     return "".join(f"{row['method']}\\n" for row in table.rows).encode()
    >>> @hookimpl
    ... def matekd_bench_exporters():
    ...     yield Exporter(extension=".names", summary="The methods alone.", write=names)
    >>> [exporter.write(ExportTable("runs", ["method"], [{"method": "kd"}])) for exporter in matekd_bench_exporters()]
    [b'kd\\n']
    """
    return ()


@hookspec
def matekd_bench_trackers() -> Iterable[Tracker]:
    """Provide trackers, for ``run --track NAME``; the object that `start` returns implements events.

    >>> from matekd_bench import Tracker, hookimpl
    >>> class Beep:
    ...     @hookimpl
    ...     def matekd_bench_study_finished(self, end):
    ...         print("beep:", end.status)
    >>> @hookimpl
    ... def matekd_bench_trackers():
    ...     yield Tracker(name="beep", summary="Rings when a study is over.", start=lambda results: Beep())
    >>> [tracker.name for tracker in matekd_bench_trackers()]
    ['beep']
    """
    return ()

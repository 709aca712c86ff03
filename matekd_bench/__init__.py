"""matekd-bench: compare text perturbation methods for knowledge distillation.

This module is the face for notebooks, scripts and plugin authors; every other module is private to the project. Names
are imported when they are first used, so that ``import matekd_bench`` costs nothing and loads no library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matekd_bench.api.dry_run import DryRun
    from matekd_bench.api.leaderboard import Drawing, Leaderboard
    from matekd_bench.api.machine import cache_entries, clear_cache, doctor
    from matekd_bench.api.results import Results, load_results, merge_results
    from matekd_bench.api.student import Student
    from matekd_bench.api.study import Study
    from matekd_bench.errors import (
        BenchError,
        CheckpointError,
        DataError,
        PluginError,
        ResultsError,
        RunError,
        UsageError,
    )
    from matekd_bench.events import (
        Evaluated,
        Message,
        PlannedRun,
        Prepared,
        Progress,
        RunFinished,
        RunStarted,
        StopRequested,
        StudyFinished,
        StudyStarted,
    )
    from matekd_bench.methods.context import Context, Models, Tokens, Trained, WordEmbeddings
    from matekd_bench.methods.global_generators import borrowed_random
    from matekd_bench.methods.method import Method, NoParams, Params
    from matekd_bench.methods.perturbation import Perturbation, TextPerturbation, TokenPerturbation, Views
    from matekd_bench.methods.rows import Cycle, Encoded, Perturbed, Row
    from matekd_bench.methods.search_space import Choice, Range
    from matekd_bench.methods.thesaurus import Synonyms, Thesaurus, groups_in, wordnet_places
    from matekd_bench.methods.views import Batch, Joint, Seen, View
    from matekd_bench.methods.wrapping import WrapperParams
    from matekd_bench.plugins.hookspecs import hookimpl
    from matekd_bench.plugins.record_types import Exporter, ExportTable, Preset, Tracker, load_presets
    from matekd_bench.plugins.thesauri import find_thesaurus, thesaurus_names
    from matekd_bench.seeds import seed_of
    from matekd_bench.tasks.evaluate_metric import evaluate_metric
    from matekd_bench.tasks.perturbed_texts import Coverage, PerturbedTexts, read_perturbed_texts
    from matekd_bench.tasks.task import Rows, Split, Suite, Task
    from matekd_bench.tasks.task_files import load_suites, load_tasks

    __version__: str

_HOMES = {
    "api.study": "Study",
    "api.results": "Results load_results merge_results",
    "api.machine": "cache_entries clear_cache doctor",
    "api.leaderboard": "Drawing Leaderboard",
    "api.dry_run": "DryRun",
    "api.student": "Student",
    "errors": "BenchError CheckpointError DataError PluginError ResultsError RunError UsageError",
    "events": "Evaluated Message PlannedRun Prepared Progress RunFinished RunStarted StopRequested StudyFinished "
    "StudyStarted",
    "methods.perturbation": "Perturbation TextPerturbation TokenPerturbation",
    "methods.context": "Context Models Tokens Trained WordEmbeddings",
    "methods.global_generators": "borrowed_random",
    "methods.method": "Method NoParams Params",
    "methods.search_space": "Choice Range",
    "methods.rows": "Cycle Encoded Perturbed Row",
    "methods.thesaurus": "Synonyms Thesaurus groups_in wordnet_places",
    "methods.views": "Batch Joint Seen View",
    "methods.wrapping": "WrapperParams",
    "plugins.hookspecs": "hookimpl",
    "plugins.record_types": "ExportTable Exporter Preset Tracker load_presets",
    "plugins.thesauri": "find_thesaurus thesaurus_names",
    "seeds": "seed_of",
    "tasks.evaluate_metric": "evaluate_metric",
    "tasks.perturbed_texts": "Coverage PerturbedTexts read_perturbed_texts",
    "tasks.task_files": "load_suites load_tasks",
    "tasks.task": "Rows Split Suite Task",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Batch",
    "BenchError",
    "CheckpointError",
    "Choice",
    "Context",
    "Coverage",
    "Cycle",
    "DataError",
    "Drawing",
    "DryRun",
    "Encoded",
    "Evaluated",
    "ExportTable",
    "Exporter",
    "Joint",
    "Leaderboard",
    "Message",
    "Method",
    "Models",
    "NoParams",
    "Params",
    "Perturbation",
    "Perturbed",
    "PerturbedTexts",
    "PlannedRun",
    "PluginError",
    "Prepared",
    "Preset",
    "Progress",
    "Range",
    "Results",
    "ResultsError",
    "Row",
    "Rows",
    "RunError",
    "RunFinished",
    "RunStarted",
    "Seen",
    "Split",
    "StopRequested",
    "Student",
    "Study",
    "StudyFinished",
    "StudyStarted",
    "Suite",
    "Synonyms",
    "Task",
    "TextPerturbation",
    "Thesaurus",
    "TokenPerturbation",
    "Tokens",
    "Tracker",
    "Trained",
    "UsageError",
    "View",
    "Views",
    "WordEmbeddings",
    "WrapperParams",
    "__version__",
    "borrowed_random",
    "cache_entries",
    "clear_cache",
    "doctor",
    "evaluate_metric",
    "find_thesaurus",
    "groups_in",
    "hookimpl",
    "load_presets",
    "load_results",
    "load_suites",
    "load_tasks",
    "merge_results",
    "read_perturbed_texts",
    "seed_of",
    "thesaurus_names",
    "wordnet_places",
]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use."""
    if name == "__version__":
        value: Any = _version()
    elif name == "Views":  # for annotations only: what it names are torch's types, which must not be loaded
        value = Any
    elif name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("matekd-bench")
    except PackageNotFoundError:
        return "0+not.installed"

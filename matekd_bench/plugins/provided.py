"""Pairs each record with the plugin that provides it, and checks records before they are accepted."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, TypeAlias, TypeVar, get_args

from pydantic import ValidationError

from matekd_bench.errors import PluginError
from matekd_bench.methods.class_checks import code_problem
from matekd_bench.methods.method import FUNCTIONS, NEEDS, Level, Method, Params, Role
from matekd_bench.methods.perturbation import Perturbation, method_of
from matekd_bench.methods.search_space import Choice, Range
from matekd_bench.methods.thesaurus import Thesaurus
from matekd_bench.methods.wrapping import WrapperParams
from matekd_bench.plugins.method_code import MethodCode, code_in_process, code_of
from matekd_bench.plugins.origin import ProvidedBy
from matekd_bench.plugins.record_types import Exporter, Preset, Tracker
from matekd_bench.spelling import kind_in_words
from matekd_bench.tasks.task import Suite, Task

AnyRecord: TypeAlias = Method | Task | Suite | Thesaurus | Preset | Exporter | Tracker
Record = TypeVar("Record", bound=AnyRecord, covariant=True)
Checked = TypeVar("Checked", bound=AnyRecord)

NAME = re.compile(r"[a-z0-9][a-z0-9-]*(:[a-z0-9][a-z0-9-]*)*")
KINDS: dict[str, type[AnyRecord]] = {
    "matekd_bench_methods": Method,
    "matekd_bench_tasks": Task,
    "matekd_bench_suites": Suite,
    "matekd_bench_thesauri": Thesaurus,
    "matekd_bench_presets": Preset,
    "matekd_bench_exporters": Exporter,
    "matekd_bench_trackers": Tracker,
}


@dataclass(frozen=True)
class Provided(Generic[Record]):
    """A record that a hook returned, such as a method or a task, with the plugin that provides it.

    `module` is the name of the plugin's module.
    """

    record: Record
    by: ProvidedBy
    module: str = ""

    @cached_property
    def code(self) -> MethodCode:
        """The code of a method when it was first asked for."""
        return self.current_code()

    def current_code(self) -> MethodCode:
        """Return the current code of a method; raise TypeError for another kind of record."""
        if not isinstance(self.record, Method):
            raise TypeError(f"{self.record!r} is not a method")
        if self.by.in_process:
            return code_in_process(self.record)
        return code_of(self.record, self.by, self.module)


@dataclass(frozen=True)
class PluginInfo:
    """One row of ``matekd-bench plugins``.

    `provides` lists kind and name, e.g. "method eda", and events, e.g. "event evaluated". `reason` says why a broken
    plugin was left out.
    """

    by: ProvidedBy
    provides: tuple[str, ...] = ()
    status: Literal["ok", "broken"] = "ok"
    reason: str | None = None

    @property
    def name(self) -> str:
        """Name of the entry point, or of the file without its extension."""
        return self.by.plugin


def checked_records(records: Any, hook: str) -> list[AnyRecord]:
    """Return the records that a hook returned, with classes replaced by their `Method` records.

    Raises PluginError for the first record that has a wrong type or is malformed.
    """
    kind = KINDS[hook]
    # Dictionaries and texts are iterable too, but what they yield are not records.
    if inspect.iscoroutine(records):
        records.close()  # otherwise Python warns that nobody has waited for it
        raise PluginError(f"{hook} is asynchronous: write `def`, not `async def`.")
    if isinstance(records, (kind, type, str, Mapping)) or not isinstance(records, Iterable):
        raise PluginError(
            f"{hook} returned {kind_in_words(records)}: return a list of records, or yield each record."
        )
    return [checked_record(item, hook, kind) for item in records]


def checked_record(item: Any, hook: str, kind: type[Checked]) -> Checked:
    """Return one record of a hook, or the record of a class that describes itself; raise PluginError as for a hook."""
    describes_itself = kind is Method and isinstance(item, type) and issubclass(item, Perturbation)
    record = method_of(item) if describes_itself else item
    if not isinstance(record, kind):
        raise PluginError(
            f"{hook} returned {kind_in_words(item)}, not a {kind.__name__}{_advice(item, kind)}."
        )
    if not isinstance(record.name, str):
        raise PluginError(
            f"a {kind.__name__.lower()} has {kind_in_words(record.name)} as its name; it must be a text."
        )
    if problem := problem_of(record):
        raise PluginError(f"{kind.__name__.lower()} {record.name!r}: {problem}.")
    return record


def _advice(item: Any, kind: type[Any]) -> str:
    """Return the end of the sentence about an item that is not a record: what to write instead."""
    if kind is Method and isinstance(item, Perturbation):
        return ": give the class, without calling it"
    if kind is Method and isinstance(item, type):
        return ": it does not extend matekd_bench.Perturbation"
    return ": give each record separately" if isinstance(item, (list, tuple, set, Mapping)) else ""


def kind_of(record: AnyRecord) -> str:
    """Return the word for a record's kind, such as "method", "task", "suite" or "thesaurus"."""
    return next(kind.__name__.lower() for kind in KINDS.values() if isinstance(record, kind))


def problem_of(record: AnyRecord) -> str | None:
    """Return what is wrong with a record, or None. Tasks are not checked here: they check themselves."""
    if isinstance(record, Task):
        return None
    if not NAME.fullmatch(record.name):
        return "a name consists of lower-case letters, digits and '-', with ':' between its parts"
    if isinstance(record, Method):
        return _method_problem(record)
    if isinstance(record, Suite):
        return None if record.tasks else "a suite must name at least one task"
    return _simple_record_problem(record)


def _simple_record_problem(record: Thesaurus | Preset | Exporter | Tracker) -> str | None:
    """Return what is wrong with a record of a kind that has few rules, or None."""
    if isinstance(record, Preset):
        is_table = isinstance(record.settings, Mapping)
        return None if is_table else "settings must be the tables of a config file, as a dictionary"
    if isinstance(record, Exporter) and record.extension != f".{record.name}":
        return "extension must start with a dot and be in lower case, e.g. '.xlsx'"
    function = {Thesaurus: "load", Exporter: "write", Tracker: "start"}[type(record)]
    return None if callable(getattr(record, function)) else f"{function} must be callable"


def _method_problem(method: Method) -> str | None:
    """Return what is wrong with a method record, or None."""
    texts = {"summary": method.summary, "citation": method.citation}
    if wrong := [name for name, value in texts.items() if not isinstance(value, str)]:
        return f"{wrong[0]} is {kind_in_words(texts[wrong[0]])}; it must be a text"
    if not isinstance(method.needs, (set, frozenset)):
        return f"needs is {method.needs!r}; it must be a set, such as {{'generator'}}"
    if unknown_needs := sorted(map(str, method.needs - NEEDS)):
        return f"needs names '{unknown_needs[0]}'; allowed: {', '.join(sorted(NEEDS))}"
    if method.role not in get_args(Role):
        return _choice_problem("role", method.role, get_args(Role))
    if wrong := [name for name in FUNCTIONS if not callable(getattr(method, name))]:
        return f"{wrong[0]} must be callable with the parameters"
    if not (isinstance(method.params, type) and issubclass(method.params, Params)):
        return "params must be a subclass of matekd_bench.Params"
    if problem := _names_problem(method.libraries) or code_problem(method):
        return problem
    required = [name for name, field in method.params.model_fields.items() if field.is_required()]
    if required:
        return f"parameter '{required[0]}' needs a default"
    method.params()  # raises any error of a default
    if method.level not in get_args(Level):
        return _choice_problem("level", method.level, get_args(Level))
    if method.wraps not in (None, *get_args(Level)):
        return _choice_problem("wraps", method.wraps, get_args(Level))
    if method.wraps is not None and not issubclass(method.params, WrapperParams):
        return "a method that wraps another must have params of matekd_bench.WrapperParams"
    if not (isinstance(method.version, str) and method.version):
        return "version must be a text that changes whenever results may change"
    return _search_problem(method)


def _names_problem(libraries: Any) -> str | None:
    """Return what is wrong with the libraries that a method names, or None."""
    if isinstance(libraries, (tuple, list)) and all(isinstance(name, str) and name for name in libraries):
        return None
    return f'libraries is {libraries!r}: use a tuple of names that pip installs, such as ("nlpaug",)'


def _choice_problem(field: str, value: object, allowed: Sequence[str]) -> str:
    """Return the sentence about a field whose value is not an allowed one."""
    return f"{field} is {value!r}; allowed: {', '.join(allowed)}"


def _search_problem(method: Method) -> str | None:
    """Return what is wrong with a method's search space, or None.

    The method's own parameter class validates the ends of each range and every value of a choice.
    """
    for name, space in method.search.items():
        if name not in method.params.model_fields or name in WrapperParams.model_fields:
            return f"search names '{name}', which is not a parameter of the method"
        if not isinstance(space, (Range, Choice)):
            return f"search gives {space!r} for '{name}': use matekd_bench.Range or matekd_bench.Choice"
        for value in space.values if isinstance(space, Choice) else (space.low, space.high):
            try:
                method.params.model_validate({name: value})
            except ValidationError:
                return f"search allows {value!r} for '{name}', but its parameters do not"
    return None

"""Parameters of methods: from the text of ``--methods`` and ``--set`` to checked values, and back to text."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from matekd_bench.errors import PluginError, UsageError, first_problem, unknown
from matekd_bench.foreign_code import blamed
from matekd_bench.methods.grammar import MethodRef, factor_text, parse, value_text
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.typed_names import TypedName
from matekd_bench.methods.wrapping import Wrapped, WrapperParams, check_wrapping, combined_record

WRAPPER_FIELDS = frozenset(WrapperParams.model_fields)
BOUND_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "multiple of"}


@dataclass(frozen=True)
class ResolvedMethod:
    """A method with its parameters, ready to run.

    `variant` is the method's name in tables, e.g. ``eda[alpha=0.2]@2x``: only the parameters that differ from the
    defaults, in the order of the fields, in the grammar of ``--methods``. `factor` multiplies the study's budget.
    `inner` is the method that it wraps. `record` is the method's record, for a wrapper the record of both methods.
    `written` are the parameters whose values are written in ``--methods``. `typed` has the variant without the
    parameters that a preset set.
    """

    name: str
    variant: str
    params: Params
    factor: float = 1.0
    inner: ResolvedMethod | None = None
    written: frozenset[str] = field(default=frozenset(), compare=False)
    record: Method = field(kw_only=True, compare=False)
    typed: TypedName = field(kw_only=True, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the method and of the method it wraps."""
        return (self.name, *(self.inner.names if self.inner else ()))


@dataclass(frozen=True)
class Parameter:
    """The description of one parameter, as ``methods show`` prints it."""

    name: str
    type: str
    default: str
    bounds: str
    description: str


def parse_sets(items: Iterable[str]) -> dict[str, str]:
    """Parse ``("eda.alpha=0.2",)`` to {"eda.alpha": "0.2"}; of several values of a parameter, the last counts."""
    sets = {}
    for item in items:
        target, equals, value = item.partition("=")
        method, dot, parameter = target.strip().rpartition(".")
        if not (equals and dot and method and parameter):
            raise UsageError(f"--set '{item}' is not of the form METHOD.PARAMETER=VALUE, e.g. eda.alpha=0.2.")
        sets[f"{method}.{parameter}"] = value.strip()
    return sets


def check_sets(sets: Mapping[str, str], listed: Collection[str], lookup: Callable[[str], Method]) -> None:
    """Raise UsageError for a parameter of a method that is not `listed`; `lookup` raises for an unknown name."""
    for target, value in sets.items():
        method = target.rpartition(".")[0]
        if method not in listed:
            lookup(method)
            raise UsageError(
                f"--set {target}={value}: method '{method}' is not in the study ({', '.join(sorted(listed))})."
            )


def resolve_all(
    text: str, lookup: Callable[[str], Method], sets: Mapping[str, str]
) -> tuple[ResolvedMethod, ...]:
    """Look up and check every method that `text` lists, in order and without duplicates.

    `sets` completes the parameters, by METHOD.PARAMETER; those of other methods are ignored. `lookup` raises for
    unknown names.
    """
    methods = (_resolve_ref(ref, lookup, sets) for ref in parse(text))
    return tuple({(method.name, method.variant): method for method in methods}.values())


def _resolve_ref(ref: MethodRef, lookup: Callable[[str], Method], sets: Mapping[str, str]) -> ResolvedMethod:
    """Look up a method and the method it wraps, and resolve both."""
    method = lookup(ref.name)
    if ref.inner and method.wraps is None:  # before the inner look-up, since that name may be no method's
        check_wrapping(method, method, str(ref))
    return resolve(ref, method, sets, _resolve_ref(ref.inner, lookup, sets) if ref.inner else None)


def resolve(
    ref: MethodRef, method: Method, sets: Mapping[str, str], inner: ResolvedMethod | None = None
) -> ResolvedMethod:
    """Convert and check the parameters of `ref`, completed by values from `sets`.

    `inner` is the resolved method that `ref` wraps. Raises UsageError naming the parameter, the value and the allowed
    values.
    """
    check_wrapping(method, inner.record if inner else None, str(ref))
    own = {key.rpartition(".")[2]: value for key, value in sets.items() if key.rpartition(".")[0] == ref.name}
    params = validate(method, own | {key: str(value) for key, value in ref.params})
    variant = variant_of(method, params, ref.factor, inner)
    record = method
    if inner is not None:
        wrapped = Wrapped(method=inner.name, params=inner.params.model_dump(mode="json"))
        params = params.model_copy(update={"inner": wrapped})
        record = combined_record(method, inner.record, inner.params)
    written = frozenset(name for name, _ in ref.params)
    return ResolvedMethod(
        method.name, variant, params, ref.factor, inner, written,
        record=record, typed=TypedName(method.name, variant, variant),
    )  # fmt: skip


def validate(method: Method, texts: Mapping[str, str]) -> Params:
    """Convert texts by parameter name to the parameters of `method`; missing ones get their defaults."""
    fields = own_fields(method)
    command = f"matekd-bench methods show {method.name}"
    for key in texts:
        if key not in fields:
            allowed = [f"{method.name}.{name}" for name in fields]
            raise unknown("parameter", f"{method.name}.{key}", allowed, command=command)
    values = {key: _json_value(fields[key], text) for key, text in texts.items()}
    with blamed(f"method '{method.name}' cannot check its parameters", PluginError):
        try:
            params = method.params.model_validate(values)
        except ValidationError as error:
            raise _usage_error(method, texts, error) from error
    for key, value in params.model_dump().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(
                f"parameter '{key}' of method '{method.name}' must be a finite number, not {value}."
            )
    return params


def own_fields(method: Method) -> dict[str, FieldInfo]:
    """Return the parameters that users set by name, which leaves out the method that a wrapper wraps."""
    fields = method.params.model_fields
    return {
        name: field for name, field in fields.items() if method.wraps is None or name not in WRAPPER_FIELDS
    }


def describe(method: Method) -> tuple[Parameter, ...]:
    """Describe the parameters of `method` that users set by name, in the order of its fields."""
    defaults = _values(method.params())
    return tuple(
        Parameter(
            name=name,
            type=_type_text(field.annotation),
            default=_text(defaults[name]),
            bounds=_bounds_text(field),
            description=" ".join((field.description or "").split()),
        )
        for name, field in own_fields(method).items()
    )


def names_in(ref: MethodRef) -> list[str]:
    """Return the names of the method and of the methods it wraps."""
    return [ref.name, *(names_in(ref.inner) if ref.inner else [])]


def variant_of(method: Method, params: Params, factor: float, inner: ResolvedMethod | None) -> str:
    """Name a method with these parameters as in tables: those that differ from the defaults, in brackets."""
    defaults, values = _values(method.params()), _values(params)
    changed = {key: values[key] for key in own_fields(method) if values[key] != defaults[key]}
    arguments = [inner.variant] if inner else []
    arguments += [f"{key}={value_text(_text(value))}" for key, value in changed.items()]
    listed = f"[{','.join(arguments)}]" if arguments else ""
    return f"{method.name}{listed}{factor_text(factor)}"


def _values(params: Params) -> dict[str, Any]:
    """Return all parameters as JSON values, including those that `exclude_if` leaves out of run ids."""
    return {name: to_jsonable_python(value) for name, value in params}


def _text(value: Any) -> str:
    """Write a value as in tables."""
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _json_value(field: FieldInfo, text: str) -> Any:
    """Convert text to None, a list, a table or a choice, which pydantic does not read from text.

    The rest is left to pydantic.
    """
    choices = _choices(field.annotation)
    if None in choices and text.lower() == "none":
        return None
    if text.startswith(("[", "{")) and not _is_text(field.annotation):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return next((choice for choice in choices if choice is not None and _text(choice) == text), text)


def _choices(annotation: Any) -> list[Any]:
    """Return the values of the literals in a type, and None if it allows None."""
    if annotation is type(None):
        return [None]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return [choice for part in get_args(annotation) for choice in _choices(part)]
    return []


def _is_text(annotation: Any) -> bool:
    """Return True for the types of text, with or without None."""
    union = get_origin(annotation) in (Union, types.UnionType)
    return set(get_args(annotation) if union else (annotation,)) <= {str, type(None)}


def _type_text(annotation: Any) -> str:
    """Describe a type as ``methods show`` prints it."""
    if annotation is type(None):
        return "none"
    if get_origin(annotation) is Literal:
        return " | ".join(_text(choice) for choice in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return " | ".join(_type_text(part) for part in get_args(annotation))
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _bounds_text(field: FieldInfo) -> str:
    """Describe a field's bounds, e.g. ``> 0, <= 1``."""
    bounds = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in BOUND_SIGNS.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join(bounds)


def _usage_error(method: Method, texts: Mapping[str, str], error: ValidationError) -> UsageError:
    """Return the first problem as an error that names the parameter and its text as typed."""
    problem, place = first_problem(error, method.params), f" of method '{method.name}'"
    hint = f"'matekd-bench methods show {method.name}' describes it."
    if not problem.path:
        return UsageError(f"parameters{place}: {problem.rule}.", hint=hint)
    key = problem.path[0]
    return UsageError(f"parameter '{key}'{place} cannot be '{texts[key]}': {problem.rule}.", hint=hint)

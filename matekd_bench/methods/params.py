"""From the text of ``--methods`` and ``--set`` to checked parameters, and back to the text of tables."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from matekd_bench.errors import UsageError, unknown
from matekd_bench.methods.grammar import MethodRef, factor_text, parse, value_text
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.wrapping import Wrapped, WrapperParams, check_wrapping, paired

WRAPPED = frozenset(WrapperParams.model_fields)
BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "multiple of"}


@dataclass(frozen=True)
class ResolvedMethod:
    """A method with its parameters, ready to run.

    `variant` is how tables name it, e.g. ``eda[alpha=0.2]@2x``: only what differs from the defaults, in the
    order of the fields, and in the grammar of ``--methods``. `inner` is the method that it wraps; `record` is the
    method's own, or for a wrapper that of the two as one. With `factor` times the study's budget a method is no
    reference: it is compared with those that keep to the budget. `written` are the parameters whose values the list of
    methods says itself.
    """

    name: str
    variant: str
    params: Params
    factor: float = 1.0
    inner: ResolvedMethod | None = None
    written: frozenset[str] = field(default=frozenset(), compare=False)
    record: Method = field(kw_only=True, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The method's name, then that of the method it wraps."""
        return (self.name, *(self.inner.names if self.inner else ()))


@dataclass(frozen=True)
class Parameter:
    """What ``methods show`` prints of one parameter."""

    name: str
    type: str
    default: str
    bounds: str
    description: str


def parse_sets(items: Iterable[str]) -> dict[str, str]:
    """``("eda.alpha=0.2",)`` as {"eda.alpha": "0.2"}; the last of several for one parameter counts."""
    sets = {}
    for item in items:
        target, equals, value = item.partition("=")
        method, dot, parameter = target.strip().rpartition(".")
        if not (equals and dot and method and parameter):
            raise UsageError(f"--set '{item}' is not of the form METHOD.PARAMETER=VALUE, e.g. eda.alpha=0.2.")
        sets[f"{method}.{parameter}"] = value.strip()
    return sets


def resolve_all(
    text: str, lookup: Callable[[str], Method], sets: Mapping[str, str]
) -> tuple[ResolvedMethod, ...]:
    """Every method that `text` lists, looked up and checked, in order; equal ones once.

    `lookup` raises for unknown names. Raises UsageError for a ``--set`` of a method that is not listed.
    """
    refs = parse(text)
    listed = {name for ref in refs for name in names_in(ref)}
    for target in sets:
        method = target.rpartition(".")[0]
        if method not in listed:
            lookup(method)
            raise UsageError(
                f"--set {target}={sets[target]}: method '{method}' is not in the study "
                f"({', '.join(sorted(listed))})."
            )
    found = (_resolve(ref, lookup, sets) for ref in refs)
    return tuple({(one.name, one.variant): one for one in found}.values())


def _resolve(ref: MethodRef, lookup: Callable[[str], Method], sets: Mapping[str, str]) -> ResolvedMethod:
    method = lookup(ref.name)
    if ref.inner and method.wraps is None:  # what stands there need not be the name of a method
        check_wrapping(method, method, str(ref))
    return resolve(ref, method, sets, _resolve(ref.inner, lookup, sets) if ref.inner else None)


def resolve(
    ref: MethodRef, method: Method, sets: Mapping[str, str], inner: ResolvedMethod | None = None
) -> ResolvedMethod:
    """Types and checks the parameters of `ref`; values from `sets` fill in what `ref` leaves open.

    `inner` is the method that `ref` wraps, resolved. Raises UsageError naming the parameter, the value and what is
    allowed.
    """
    check_wrapping(method, inner.record if inner else None, str(ref))
    own = {key.rpartition(".")[2]: value for key, value in sets.items() if key.rpartition(".")[0] == ref.name}
    params = validate(method, own | {key: str(value) for key, value in ref.params})
    variant = variant_of(method, params, ref.factor, inner)
    record = method
    if inner is not None:
        wrapped = Wrapped(method=inner.name, params=inner.params.model_dump(mode="json"))
        params = params.model_copy(update={"inner": wrapped})
        record = paired(method, inner.record, inner.params)
    if ref.factor != 1.0:
        record = replace(record, role="method")
    written = frozenset(name for name, _ in ref.params)
    return ResolvedMethod(method.name, variant, params, ref.factor, inner, written, record=record)


def validate(method: Method, given: Mapping[str, str]) -> Params:
    """The parameters of `method` from text; what is not given has its default."""
    fields = own_fields(method)
    command = f"matekd-bench methods show {method.name}"
    for key in given:
        if key not in fields:
            allowed = [f"{method.name}.{name}" for name in fields]
            raise unknown("parameter", f"{method.name}.{key}", allowed, command=command)
    try:
        params = method.params.model_validate({key: _plain(fields[key], text) for key, text in given.items()})
    except ValidationError as error:
        raise _usage_error(method, given, error) from error
    for key, value in params.model_dump().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(
                f"parameter '{key}' of method '{method.name}' must be a finite number, not {value}."
            )
    return params


def own_fields(method: Method) -> dict[str, FieldInfo]:
    """The fields of a method's parameters that are set by name: not the method that a wrapper wraps."""
    fields = method.params.model_fields
    return {name: field for name, field in fields.items() if method.wraps is None or name not in WRAPPED}


def describe(method: Method) -> tuple[Parameter, ...]:
    """The parameters of `method` that are set by name, in the order of its fields."""
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
    """The method's name and those of the methods it wraps."""
    return [ref.name, *(names_in(ref.inner) if ref.inner else [])]


def variant_of(method: Method, params: Params, factor: float, inner: ResolvedMethod | None) -> str:
    """How tables name a method with these parameters: what differs from the defaults, in the grammar of lists."""
    default, given = _values(method.params()), _values(params)
    changed = {key: given[key] for key in own_fields(method) if given[key] != default[key]}
    arguments = [inner.variant] if inner else []
    arguments += [f"{key}={value_text(_text(value))}" for key, value in changed.items()]
    listed = f"[{','.join(arguments)}]" if arguments else ""
    return f"{method.name}{listed}{factor_text(factor)}"


def _values(params: Params) -> dict[str, Any]:
    """All parameters as JSON has them, those included that an identity leaves out."""
    return {name: to_jsonable_python(value) for name, value in params}


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _plain(field: FieldInfo, text: str) -> Any:
    """Text as pydantic can type it: None and choices that are not text have no spelling there."""
    choices = _choices(field.annotation)
    if None in choices and text.lower() == "none":
        return None
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return next((choice for choice in choices if choice is not None and _text(choice) == text), text)


def _choices(annotation: Any) -> list[Any]:
    """The values of the literals in a type, and None where it allows None."""
    if annotation is type(None):
        return [None]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return [choice for part in get_args(annotation) for choice in _choices(part)]
    return []


def _type_text(annotation: Any) -> str:
    if annotation is type(None):
        return "none"
    if get_origin(annotation) is Literal:
        return " | ".join(_text(choice) for choice in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return " | ".join(_type_text(part) for part in get_args(annotation))
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _bounds_text(field: FieldInfo) -> str:
    found = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join(found)


def _usage_error(method: Method, given: Mapping[str, str], error: ValidationError) -> UsageError:
    """The first problem of a ValidationError as one line."""
    problem = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    hint = f"'matekd-bench methods show {method.name}' describes it."
    if not problem["loc"]:
        return UsageError(f"parameters of method '{method.name}': {message}.", hint=hint)
    key = str(problem["loc"][0])
    return UsageError(
        f"parameter '{key}' of method '{method.name}' cannot be '{given[key]}': {message}.", hint=hint
    )

"""Which settings a method is tried with before a tuned study: as many for every method, the reference included."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from matekd_bench.errors import UsageError
from matekd_bench.methods.method import Method
from matekd_bench.methods.params import ResolvedMethod, variant_of
from matekd_bench.methods.search_space import Range, Space, Value, sampled
from matekd_bench.methods.wrapping import Wrapped, paired

RULE = "halton-1"  # raised when the same spaces may give other trials than before
SEED = 1_000_000  # of every trial: no study's, so that no seed of the study is the one that settings were chosen with
LR = "lr"
RATES = Range(0.25, 4.0, log=True)  # of the student's learning rate, in multiples of the study's
INNER = "inner."  # before the parameters of the method that a wrapper wraps

Lookup = Callable[[str], Method]


@dataclass(frozen=True)
class Trial:
    """One setting to try: the learning rate as a multiple of the study's, and the parameters that differ."""

    number: int
    rate: float
    params: Mapping[str, Value]


def spaces_of(method: ResolvedMethod, fixed: Collection[str]) -> dict[str, Space]:
    """The search space of a method, the learning rate's first, without the parameters whose values the user gave.

    `fixed` are those given for every such method, as METHOD.PARAMETER; what the list of methods gives is known.
    """
    spaces: dict[str, Space] = {LR: RATES}
    for prefix, one in (("", method), *(((INNER, method.inner),) if method.inner else ())):
        given = one.written | {key.rpartition(".")[2] for key in fixed if key.rpartition(".")[0] == one.name}
        spaces |= {f"{prefix}{name}": space for name, space in one.record.search.items() if name not in given}
    return spaces


def trials_of(spaces: Mapping[str, Space], count: int) -> tuple[Trial, ...]:
    """The trials of a method: the settings as they are, then `count` - 1 others."""
    found = [Trial(1, 1.0, {})]
    for number in range(2, count + 1):
        values = sampled(spaces, number)
        rate = float(values.pop(LR))
        found.append(Trial(number, rate, values))
    return tuple(found)


def tuning_identity(spaces: Mapping[str, Space], count: int) -> dict[str, Any]:
    """What tuning adds to the identity of a run."""
    return {
        "trials": count,
        "rule": RULE,
        "seed": SEED,
        "spaces": {name: str(one) for name, one in spaces.items()},
    }


def protocol_tuning(count: int | None) -> dict[str, Any] | None:
    """What tuning adds to the identity of a protocol: None where methods are as they are given."""
    return None if count is None else {"trials": count, "rule": RULE, LR: str(RATES)}


def with_values(method: ResolvedMethod, values: Mapping[str, Value], lookup: Lookup) -> ResolvedMethod:
    """`method` with other values of some parameters; those of a wrapped method are named ``inner.NAME``.

    Raises UsageError where its parameters do not take them together with what the user gave.
    """
    if not values:
        return method
    inner, record = method.inner, method.record
    own = {name: value for name, value in values.items() if not name.startswith(INNER)}
    params = _changed(method, own)
    if inner is not None:
        theirs = {name.removeprefix(INNER): value for name, value in values.items() if name.startswith(INNER)}
        inner = with_values(inner, theirs, lookup)
        wrapped = Wrapped(method=inner.name, params=inner.params.model_dump(mode="json"))
        params = params.model_copy(update={"inner": wrapped})
        record = paired(lookup(method.name), inner.record, inner.params)
        record = replace(record, role=method.record.role)
    variant = variant_of(lookup(method.name), params, method.factor, inner)
    return replace(method, variant=variant, params=params, inner=inner, record=record)


def _changed(method: ResolvedMethod, values: Mapping[str, Value]) -> Any:
    try:
        return type(method.params).model_validate({**method.params.model_dump(), **values})
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"--tune cannot try {', '.join(values)} of '{method.variant}': {said}:",
            hint="name such parameters in the list, at their defaults if you like: what is named is not tuned.",
        ) from None

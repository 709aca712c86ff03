"""The trials of a tuned study: the settings to try for each method, equally many for every method."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from matekd_bench.errors import UsageError, first_problem
from matekd_bench.methods.method import Method
from matekd_bench.methods.overrides import overrides_of
from matekd_bench.methods.params import ResolvedMethod, variant_of
from matekd_bench.methods.search_space import Range, Space, Value, trial_values
from matekd_bench.methods.wrapping import Wrapped, combined_record
from matekd_bench.study.spec.study_spec import StudySpec

RULE = "halton-1"  # raise it when the same spaces may give other trials than before
SEED = 1_000_000  # of every trial; not a usual study seed, so no run has the seed that chose its settings
LR = "lr"
LR_SETTING = "training.optimizer.lr"  # as a method names it that overrides it
RATES = Range(0.25, 4.0, log=True)  # learning rates of the student, as multiples of the study's
INNER = "inner."  # prefix for parameters of the wrapped method

Lookup = Callable[[str], Method]


@dataclass(frozen=True)
class Trial:
    """One setting to try: the learning rate as a multiple of the study's, and the parameters that differ."""

    number: int
    rate: float
    params: Mapping[str, Value]


def spaces_of(method: ResolvedMethod, fixed: Collection[str]) -> dict[str, Space]:
    """Return the search spaces of a method by parameter, the learning rate first unless the method overrides it.

    Parameters that the user set are left out: those in ``--methods``, and those in `fixed`, as METHOD.PARAMETER. Raises
    UsageError if nothing is left.
    """
    overridden = LR_SETTING in overrides_of(method.record, method.params)
    spaces: dict[str, Space] = {} if overridden else {LR: RATES}
    parts = [("", method), *([(INNER, method.inner)] if method.inner else [])]
    for prefix, part in parts:
        fixed_names = {key.rpartition(".")[2] for key in fixed if key.rpartition(".")[0] == part.name}
        for name, space in part.record.search.items():
            if name not in part.written | fixed_names:
                spaces[f"{prefix}{name}"] = space
    if not spaces:
        raise UsageError(
            f"--tune has nothing to change for method '{method.variant}': it sets its own learning rate, and no other "
            "parameter is free.",
            hint="Leave out the method or --tune.",
        )
    return spaces


def trials_of(spaces: Mapping[str, Space], count: int) -> tuple[Trial, ...]:
    """Return `count` trials of a method; the first keeps the given settings."""
    trials = [Trial(1, 1.0, {})]
    for number in range(2, count + 1):
        values = trial_values(spaces, number)
        rate = float(values.pop(LR, 1.0))
        trials.append(Trial(number, rate, values))
    return tuple(trials)


def tuning_identity(spaces: Mapping[str, Space], count: int) -> dict[str, Any]:
    """Return what tuning adds to the identity of a run."""
    return {
        "trials": count,
        "rule": RULE,
        "seed": SEED,
        "spaces": {name: str(space) for name, space in spaces.items()},
    }


def protocol_tuning(count: int | None) -> dict[str, Any] | None:
    """Return what tuning adds to the identity of a protocol; None without tuning."""
    return None if count is None else {"trials": count, "rule": RULE, LR: str(RATES)}


def with_rate(spec: StudySpec, lr: float) -> StudySpec:
    """Return the study's settings with another learning rate of the student."""
    optimizer = spec.training.optimizer.model_copy(update={"lr": lr})
    return spec.model_copy(update={"training": spec.training.model_copy(update={"optimizer": optimizer})})


def with_values(method: ResolvedMethod, values: Mapping[str, Value], lookup: Lookup) -> ResolvedMethod:
    """Return `method` with other values of some parameters; those of a wrapped method are called ``inner.NAME``.

    Raises UsageError if the values contradict those that the user set.
    """
    if not values:
        return method
    inner, record = method.inner, method.record
    own = {name: value for name, value in values.items() if not name.startswith(INNER)}
    params = _changed_params(method, own)
    if inner is not None:
        inner_values = {
            name.removeprefix(INNER): value for name, value in values.items() if name.startswith(INNER)
        }
        inner = with_values(inner, inner_values, lookup)
        wrapped = Wrapped(method=inner.name, params=inner.params.model_dump(mode="json"))
        params = params.model_copy(update={"inner": wrapped})
        record = combined_record(lookup(method.name), inner.record, inner.params)
        record = replace(record, role=method.record.role)
    variant = variant_of(lookup(method.name), params, method.factor, inner)
    return replace(method, variant=variant, params=params, inner=inner, record=record)


def _changed_params(method: ResolvedMethod, values: Mapping[str, Value]) -> Any:
    """Return the parameters of `method` with other values, checked together."""
    try:
        return type(method.params).model_validate({**method.params.model_dump(), **values})
    except ValidationError as error:
        reason = first_problem(error, type(method.params)).rule
        raise UsageError(
            f"--tune cannot try {', '.join(values)} of '{method.variant}': {reason}.",
            hint="Set them in --methods, even to their default values, so that they are not tuned.",
        ) from None

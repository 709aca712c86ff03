"""Methods that wrap another method: the wrapper's parameters, checks, and the record of both as one method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from matekd_bench.errors import UsageError
from matekd_bench.methods.class_checks import make_perturbation
from matekd_bench.methods.method import Method, Params
from matekd_bench.tasks.task import Task

V = TypeVar("V")


class Wrapped(BaseModel):
    """The wrapped method in a wrapper's parameters: its name and all its parameters as JSON values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    params: dict[str, Any]


class WrapperParams(Params):
    """Base class of the parameters of a method that wraps another, such as ``worst-of-n[eda,n=4]``.

    `inner` is filled in by the suite from the wrapped method; users do not set it by name.
    """

    inner: Wrapped | None = None


@dataclass(frozen=True)
class WrapperPair:
    """A wrapper and its wrapped method, which act as one method."""

    outer: Method
    inner: Method
    inner_params: Params

    def make(self, params: Params, context: Any) -> Any:
        """Make the wrapped method's `Perturbation`, then the wrapper's from it."""
        inner = make_perturbation(self.inner, self.inner_params, context, self.inner.name)
        return self.outer.factory(params, context, inner)

    def overrides(self, params: Params) -> Mapping[str, Any]:
        """Return the settings that either method replaces; the wrapper's value takes precedence."""
        return {**self.inner.overrides(self.inner_params), **self.outer.overrides(params)}

    def unfit(self, params: Params, task: Task) -> str | None:
        """Explain why one of the methods cannot run on a task; None if both can."""
        return self.inner.unfit(self.inner_params, task) or self.outer.unfit(params, task)

    def resources(self, params: Params) -> Mapping[str, str]:
        """Return the resources of both methods by kind; two different ones of a kind are named one after the other."""
        return _combined(
            self.inner.resources(self.inner_params),
            self.outer.resources(params),
            lambda inner, outer: inner if inner == outer else "; ".join((inner, outer)),
        )

    def check_rows(self, params: Params, rows: Mapping[str, tuple[str, ...]]) -> Sequence[str]:
        """Let both methods check the training rows; return the sentences of both."""
        return (*self.inner.check_rows(self.inner_params, rows), *self.outer.check_rows(params, rows))

    def cost_beforehand(self, params: Params) -> Mapping[str, float]:
        """Return the cost, before the study, of what both methods use, summed by unit."""
        return _combined(
            self.inner.cost_beforehand(self.inner_params),
            self.outer.cost_beforehand(params),
            lambda inner, outer: float(inner) + float(outer),
        )


def _combined(inner: Mapping[str, V], outer: Mapping[str, V], both: Callable[[V, V], V]) -> dict[str, V]:
    """Merge what two methods return; `both` gets the values of a key that both have."""
    shared = {key: both(inner[key], outer[key]) for key in inner.keys() & outer.keys()}
    return {**inner, **outer, **shared}


def combined_record(outer: Method, inner: Method, inner_params: Params) -> Method:
    """Make the record of `outer` wrapping `inner`, with version, needs, overrides and resources of both."""
    both = WrapperPair(outer, inner, inner_params)
    return replace(
        outer,
        factory=both.make,
        resources=both.resources,
        version=f"{outer.version}+{inner.name}-{inner.version}",
        needs=outer.needs | inner.needs,
        overrides=both.overrides,
        unfit=both.unfit,
        check_rows=both.check_rows,
        cost_beforehand=both.cost_beforehand,
    )


def check_wrapping(outer: Method, inner: Method | None, written: str) -> None:
    """Raise UsageError unless `outer` can wrap `inner` (None: nothing is wrapped); the error quotes `written`."""
    if inner is not None and outer.wraps is None:
        raise UsageError(
            f"method '{outer.name}' does not wrap another method, so '{written}' is not valid.",
            hint="Its brackets accept only parameters, as PARAMETER=VALUE.",
        )
    if outer.wraps is None:
        return
    levels = f"method '{outer.name}' must wrap a method of level {outer.wraps}"
    hint = f"write '{outer.name}[METHOD]' with a method that 'matekd-bench methods' lists as {outer.wraps}."
    if inner is None:
        raise UsageError(f"{levels}, but '{written}' names none:", hint=hint)
    if inner.wraps is not None:
        raise UsageError(f"{levels}, but '{inner.name}' in '{written}' is itself a wrapper:", hint=hint)
    if inner.level != outer.wraps:
        raise UsageError(f"{levels}, but '{inner.name}' in '{written}' is of level {inner.level}:", hint=hint)

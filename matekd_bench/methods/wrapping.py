"""Methods that wrap another: what a wrapper's parameters say of it, and the record of the two as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from matekd_bench.errors import UsageError
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.perturbation import make_perturbation
from matekd_bench.tasks.task import Task


class Wrapped(BaseModel):
    """The wrapped method in a wrapper's parameters: its name and all its parameters, as JSON has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    params: dict[str, Any]


class WrapperParams(Params):
    """Base of the parameters of a method that wraps another, which is written first: ``worst-of-n[eda,n=4]``.

    `inner` is filled in by the suite; it is not set as other parameters are.
    """

    inner: Wrapped | None = None


@dataclass(frozen=True)
class Pair:
    """A wrapper and the method in it, at work as one method."""

    outer: Method
    inner: Method
    inner_params: Params

    def make(self, params: Params, context: Any) -> Any:
        """The wrapper's `Perturbation`, given the wrapped method's."""
        inner = make_perturbation(self.inner, self.inner_params, context, self.inner.name)
        return self.outer.factory(params, context, inner)

    def overrides(self, params: Params) -> Mapping[str, Any]:
        """The settings that either replaces; of one setting the wrapper's value."""
        return {**self.inner.overrides(self.inner_params), **self.outer.overrides(params)}

    def unfit(self, params: Params, task: Task) -> str | None:
        """Why either cannot be had on a task."""
        return self.inner.unfit(self.inner_params, task) or self.outer.unfit(params, task)

    def resources(self, params: Params) -> Mapping[str, str]:
        """What both use, by kind; of one kind the wrapper's own comes first."""
        return {**self.inner.resources(self.inner_params), **self.outer.resources(params)}


def paired(outer: Method, inner: Method, inner_params: Params) -> Method:
    """The record of `outer` wrapping `inner`: its version, needs, overrides and resources are those of both."""
    both = Pair(outer, inner, inner_params)
    return replace(
        outer,
        factory=both.make,
        resources=both.resources,
        version=f"{outer.version}+{inner.name}-{inner.version}",
        needs=outer.needs | inner.needs,
        overrides=both.overrides,
        unfit=both.unfit,
    )


def check_wrapping(outer: Method, inner: Method | None, written: str) -> None:
    """Raises UsageError, quoting what was `written`, unless `outer` takes `inner` (None: it stands alone)."""
    if inner is not None and outer.wraps is None:
        raise UsageError(
            f"method '{outer.name}' wraps no other method, so '{written}' makes no sense.",
            hint="In its brackets stand parameters, as PARAMETER=VALUE.",
        )
    if outer.wraps is None:
        return
    levels = f"method '{outer.name}' wraps one of level {outer.wraps}"
    hint = (
        f"write '{outer.name}[METHOD]' with one of those that 'matekd-bench methods' lists as {outer.wraps}."
    )
    if inner is None:
        raise UsageError(f"{levels}, and '{written}' names none:", hint=hint)
    if inner.wraps is not None:
        raise UsageError(f"{levels}, and in '{written}' '{inner.name}' wraps one itself:", hint=hint)
    if inner.level != outer.wraps:
        raise UsageError(f"{levels}, and in '{written}' '{inner.name}' is of level {inner.level}:", hint=hint)

"""The record by which a plugin announces a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from matekd_bench.methods.search_space import Space
from matekd_bench.tasks.task import Task

Level = Literal["none", "text", "token", "embedding", "generator"]
Role = Literal["baseline", "ablation", "method"]


class Params(BaseModel):
    """Base of a method's parameters: a frozen pydantic model in which unknown names are errors.

    Field defaults, bounds and descriptions are what ``methods show NAME`` prints and what
    ``--set NAME.field=value`` and ``--methods "NAME[field=value]"`` check.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NoParams(Params):
    """The parameters of a method that has none."""


def _none(params: Any) -> Mapping[str, Any]:
    return {}


def _fits(params: Any, task: Task) -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Method:
    """A perturbation strategy as the suite knows it.

    `factory` is called as ``factory(params, context)`` and returns a `Perturbation`; heavy imports belong inside
    it. `level` says what the method perturbs. `version` changes whenever the method's results may change. `needs`
    names the resources it uses: "generator" (a masked language model), "thesaurus". `role` is "baseline" for plain
    training and "ablation" for a method with its point left out: neither is tested for a verdict. `wraps` says that
    this one takes another method of that level: then `params` is a `WrapperParams`, and the factory is called as
    ``factory(params, context, inner)`` with the inner `Perturbation`. `overrides`, called with the parameters,
    gives the settings of the study's training that the method replaces, by their dotted names in a config file: the
    trainer obeys them, the record holds them, and such rows are shown unranked. `resources`, called with the
    parameters, names the external resources in use, by kind, e.g. which thesaurus: they are part of a run's
    identity and of its record. `search` says which parameters tuning may change, and within what; every method's
    tuning also tries learning rates. `unfit`, called with the parameters and a task, says in a sentence why the
    method cannot be had there, or None: asked before any training. `refused` says why a name that users may expect
    cannot be had, and what does the same: such a record is not listed, it only answers those who ask for it.
    """

    name: str
    summary: str
    factory: Callable[..., Any]
    level: Level
    version: str
    params: type[Params] = NoParams
    citation: str = ""
    needs: frozenset[str] = frozenset()
    role: Role = "method"
    wraps: Level | None = None
    search: Mapping[str, Space] = field(default_factory=dict)
    refused: str | None = None
    overrides: Callable[[Any], Mapping[str, Any]] = _none
    resources: Callable[[Any], Mapping[str, str]] = _none
    unfit: Callable[[Any, Task], str | None] = _fits

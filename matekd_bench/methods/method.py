"""The record with which a plugin announces a method, and the base class of a method's parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from matekd_bench.files.checked_model import CheckedModel
from matekd_bench.methods.search_space import Space
from matekd_bench.tasks.task import Task

Level = Literal["none", "text", "token", "embedding", "generator"]
Role = Literal["baseline", "ablation", "method"]
# The fields of `Method` that are functions of the parameters; the last three are newer than the first records.
FUNCTIONS = ("overrides", "resources", "unfit", "check_rows", "cost_beforehand", "perturbed_rows")
NEEDS = frozenset({"generator", "one-vocabulary", "mask-token", "thesaurus"})  # what a method may need


class Params(CheckedModel):
    """Base class of a method's parameters: a frozen pydantic model in which unknown names are errors.

    ``methods show NAME`` prints the fields' defaults, bounds and descriptions. ``--set NAME.field=value`` and
    ``--methods "NAME[field=value]"`` set fields and check their bounds.
    """

    if not TYPE_CHECKING:  # type checkers know from `frozen` that nothing can be assigned

        def __setattr__(self, name: str, value: object) -> None:
            """Refuse to change a parameter, with a message that says what to do."""
            if name in type(self).model_fields:
                raise TypeError(
                    f"parameter '{name}' cannot be changed: keep the value in an attribute of the method"
                )
            super().__setattr__(name, value)


class NoParams(Params):
    """Empty parameters, for methods that have none."""


def _empty(params: Any) -> Mapping[str, Any]:
    return {}


def _fits_all_tasks(params: Any, task: Task) -> str | None:
    return None


def _accept_all_rows(params: Any, rows: Mapping[str, tuple[str, ...]]) -> Sequence[str]:
    return ()


def _not_known_before_training(params: Any, rows: Mapping[str, tuple[str, ...]]) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Method:
    """A perturbation strategy: everything the suite knows about a method.

    - `name`, `summary`, `citation`: the method's name, one sentence about it, and its source.
    - `factory` is called as ``factory(params, context)`` and returns a `Perturbation`. Heavy imports belong inside it.
    - `level` is the part of the input that the method perturbs.
    - `version` changes whenever the method's results may change.
    - `params` is the type of its parameters.
    - `needs` names the resources that must be there: "generator" (a masked language model), "mask-token", "thesaurus",
      "one-vocabulary" (teacher and student share a vocabulary).
    - `role` is "baseline" for plain training and "ablation" for a method without its main idea. Baselines are tested in
      a family of their own.
    - `wraps` marks a wrapper, which takes another method of that level. Its `params` is a `WrapperParams`, and its
      factory is called as ``factory(params, context, inner)`` with the inner `Perturbation`.
    - `search` maps the parameters that tuning may change to their search spaces. Tuning also tries learning rates for
      every method.
    - `refused` explains why a name that users may expect is not offered, and names an alternative. Such a record is
      not listed; it only answers users who ask for that name.
    - `overrides`, called with the parameters, returns the training settings that the method replaces, by their dotted
      names in a config file. The record of a run lists them, and the table shows such rows unranked.
    - `resources`, called with the parameters, names the external resources in use by kind, e.g. the thesaurus. They are
      part of a run's identity and of its record.
    - `libraries` are the distributions, as pip names them, on whose versions the method's results depend. The record of
      a run lists their versions; for methods outside matekd-bench they are part of the run's identity.
    - `unfit`, called with the parameters and a task before any training, explains in a sentence why the method cannot
      run on the task. It returns None if it can.
    - `check_rows`, called with the parameters and the texts of the training rows by their ids, returns sentences for
      the user before any training. It raises a `BenchError` if the method cannot run on these rows.
    - `cost_beforehand`, called with the parameters, returns the cost, before the study, of what the method uses, by
      unit, e.g. ``{"tokens": 120000.0}``. The record of a run includes it, and tables show it.
    - `perturbed_rows`, called with the parameters and the texts of the training rows by their ids, returns the texts of
      every perturbed row that the teacher will be asked about. It returns None if they are not known before training,
      and an empty list if the teacher is not asked. If the teacher's answers come from a file, a method that returns
      None is refused if its level is text, token or generator, or if it needs one vocabulary.
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
    libraries: tuple[str, ...] = ()
    overrides: Callable[[Any], Mapping[str, Any]] = _empty
    resources: Callable[[Any], Mapping[str, str]] = _empty
    unfit: Callable[[Any, Task], str | None] = _fits_all_tasks
    check_rows: Callable[[Any, Mapping[str, tuple[str, ...]]], Sequence[str]] = _accept_all_rows
    cost_beforehand: Callable[[Any], Mapping[str, float]] = _empty
    perturbed_rows: Callable[[Any, Mapping[str, tuple[str, ...]]], Iterable[tuple[str, ...]] | None] = (
        _not_known_before_training
    )

    @property
    def asks_teacher(self) -> bool:
        """True if methods of this kind ask the teacher about perturbed input; `perturbed_rows` may say otherwise."""
        return self.level in ("text", "token", "generator") or "one-vocabulary" in self.needs

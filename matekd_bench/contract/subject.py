"""The method under test with its parameters; one that wraps another gets a simple method to wrap."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matekd_bench.errors import PluginError
from matekd_bench.methods.context import Models
from matekd_bench.methods.method import Level, Method, NoParams, Params
from matekd_bench.methods.params import ResolvedMethod
from matekd_bench.methods.perturbation import Perturbation, TextPerturbation, TokenPerturbation, method_of
from matekd_bench.methods.views import Batch
from matekd_bench.methods.wrapping import Wrapped, WrapperPair, WrapperParams, combined_record
from matekd_bench.plugins.provided import problem_of

if TYPE_CHECKING:
    from matekd_bench.methods.perturbation import Views


@dataclass(frozen=True)
class Subject:
    """A method under test: its name as in tables, its record (of wrapper and wrapped method as one), its parameters."""

    name: str
    record: Method
    params: Params


def subject_of(method: Method | ResolvedMethod | type[Perturbation[Any]], **params: Any) -> Subject:
    """Make the subject of a method with its defaults, except for `params`; a wrapper gets a simple method to wrap.

    `method` is a class that describes itself, or a record. Raises PluginError for one that the suite would refuse,
    pydantic's ValidationError for wrong parameters.
    """
    if isinstance(method, ResolvedMethod):
        return Subject(method.variant, method.record, method.params)
    record = method_of(method) if isinstance(method, type) else method
    problem = problem_of(record)
    if problem:
        raise PluginError(f"method {record.name!r}: {problem}.")
    resolved = record.params(**params)
    if record.wraps is None or not isinstance(resolved, WrapperParams):
        return Subject(record.name, record, resolved)
    inner = simple(record.wraps)
    resolved = resolved.model_copy(update={"inner": Wrapped(method=inner.name, params={})})
    return Subject(f"{record.name}[{inner.name}]", combined_record(record, inner, NoParams()), resolved)


def made_by(record: Method) -> Any:
    """Return the factory that a plugin wrote: for a wrapper and its wrapped method, the wrapper's."""
    pair = getattr(record.factory, "__self__", None)
    return pair.outer.factory if isinstance(pair, WrapperPair) else record.factory


class _Rotated(TextPerturbation[NoParams]):
    """Texts rotated to start at another of their words."""

    def perturb(self, text: str, rng: random.Random) -> str:
        words = text.split()
        start = rng.randrange(len(words)) if words else 0
        return " ".join(words[start:] + words[:start])


class _Repeated(TokenPerturbation[NoParams]):
    """Tokens that repeat their left neighbor, one in five."""

    def perturb(self, batch: Batch, maskable: Any) -> Any:
        # never a copy of [CLS] or [SEP]: the left neighbor must not be special
        at = (self.context.draw(batch, "repeat") < 0.2) & maskable & ~batch.special.roll(1, dims=1)
        return batch.ids.where(~at, batch.ids.roll(1, dims=1))


class _CleanText(Perturbation[NoParams]):
    """The clean view only."""

    def views(self, batch: Batch, models: Models) -> Views:
        yield batch.clean


SIMPLE: Mapping[Level, type[Perturbation[NoParams]]] = {"text": _Rotated, "token": _Repeated}


def simple(level: Level) -> Method:
    """Make a method of this level that passes every check."""
    return Method(
        name=f"simple-{level}", summary="", factory=SIMPLE.get(level, _CleanText), level=level, version="1",
        # the teacher reads the student's ids
        needs=frozenset({"one-vocabulary"}) if level == "token" else frozenset(),
    )  # fmt: skip

"""What the contract is asked of: a method with its parameters, and a simple one within where it wraps another."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matekd_bench.errors import PluginError
from matekd_bench.methods.context import Models
from matekd_bench.methods.method import Level, Method, NoParams, Params
from matekd_bench.methods.params import ResolvedMethod
from matekd_bench.methods.perturbation import Perturbation, TextPerturbation, TokenPerturbation
from matekd_bench.methods.views import Batch
from matekd_bench.methods.wrapping import Wrapped, WrapperParams, paired
from matekd_bench.plugins.provided import problem_of

if TYPE_CHECKING:
    from matekd_bench.methods.perturbation import Views


@dataclass(frozen=True)
class Subject:
    """A method under test, as tables name it; `record` is that of wrapper and wrapped method as one."""

    name: str
    record: Method
    params: Params


def subject_of(method: Method | ResolvedMethod, **params: Any) -> Subject:
    """A method with its defaults but for `params`; one that wraps another is given a simple one to wrap.

    Raises PluginError for a record that the suite would not let in, pydantic's ValidationError for wrong parameters.
    """
    if isinstance(method, ResolvedMethod):
        return Subject(method.variant, method.record, method.params)
    problem = problem_of(method)
    if problem:
        raise PluginError(f"method {method.name!r}: {problem}.")
    chosen = method.params(**params)
    if method.wraps is None or not isinstance(chosen, WrapperParams):
        return Subject(method.name, method, chosen)
    inner = simple(method.wraps)
    chosen = chosen.model_copy(update={"inner": Wrapped(method=inner.name, params={})})
    return Subject(f"{method.name}[{inner.name}]", paired(method, inner, NoParams()), chosen)


class _Rotated(TextPerturbation[NoParams]):
    """Begins each text at another of its words."""

    def perturb(self, text: str, rng: random.Random) -> str:
        words = text.split()
        start = rng.randrange(len(words)) if words else 0
        return " ".join(words[start:] + words[:start])


class _Repeated(TokenPerturbation[NoParams]):
    """Tokens that repeat their left neighbour, one in five."""

    def perturb(self, batch: Batch, maskable: Any) -> Any:
        at = (self.context.draw(batch, "repeat") < 0.2) & maskable & ~batch.special.roll(1, dims=1)
        return batch.ids.where(~at, batch.ids.roll(1, dims=1))


class _CleanText(Perturbation[NoParams]):
    """The clean text."""

    def views(self, batch: Batch, models: Models) -> Views:
        yield batch.clean


SIMPLE: Mapping[Level, type[Perturbation[NoParams]]] = {"text": _Rotated, "token": _Repeated}


def simple(level: Level) -> Method:
    """A method of this level that keeps every promise."""
    return Method(
        name=f"simple-{level}", summary="", factory=SIMPLE.get(level, _CleanText), level=level, version="1",
        needs=frozenset({"one-vocabulary"}) if level == "token" else frozenset(),
    )  # fmt: skip

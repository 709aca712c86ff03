"""Slips of authors: each is one line that names the class, what is wrong and what to write."""

from __future__ import annotations

import dataclasses
import functools
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from matekd_bench import (
    Cycle,
    Method,
    NoParams,
    Params,
    Perturbation,
    PluginError,
    TextPerturbation,
    TokenPerturbation,
    View,
)
from matekd_bench.contract.bench import Bench
from matekd_bench.methods.class_checks import code_problem, make_perturbation
from matekd_bench.testing import subject_of

BASES = {"text": TextPerturbation, "token": TokenPerturbation, "embedding": Perturbation}


class RateParams(Params):
    rate: float = 0.1


def sound(self: Any, text: str, rng: random.Random) -> str:
    return text


def described(factory: Any, params: type[Params] = NoParams, **more: Any) -> Method:
    level = {"level": "text"} | more
    return Method(name="mine", summary="", factory=factory, params=params, version="1", **level)


def text(**attributes: Any) -> type[TextPerturbation[Any]]:
    return type("Mine", (TextPerturbation,), {"perturb": sound, **attributes})


async def asynchronous(self: Any, text: str, rng: random.Random) -> str:
    return text


def yields(self: Any, text: str, rng: random.Random) -> Any:
    yield text


class InitOfOne(TextPerturbation[NoParams]):
    def __init__(self, params: Any) -> None: ...

    perturb = sound


class Brackets(TextPerturbation[RateParams]):
    perturb = sound


class Foreign(BaseModel):
    rate: float = 0.1


class ForeignBrackets(TextPerturbation[Foreign]):  # type: ignore[type-var]
    perturb = sound


@pytest.mark.parametrize(
    ("record", "parts"),
    [
        (described(InitOfOne), ["InitOfOne.__init__(self, params) ", "(self, params, context)", "_checks.py, line"]),
        (described(lambda params: None), ["(params) must take (params, context)"]),
        (described(text(), wraps="text"), ["(self, params, context, inner)"]),
        (described(7), ["an int"]),
        (described(Brackets), ["params=RateParams"]),
        (described(functools.partial(Brackets)), ["params=RateParams"]),
        (described(ForeignBrackets), ["Foreign", "matekd_bench.Params"]),
        (described(text(perturb=lambda self, text: text)), ["(self, text)", "def perturb(self, text, rng)"]),
        (described(text(perturb=staticmethod(lambda text: text))), ["(text)", "def perturb(self, text, rng)"]),
        (described(text(perturb=property(lambda self: sound))), ["Mine.perturb is a property"]),
        (described(text(perturb="upper")), ["Mine.perturb is a str"]),
        (described(text(perturb=asynchronous)), ["asynchronous", "test_class_checks.py, line"]),
        (described(text(perturb=yields)), ["Mine.perturb yields"]),
        (described(text(unfit=lambda self, params, task: None)), ["@classmethod def unfit(cls, params, task)"]),
        (described(text(warmup=lambda self, batches, models: None)), ["Mine.warmup", "'warm_up'"]),
        (described(type("Mine", (TextPerturbation,), {"pertub": sound})), ["perturb(self, text, rng)", "'pertub'"]),
        (described(type("Mine", (Perturbation,), {})), ["views(self, batch, models)"]),
    ],
    ids=lambda value: "" if isinstance(value, Method) else value[0],
)  # fmt: skip
def test_a_slip_in_the_code_is_found_before_anything_runs(record: Method, parts: list[str]) -> None:
    problem = str(code_problem(record))
    assert [part for part in parts if part not in problem] == []
    assert "\n" not in problem


class Inherited(Brackets):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)


SOUND = [
    described(text()),
    described(text(perturb=staticmethod(lambda text, rng: text))),
    described(text(perturb=functools.lru_cache(sound))),
    described(text(perturb=lambda self, text, rng, more=1: text)),
    described(text(unfit=classmethod(lambda cls, params, task: None))),
    described(text(prepared=lambda self, texts: None)),  # near `prepare`, and a name of the author's own
    described(Inherited, type("More", (RateParams,), {})),
    described(
        type("Mine", (TextPerturbation,), {"__init__": lambda self, params, context: None})
    ),  # may set it
    described(functools.partial(text(__init__=lambda self, params, context, n: None), n=1)),
    described(text(), params=RateParams),  # a class without brackets may read parameters by name
    described(print),
]


@pytest.mark.parametrize("record", SOUND, ids=lambda record: getattr(record.factory, "__name__", "made"))
def test_sound_code_passes(record: Method) -> None:
    assert code_problem(record) is None


def initialized(initialize: Any, **attributes: Any) -> type[TextPerturbation[Any]]:
    return text(__init__=initialize, **attributes)


def reads_too_early(self: Any, params: Any, context: Any) -> None:
    self.rate = self.params.rate


def extends(self: Any, params: Any, context: Any) -> None:
    Perturbation.__init__(self, params, context)


def sets_its_method(self: Any, params: Any, context: Any) -> None:
    Perturbation.__init__(self, params, context)
    self.perturb = lambda text, rng: text


def swaps(self: Any, params: Any, context: Any) -> None:
    TextPerturbation.__init__(self, context, params)


def replaces(self: Any, params: Any, context: Any) -> None:
    TextPerturbation.__init__(self, params.model_copy(update={"rate": 0.5}), context)


def changes(self: Any, params: Any, context: Any) -> None:
    params.rate = 0.5


@pytest.mark.parametrize(
    ("factory", "parts"),
    [
        (initialized(lambda self, params, context: None), ["super().__init__(params, context)", "line"]),
        (initialized(reads_too_early), ["super().__init__(params, context)"]),
        (initialized(swaps), ["super().__init__(params, context)"]),
        (initialized(replaces), ["self.params"]),
        (type("Mine", (Perturbation,), {"__init__": extends}), ["views(self, batch, models)"]),
        (lambda params, context: None, ["factory returned None"]),
        (lambda params, context: text, ["factory returned a function"]),
        (lambda params, context: text(perturb=yields)(params, context), ["Mine.perturb yields"]),
        (text(cycle=(1, 5)), ["Mine.cycle", "(1, 5)", Cycle.__name__]),
        (text(notices="one"), ["Mine.notices", "'one'"]),
        (text(variants=0), ["Mine.variants", "0"]),
        (text(segments="all"), ["Mine.segments", "'all'", "'both'"]),
    ],
)
def test_a_slip_in_an_instance_is_found_when_it_is_made(factory: Any, parts: list[str]) -> None:
    with pytest.raises(PluginError) as caught:
        make_perturbation(described(factory), RateParams(), SimpleNamespace(), "mine[rate=0.2]")
    assert [part for part in ("mine[rate=0.2]", *parts) if part not in str(caught.value)] == []


def test_an_instance_may_have_its_method_from_its_init() -> None:
    factory = type("Mine", (TextPerturbation,), {"__init__": sets_its_method})
    assert (
        make_perturbation(described(factory), RateParams(), SimpleNamespace(), "mine").perturb("a", None)
        == "a"
    )


def test_parameters_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="'rate'"):
        make_perturbation(described(initialized(changes)), RateParams(), SimpleNamespace(), "mine")


def test_an_error_of_the_factory_s_own_stays_what_it_is() -> None:
    def broken(params: Any, context: Any) -> Any:
        return params.missing

    with pytest.raises(AttributeError, match="missing"):
        make_perturbation(described(broken), RateParams(), SimpleNamespace(), "mine")


def edits(self: Any, batch: Any, maskable: Any) -> Any:
    batch.ids[maskable] = 7
    return batch.ids


@pytest.mark.parametrize(
    ("level", "name", "function", "parts"),
    [
        ("text", "perturb", lambda self, text, rng: None, ["Mine.perturb()", "None"]),
        ("text", "perturb", lambda self, text, rng: [text], ["Mine.perturb()", "one text, not a list"]),
        ("text", "rewrite", lambda self, row, variant: row.texts[0], ["Mine.rewrite()", "1 texts"]),
        ("text", "ahead", lambda self, rows: rows[:1], ["Mine.ahead()", "1 entries", "12 rows"]),
        ("token", "perturb", lambda self, batch, maskable: batch.ids.numpy(), ["a numpy.ndarray", "torch.Tensor"]),
        ("token", "perturb", lambda self, batch, maskable: batch.ids.tolist(), ["a list", "torch.Tensor"]),
        ("token", "perturb", lambda self, batch, maskable: batch.ids.float(), ["float32", "int64"]),
        ("token", "perturb", lambda self, batch, maskable: batch.ids[:, 1:], ["Mine.perturb()", "(12, "]),
        ("token", "perturb", edits, ["'mine'", "batch.ids.clone()"]),
        ("embedding", "views", lambda self, batch, models: batch.clean, ["Mine.views()", "a View"]),
        ("embedding", "views", lambda self, batch, models: [batch.clean], ["Mine.views()", "a list"]),
        ("embedding", "views", lambda self, batch, models: (item for item in [[1]]), ["a list", "a tuple of views"]),
    ],
)  # fmt: skip
def test_a_wrong_result_is_named(level: str, name: str, function: Any, parts: list[str]) -> None:
    function.__name__ = name
    cls = type(
        "Mine", (BASES[level],), {"perturb": sound, name: function} if level == "text" else {name: function}
    )
    bench = Bench(subject_of(described(cls, level=level)))
    with pytest.raises(PluginError) as caught:
        bench.update()
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_state_that_is_no_dictionary_is_named() -> None:
    bench = Bench(subject_of(described(text(state_dict=lambda self: None))))
    with pytest.raises(PluginError, match="returned None"):
        bench.session.state_dict()


@pytest.mark.parametrize("name", ["ids", "mask", "types", "shift", "labels"])
def test_a_view_takes_tensors_only(name: str) -> None:
    clean = View(ids=torch.ones(2, 3, dtype=torch.long), mask=torch.ones(2, 3))
    with pytest.raises(TypeError, match=f"'{name}'.*ndarray"):
        dataclasses.replace(clean, **{name: np.ones((2, 3))})

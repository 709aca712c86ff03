"""Checks of how a method is made: the factory, the level, and the modules that it hands to the trainer."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor

from matekd_bench.contract.bench import Bench, Make
from matekd_bench.contract.registry import CheckFailedError, contract_check
from matekd_bench.contract.subject import Subject
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.methods.perturbation import TextPerturbation, TokenPerturbation

FACTORY = "factory"  # the check that comes before all others
BASES = {"text": TextPerturbation, "token": TokenPerturbation}
OPAQUE = (RunContext, ModuleType, FunctionType, type)  # reachable() does not look inside these


@contract_check(FACTORY, "the method can be created and warmed up, for each kind of task")
def factory(subject: Subject, make: Make) -> None:
    """Raise whatever the method raises while it is made."""
    for kind in ("single", "pairs", "regression"):
        make(kind)


@contract_check("level", "the method's level is that of its base class")
def level(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if the level is not that of the base class, which would mislead a wrapper."""
    method, stated = make("single").method, subject.record.level
    for name, base in BASES.items():
        if isinstance(method, base) and stated != name:
            raise CheckFailedError(
                f"The level is '{stated}', but {type(method).__name__} extends {base.__name__}.",
                f'Write level="{name}", or extend Perturbation.',
            )
    if stated == "text" and not callable(getattr(method, "rewrite", None)):
        raise CheckFailedError(
            f"The level is 'text', but {type(method).__name__} has no rewrite(), which wrappers call.",
            "Extend TextPerturbation, or choose the level that the method perturbs.",
        )


@contract_check("modules", "the trainer steps and saves everything that the method trains")
def modules(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError for an optimizer or for weights that are not registered with the trainer."""
    fix = (
        "Hand the module over with context.prepare(module, optimizer) and call learn(losses): then the trainer clips, "
        "steps and saves it."
    )
    bench = make("single")
    before = [(weight, weight.detach().clone()) for weight in unknown_weights(bench)]
    for phase in reversed(bench.phases):
        if stepped := bench.update(phase).stepped:
            raise CheckFailedError(f"The method itself steps its own optimizer ({stepped[0]}).", fix)
    for weight, old in before:
        if weight.grad is not None or not weight.equal(old):
            raise CheckFailedError(
                f"The method trains weights of shape {tuple(weight.shape)} that are not registered with the trainer.",
                fix,
            )


def unknown_weights(bench: Bench) -> list[Tensor]:
    """Return the weights that a method can reach and that belong to no network or module of its session."""
    known = {
        id(weight) for network in (*bench.session.modules, bench.teacher) for weight in network.parameters()
    }
    return [
        value
        for value in reachable(bench.method)
        # by type(): isinstance() reads `__class__`, which makes lazily imported objects load
        if issubclass(type(value), Tensor)
        and value.is_leaf
        and value.requires_grad
        and id(value) not in known
    ]


def reachable(
    method: Any, leave_out: Callable[[Any], bool] = lambda value: issubclass(type(value), OPAQUE)
) -> Iterator[Any]:
    """Yield each object that can be reached from a method's attributes, without looking inside some types."""
    seen: set[int] = set()
    waiting = [value for value in vars(method).values() if not leave_out(value)]
    while waiting:
        value = waiting.pop()
        if id(value) not in seen:
            seen.add(id(value))
            yield value
            waiting += [referent for referent in gc.get_referents(value) if not leave_out(referent)]

"""Promises about chance: the same seed gives the same update, whatever else is drawn, batched or done beside it."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from matekd_bench.contract.bench import CPU, Bench, Make, Update, gap
from matekd_bench.contract.checks import CheckFailedError, CheckSkippedError, contract_check
from matekd_bench.contract.subject import Subject
from matekd_bench.distill.data.order import PlannedUpdate
from matekd_bench.distill.device import contained_randomness
from matekd_bench.methods.perturbation import TextPerturbation
from matekd_bench.methods.rows import Perturbed

DRAW = "Draw from `rng` (text), or with context.draw(batch, purpose)."
DRAWN = frozenset(
    (
        *("rand", "randn", "randint", "randperm", "rand_like", "randn_like"),
        *("randint_like", "bernoulli", "bernoulli_", "multinomial", "normal", "normal_"),
        *("uniform_", "exponential_", "geometric_", "log_normal_", "cauchy_", "random_"),
    )
)
PIECE = 5  # rows: an update of twelve comes in pieces of 5, 5 and 2
THREADS = 4


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python's, numpy's and torch's global generators seeded, and as they were afterwards."""
    states = random.getstate(), np.random.get_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        with contained_randomness(CPU):
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _under(seed: int, make: Make) -> Update:
    """An update with the global generators seeded before the method is made."""
    with seeded(seed):
        return make("single", dropout=True).update()


def _same(first: Update, second: Update) -> bool:
    return (
        first.loss == second.loss
        and first.grads.keys() == second.grads.keys()
        and all(value.equal(second.grads[name]) for name, value in first.grads.items())
    )


@contract_check("deterministic", "the same seed gives the same update, bit by bit")
def deterministic(subject: Subject, make: Make) -> None:
    """Raises BrokenError where an update differs from its repetition."""
    if not _same(_under(1, make), _under(1, make)):
        raise CheckFailedError(
            "Two updates of a method made anew with the same seed differ.",
            f"{DRAW} Seed nothing from time, id() or hash().",
        )


@contract_check("random-state", "the global random state is neither read nor changed")
def random_state(subject: Subject, make: Make) -> None:
    """Raises BrokenError where noise comes from a global generator, or one is left changed."""
    if not _same(_under(1, make), _under(2, make)):
        raise CheckFailedError("The update changes with the global random state.", DRAW)
    bench = make("single")
    before = random.getstate(), _numpy_state()
    with _Draws() as draws, _noted_seeding() as seeded_in:
        bench.update()
    if seeded_in:
        raise CheckFailedError(f"torch.manual_seed was called in {seeded_in[0]}.", DRAW)
    if draws.seen:  # the suite seeds torch's generator for dropout, so the update itself need not change
        raise CheckFailedError(
            f"torch.{draws.seen[0]} was called without a generator: it reads torch's global one.", DRAW
        )
    after = random.getstate(), _numpy_state()
    for name, old, new in zip(("random", "numpy.random"), before, after, strict=True):
        if old != new:
            raise CheckFailedError(f"The global generator of '{name}' was used.", DRAW)


class _Draws(TorchFunctionMode):
    """Notes what is drawn from torch's global generator, dropout aside."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in DRAWN and (kwargs or {}).get("generator") is None:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _noted_seeding() -> Iterator[list[str]]:
    """Notes modules that seed torch's global generator, the suite aside, which does so for dropout."""
    seed, found = torch.manual_seed, list[str]()

    def noted(value: int) -> torch.Generator:
        module = sys._getframe(1).f_globals.get("__name__", "")
        if module.partition(".")[0] not in ("matekd_bench", "torch"):
            found.append(module)
        return seed(value)

    torch.manual_seed = noted  # type: ignore[assignment]  # put back below; torch has no hook for it
    try:
        yield found
    finally:
        torch.manual_seed = seed


def _numpy_state() -> str:
    state = np.random.get_state(legacy=False)
    return repr(state["state"]) if isinstance(state, dict) else repr(state)


@contract_check("pieces", "an update in pieces has the gradient of the whole batch")
def pieces(subject: Subject, make: Make) -> None:
    """Raises BrokenError where micro-batches change the update."""
    for phase in make("pairs").phases:
        with seeded(1):
            whole = make("pairs").update(phase)
        with seeded(1):
            parts = make("pairs").update(phase, micro_batch=PIECE)
        apart = gap(whole.grads, parts.grads)
        if apart > 1e-9:
            raise CheckFailedError(
                f"In pieces of {PIECE} rows the gradient is {apart:.1e} of its size off.",
                "Give losses per example, draw noise with context.draw, count with batch.update, and use batch.whole "
                "where examples are mixed.",
            )


@contract_check("rows", "a row's text depends on nothing but the row: not on batch size, order or threads")
def rows(subject: Subject, make: Make) -> None:
    """Raises BrokenError where a text method gives a row other texts in other company."""
    bench = make("pairs")
    if not isinstance(bench.method, TextPerturbation):
        raise CheckSkippedError("only methods that rewrite text work ahead row by row")
    numbers = list(bench.rows)
    expected = _texts(bench, numbers)
    reverse = _texts(make("pairs"), numbers[::-1])[::-1]
    single = make("pairs")
    alone = [text for row in numbers for text in _texts(single, [row])]
    for how, found in (
        ("in reverse order", reverse),
        ("one by one", alone),
        ("in threads", _threaded(make, numbers)),
    ):
        if found != expected:
            raise CheckFailedError(
                f"Rows that are perturbed {how} come out otherwise than in one batch.",
                "Keep no state between calls of perturb(): draw from `rng` alone.",
            )


def _texts(bench: Bench, numbers: Sequence[int]) -> list[Any]:
    """What the method prepares for each of these rows, texts only."""
    with contained_randomness(CPU):
        prepared = bench.shop.assembler()(PlannedUpdate("student", 0, 3, list(numbers))).prepared or ()
    return [[one.texts for one in row if isinstance(one, Perturbed)] for row in prepared]


def _threaded(make: Make, numbers: Sequence[int]) -> list[Any]:
    bench = make("pairs")
    assembler = bench.shop.assembler()
    with ThreadPoolExecutor(THREADS) as pool, contained_randomness(CPU):
        batches = pool.map(lambda row: assembler(PlannedUpdate("student", 0, 3, [row])), numbers)
        found = [batch.prepared or () for batch in batches]
    return [[one.texts for one in row] for prepared in found for row in prepared]

"""Checks of randomness: the same seed gives the same update, whatever else is drawn, batched or run in parallel."""

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
# torch functions that read the global generator unless they are given one
DRAWN = frozenset(
    (
        *("rand", "randn", "randint", "randperm", "rand_like", "randn_like"),
        *("randint_like", "bernoulli", "bernoulli_", "multinomial", "normal", "normal_"),
        *("uniform_", "exponential_", "geometric_", "log_normal_", "cauchy_", "random_"),
    )
)
PIECE = 5  # rows: an update of twelve comes in pieces of 5, 5 and 2, the last one smaller than the others
GAP = 1e-9  # far above the rounding of float64, far below what a dependence between rows changes
THREADS = 4
EPOCH = 3  # any epoch will do; it is part of a row's seed, so it is the same in all comparisons


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's global generators, and restore them after the block."""
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
    """Make an update with the global generators seeded before the method is made, which may draw as well."""
    with seeded(seed):
        return make("single", dropout=True).update()


def _is_same(first: Update, second: Update) -> bool:
    return (
        first.loss == second.loss
        and first.grads.keys() == second.grads.keys()
        and all(value.equal(second.grads[name]) for name, value in first.grads.items())
    )


@contract_check("deterministic", "the same seed gives the same update, bit by bit")
def deterministic(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError where an update differs from its repetition."""
    if not _is_same(_under(1, make), _under(1, make)):
        raise CheckFailedError(
            "Two updates with the same seed, each of a new instance of the method, differ.",
            f"{DRAW} Seed nothing from time, id() or hash().",
        )


@contract_check("random-state", "the global random state is neither read nor changed")
def random_state(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError where noise comes from a global generator, or one is left changed."""
    if not _is_same(_under(1, make), _under(2, make)):
        raise CheckFailedError("The update changes with the global random state.", DRAW)
    bench = make("single")
    before = random.getstate(), _numpy_state()
    with _Draws() as draws, _recorded_seeding() as seeded_in:
        bench.update()
    if seeded_in:
        raise CheckFailedError(f"torch.manual_seed was called in {seeded_in[0]}.", DRAW)
    # The suite seeds torch's generator for dropout, so that a draw from it may give the same update every time.
    if draws.functions:
        raise CheckFailedError(
            f"torch.{draws.functions[0]} was called without a generator: it reads torch's global one.", DRAW
        )
    after = random.getstate(), _numpy_state()
    for name, old, new in zip(("random", "numpy.random"), before, after, strict=True):
        if old != new:
            raise CheckFailedError(f"The global generator of '{name}' was used.", DRAW)


class _Draws(TorchFunctionMode):
    """A mode that records which functions draw from torch's global generator, except for dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.functions: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in DRAWN and (kwargs or {}).get("generator") is None:
            self.functions.append(name)
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _recorded_seeding() -> Iterator[list[str]]:
    """Collect the modules that seed torch's global generator, except for the suite, which does so for dropout."""
    manual_seed, modules = torch.manual_seed, list[str]()

    def recorded(value: int) -> torch.Generator:
        module = sys._getframe(1).f_globals.get("__name__", "")
        if module.partition(".")[0] not in ("matekd_bench", "torch"):
            modules.append(module)
        return manual_seed(value)

    torch.manual_seed = recorded  # type: ignore[assignment]  # restored below; torch has no hook for it
    try:
        yield modules
    finally:
        torch.manual_seed = manual_seed


def _numpy_state() -> str:
    """Return the state as text, because it holds an array, which cannot be compared by `==` alone."""
    state = np.random.get_state(legacy=False)
    return repr(state["state"]) if isinstance(state, dict) else repr(state)


@contract_check("pieces", "an update in pieces has the gradient of the whole batch")
def pieces(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError where micro-batches change the gradient."""
    for phase in make("pairs").phases:
        with seeded(1):
            whole = make("pairs").update(phase)
        with seeded(1):
            parts = make("pairs").update(phase, micro_batch=PIECE)
        difference = gap(whole.grads, parts.grads)
        if difference > GAP:
            raise CheckFailedError(
                f"In pieces of {PIECE} rows the gradient differs by {difference:.1e} of its norm.",
                "Give losses per example, draw noise with context.draw, count with batch.update, and use batch.whole "
                "where examples are mixed.",
            )


@contract_check("rows", "a row's text depends on the row alone, not on batch size, order or threads")
def rows(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError where a text method rewrites a row differently next to other rows."""
    bench = make("pairs")
    if not isinstance(bench.method, TextPerturbation):
        raise CheckSkippedError("only methods that rewrite text work ahead row by row")
    numbers = list(bench.rows)
    expected = _texts(bench, numbers)
    reverse = _texts(make("pairs"), numbers[::-1])[::-1]
    single = make("pairs")
    alone = [text for row in numbers for text in _texts(single, [row])]
    for how, texts in (
        ("in reverse order", reverse),
        ("one by one", alone),
        ("in threads", _threaded(make, numbers)),
    ):
        if texts != expected:
            raise CheckFailedError(
                f"Rows perturbed {how} differ from the same rows perturbed in one batch.",
                "Keep no state between calls of perturb(): draw from `rng` alone.",
            )


def _texts(bench: Bench, numbers: Sequence[int]) -> list[Any]:
    """Return the texts that the method prepares for each of these rows."""
    with contained_randomness(CPU):
        prepared = bench.session.assembler(PlannedUpdate("student", 0, EPOCH, list(numbers))).prepared or ()
    return [[version.texts for version in row if isinstance(version, Perturbed)] for row in prepared]


def _threaded(make: Make, numbers: Sequence[int]) -> list[Any]:
    """Return the same texts, with each row prepared in one of several threads."""
    bench = make("pairs")
    assembler = bench.session.assembler
    with ThreadPoolExecutor(THREADS) as pool, contained_randomness(CPU):
        batches = pool.map(lambda row: assembler(PlannedUpdate("student", 0, EPOCH, [row])), numbers)
        prepared_rows = [row for batch in batches for row in batch.prepared or ()]
    return [[version.texts for version in row] for row in prepared_rows]

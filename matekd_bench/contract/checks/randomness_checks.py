"""Checks of randomness: the same seed gives the same update, whatever else is drawn or run in parallel."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from matekd_bench.contract.bench import CPU, Bench, Make, Update
from matekd_bench.contract.comparing import is_same
from matekd_bench.contract.global_random import python_states, seeded
from matekd_bench.contract.registry import CheckFailedError, CheckSkippedError, contract_check
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
THREADS = 4
EPOCH = 3  # any epoch works; it is part of a row's seed, so all comparisons use the same one


def _under(seed: int, make: Make) -> Update:
    """Make an update with the global generators seeded before the method is made, since the factory may draw too."""
    with seeded(seed):
        return make("single", dropout=True).update()


@contract_check("deterministic", "the same seed gives the same update, bit for bit")
def deterministic(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if an update differs from its repetition."""
    if not is_same(_under(1, make), _under(1, make)):
        raise CheckFailedError(
            "Two new instances of the method make different updates with the same seed.",
            f"{DRAW} Seed nothing from time, id() or hash().",
        )


@contract_check("random-state", "the global random state is neither read nor changed")
def random_state(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if noise comes from a global generator, or one is left changed."""
    if not is_same(_under(1, make), _under(2, make)):
        raise CheckFailedError("The update changes with the global random state.", DRAW)
    bench = make("single")
    before = python_states()
    with _Draws() as draws, _recorded_seeding() as seeded_in:
        bench.update()
    if seeded_in:
        raise CheckFailedError(f"torch.manual_seed was called in {seeded_in[0]}.", DRAW)
    # The suite seeds torch's generator for dropout, so a draw from it may give the same update every time.
    if draws.functions:
        raise CheckFailedError(
            f"torch.{draws.functions[0]} was called without a generator: it reads torch's global one.", DRAW
        )
    after = python_states()
    for name in before:
        if before[name] != after[name]:
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


@contract_check("rows", "a row's text depends only on the row, not on batch size, order or threads")
def rows(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if a text method rewrites a row differently next to other rows."""
    bench = make("pairs")
    if not isinstance(bench.method, TextPerturbation):
        raise CheckSkippedError("only methods that rewrite text prepare rows one by one")
    numbers = list(bench.rows)
    expected = texts_ahead(bench, numbers)
    reverse = texts_ahead(make("pairs"), numbers[::-1])[::-1]
    single = make("pairs")
    alone = [text for row in numbers for text in texts_ahead(single, [row])]
    for how, texts in (
        ("in reverse order", reverse),
        ("one by one", alone),
        ("in threads", _threaded(make, numbers)),
    ):
        if texts != expected:
            raise CheckFailedError(
                f"Rows perturbed {how} differ from the same rows perturbed in one batch.",
                "Keep no state between calls of perturb(): draw only from `rng`.",
            )


def texts_ahead(bench: Bench, numbers: Sequence[int]) -> list[Any]:
    """Return the texts that the method prepares for each of these rows."""
    with contained_randomness(CPU):
        prepared = bench.session.assembler(PlannedUpdate("student", 0, EPOCH, list(numbers))).prepared or ()
    return _texts_of(prepared)


def _threaded(make: Make, numbers: Sequence[int]) -> list[Any]:
    """Return the same texts, with each row prepared in one of several threads."""
    bench = make("pairs")
    assembler = bench.session.assembler
    with ThreadPoolExecutor(THREADS) as pool, contained_randomness(CPU):
        batches = pool.map(lambda row: assembler(PlannedUpdate("student", 0, EPOCH, [row])), numbers)
        prepared_rows = [row for batch in batches for row in batch.prepared or ()]
    return _texts_of(prepared_rows)


def _texts_of(prepared: Iterable[Any]) -> list[Any]:
    return [[version.texts for version in row if isinstance(version, Perturbed)] for row in prepared]

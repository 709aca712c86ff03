"""What a promise is: a sentence that says what is expected, and a check that says what happened instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matekd_bench.contract.bench import Make
from matekd_bench.contract.subject import Subject


class CheckFailedError(AssertionError):
    """A promise is not kept: what happened, and how to mend it."""

    def __init__(self, happened: str, mend: str) -> None:
        super().__init__(f"{happened} {mend}")
        self.happened, self.mend = happened, mend


class CheckSkippedError(Exception):
    """A promise that this method does not make, with the reason."""


@dataclass(frozen=True)
class ContractCheck:
    """One property of the contract; `check` raises BrokenError, or NotAskedError where it does not apply."""

    name: str
    expected: str
    check: Callable[[Subject, Make], None]


PROMISES: list[ContractCheck] = []


def contract_check(
    name: str, expected: str
) -> Callable[[Callable[[Subject, Make], None]], Callable[[Subject, Make], None]]:
    """Adds a check to the contract, in the order in which checks are written."""

    def add(check: Callable[[Subject, Make], None]) -> Callable[[Subject, Make], None]:
        PROMISES.append(ContractCheck(name, expected, check))
        return check

    return add


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    return ", ".join(names)

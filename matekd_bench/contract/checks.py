"""The registry of the contract's checks: each has a sentence that says what is expected, and a function to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matekd_bench.contract.bench import Make
from matekd_bench.contract.subject import Subject


class CheckFailedError(AssertionError):
    """A failed check: what happened, and how to fix it."""

    def __init__(self, happened: str, fix: str) -> None:
        super().__init__(f"{happened} {fix}")
        self.happened, self.fix = happened, fix


class CheckSkippedError(Exception):
    """A check that does not apply to this method, with the reason."""


@dataclass(frozen=True)
class ContractCheck:
    """One property of the contract.

    `run` raises CheckFailedError, or CheckSkippedError where the check does not apply.
    """

    name: str
    expected: str
    run: Callable[[Subject, Make], None]


CHECKS: list[ContractCheck] = []


def contract_check(
    name: str, expected: str
) -> Callable[[Callable[[Subject, Make], None]], Callable[[Subject, Make], None]]:
    """Add the decorated function to the checks, in the order of the source."""

    def add(run: Callable[[Subject, Make], None]) -> Callable[[Subject, Make], None]:
        CHECKS.append(ContractCheck(name, expected, run))
        return run

    return add

"""The registry of the contract's checks: each has a function and a sentence about the expected result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matekd_bench.contract.bench import Make
from matekd_bench.contract.subject import Subject

# Increase it when a check is added, or when a method that passed may now fail: authors cite it with their results.
CONTRACT_VERSION = 2


class CheckFailedError(AssertionError):
    """A failed check: what happened, and how to fix it."""

    def __init__(self, happened: str, fix: str) -> None:
        super().__init__(f"{happened} {fix}")
        self.happened, self.fix = happened, fix


class CheckSkippedError(Exception):
    """A check that does not apply to this method, with the reason."""


CheckFunction = Callable[[Subject, Make], str | None]


@dataclass(frozen=True)
class ContractCheck:
    """One property of the contract.

    `run` raises CheckFailedError, or CheckSkippedError if the check does not apply. It may return a warning.
    """

    name: str
    expected: str
    run: CheckFunction


CHECKS: list[ContractCheck] = []


def contract_check(name: str, expected: str) -> Callable[[CheckFunction], CheckFunction]:
    """Add the decorated function to the checks, in the order of the source."""

    def add(run: CheckFunction) -> CheckFunction:
        CHECKS.append(ContractCheck(name, expected, run))
        return run

    return add

"""The contract as a whole: all checks of one method, as a report or as tests for pytest."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from matekd_bench.contract import behavior_checks, randomness_checks, training_checks, view_checks
from matekd_bench.contract.bench import Bench
from matekd_bench.contract.checks import CHECKS, CheckFailedError, CheckSkippedError, ContractCheck
from matekd_bench.contract.subject import Subject, subject_of
from matekd_bench.errors import BenchError, one_line, original_of, unknown
from matekd_bench.foreign_code import foreign_code
from matekd_bench.methods.method import Method
from matekd_bench.methods.perturbation import Perturbation

# Each module adds its checks when it is imported. Sorting makes the order independent of the order of imports: what a
# method yields comes first, because it explains later failures, and the slow run on mini-GLUE comes last.
MODULES = [module.__name__ for module in (view_checks, randomness_checks, behavior_checks, training_checks)]
CONTRACT = tuple(sorted(CHECKS, key=lambda check: MODULES.index(check.run.__module__)))


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check: what was `expected`, what `happened` instead, and how to `fix` it.

    `state` is "passed", "failed", or "skipped" where the check does not apply; then `happened` says why.
    """

    check: str
    expected: str
    state: Literal["passed", "failed", "skipped"]
    happened: str = ""
    fix: str = ""

    def __str__(self) -> str:
        expectation = f"{self.check}: expected that {self.expected}."
        return " ".join(part for part in (expectation, self.happened, self.fix) if part)


def names() -> tuple[str, ...]:
    """Return the names of all checks, in the order in which they run."""
    return tuple(check.name for check in CONTRACT)


def only(name: str) -> ContractCheck:
    """Return the check of this name; raise UsageError with the nearest match where there is none."""
    for check in CONTRACT:
        if check.name == name:
            return check
    raise unknown("check", name, names())


def check(subject: Subject, wanted: Sequence[str] = ()) -> list[CheckResult]:
    """Run all checks on a method, or those `wanted` by name; a check in which the method raises has failed."""
    return [run_check(subject, only(name)) for name in wanted or names()]


def run_check(subject: Subject, check: ContractCheck) -> CheckResult:
    """Run one check on a method."""
    result = partial(CheckResult, check.name, check.expected)
    try:
        with foreign_code():
            check.run(subject, partial(Bench, subject))
    except CheckFailedError as error:
        return result("failed", error.happened, error.fix)
    except CheckSkippedError as error:
        return result("skipped", str(error))
    except Exception as error:  # a method is foreign code: whatever it raises is reported
        raises = "" if isinstance(error, BenchError) else "It raises "
        fix = _where(original_of(error), subject)
        return result("failed", f"{raises}{one_line(error).rstrip('.')}.", fix)
    return result("passed")


def _where(error: BaseException, subject: Subject) -> str:
    """Return the innermost line of the method's own file in the traceback, or say that the suite's code failed."""
    try:
        own_file = inspect.getsourcefile(subject.record.factory)
    except TypeError:  # the factory is neither a Python class nor a Python function
        own_file = None
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own_file]
    if not frames and isinstance(error, BenchError):
        return ""  # the suite found a rule of the interface broken, and its message says what to do
    if not frames:
        return (
            "The suite could not use what the method returned; docs/write-a-method.md says what it must be."
        )
    last = frames[-1]
    return f"Line {last.lineno} of {Path(last.filename).name}, in {last.name}(): {last.line}"


def contract_tests(method: Method | type[Perturbation[Any]], **params: Any) -> Callable[[str], None]:
    """Return the contract as a test, one case per check: ``test_contract = contract_tests(MyMethod)`` in a test module.

    `method` is the class or the record that your hook yields; `params` replace defaults. Needs pytest.
    """
    import pytest

    @pytest.mark.parametrize("check", names())
    def test_contract(check: str) -> None:
        __tracebackhide__ = True
        result = run_check(subject_of(method, **params), only(check))
        if result.state == "skipped":
            pytest.skip(result.happened)
        if result.state == "failed":
            pytest.fail(str(result), pytrace=False)

    return test_contract

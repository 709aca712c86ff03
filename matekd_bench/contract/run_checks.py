"""The contract as a whole: every promise asked of one method, as a report or as tests for pytest."""

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
from matekd_bench.contract.checks import PROMISES, CheckFailedError, CheckSkippedError, ContractCheck
from matekd_bench.contract.subject import Subject, subject_of
from matekd_bench.errors import unknown
from matekd_bench.methods.method import Method

HOMES = [
    module.__name__ for module in (view_checks, randomness_checks, behavior_checks, training_checks)
]  # each adds its promises when imported
CONTRACT = tuple(sorted(PROMISES, key=lambda one: HOMES.index(one.check.__module__)))


@dataclass(frozen=True)
class CheckResult:
    """How one promise was kept: what was `expected`, what `happened` instead, how to `mend` it.

    `state` is "kept", "broken", or "not asked" where the promise is not this method's; then `happened` says why.
    """

    promise: str
    expected: str
    state: Literal["kept", "broken", "not asked"]
    happened: str = ""
    mend: str = ""

    def __str__(self) -> str:
        said = f"{self.promise}: expected that {self.expected}."
        return " ".join(part for part in (said, self.happened, self.mend) if part)


def names() -> tuple[str, ...]:
    """The promises of the contract, in order."""
    return tuple(one.name for one in CONTRACT)


def only(name: str) -> ContractCheck:
    """One promise by its name; UsageError with the nearest match."""
    found = [one for one in CONTRACT if one.name == name]
    if not found:
        raise unknown("promise", name, names())
    return found[0]


def check(subject: Subject, wanted: Sequence[str] = ()) -> list[CheckResult]:
    """Asks every promise (or those wanted) of a method; whatever the method raises is a finding."""
    return [ask(subject, only(name)) for name in wanted or names()]


def ask(subject: Subject, promise: ContractCheck) -> CheckResult:
    """Asks one promise."""
    made = partial(CheckResult, promise.name, promise.expected)
    try:
        promise.check(subject, partial(Bench, subject))
    except CheckFailedError as error:
        return made("broken", error.happened, error.mend)
    except CheckSkippedError as error:
        return made("not asked", str(error))
    except Exception as error:  # a method is foreign code: whatever it raises is what there is to report
        text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".:")
        return made("broken", f"It raises {text}.", _where(error, subject))
    return made("kept")


def _where(error: Exception, subject: Subject) -> str:
    """The innermost line of the method's own file that was at work, or that the suite failed at what it was given."""
    try:
        own = inspect.getsourcefile(subject.record.factory)
    except TypeError:  # neither a class nor a function of Python's
        own = None
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == own]
    if not frames:
        return "The suite failed at what the method gave it: docs/write-a-method.md says what that must be."
    last = frames[-1]
    return f"Line {last.lineno} of {Path(last.filename).name}, in {last.name}(): {last.line}"


def contract_tests(method: Method, **params: Any) -> Callable[[str], None]:
    """The contract as tests, one for each promise: ``test_contract = contract_tests(METHOD)`` in a test module.

    `method` is the record that your hook yields; `params` replace defaults. Needs pytest.
    """
    import pytest

    @pytest.mark.parametrize("promise", names())
    def test_contract(promise: str) -> None:
        __tracebackhide__ = True
        finding = ask(subject_of(method, **params), only(promise))
        if finding.state == "not asked":
            pytest.skip(finding.happened)
        if finding.state == "broken":
            pytest.fail(str(finding), pytrace=False)

    return test_contract

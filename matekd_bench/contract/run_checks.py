"""The contract as a whole: all checks of one method, as a report or as tests for pytest."""

from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from matekd_bench.contract.bench import Bench
from matekd_bench.contract.checks import (
    behavior_checks,
    effect_checks,
    factory_checks,
    process_checks,
    randomness_checks,
    state_checks,
    training_checks,
    view_checks,
)
from matekd_bench.contract.checks.factory_checks import FACTORY
from matekd_bench.contract.checks.process_checks import start_server
from matekd_bench.contract.global_random import seeded
from matekd_bench.contract.registry import CHECKS, CheckFailedError, CheckSkippedError, ContractCheck
from matekd_bench.contract.subject import Subject, made_by, subject_of
from matekd_bench.errors import BenchError, StoppedError, one_line, original_of, unknown
from matekd_bench.foreign_code import foreign_code
from matekd_bench.methods.method import Method
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.study.execute.interrupts import Interruptions

# Each module adds its checks when it is imported. Listing them makes the order independent of the order of imports.
# How a method is made and what it yields come first, because they explain later failures; the slow run on mini-GLUE
# is last.
MODULES = (
    *(factory_checks, view_checks, effect_checks, randomness_checks, state_checks, process_checks),
    *(behavior_checks, training_checks),
)
NAMES = [module.__name__ for module in MODULES]
CONTRACT = tuple(sorted(CHECKS, key=lambda check: NAMES.index(check.run.__module__)))
# Each check starts with the global generators in this state, so that no check can hide another's fault. No method seeds
# them with this number by chance.
FRESH_SEED = 918_273_645


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check: what was `expected`, what `happened` instead, and how to `fix` it.

    `state` is "passed", "failed", or "skipped" if the check does not apply; then `happened` says why. A check may
    pass with a `warning`.
    """

    check: str
    expected: str
    state: Literal["passed", "failed", "skipped"]
    happened: str = ""
    fix: str = ""
    warning: str = ""

    def __str__(self) -> str:
        expectation = f"{self.check}: expected that {self.expected}."
        return " ".join(part for part in (expectation, self.happened, self.fix) if part)


def names() -> tuple[str, ...]:
    """Return the names of all checks, in the order in which they run."""
    return tuple(check.name for check in CONTRACT)


def only(name: str) -> ContractCheck:
    """Return the check of this name; raise UsageError with the nearest match if there is none."""
    for check in CONTRACT:
        if check.name == name:
            return check
    raise unknown("check", name, names())


def check(subject: Subject, wanted: Sequence[str] = ()) -> list[CheckResult]:
    """Run all checks on a method, or those `wanted` by name; a check in which the method raises has failed.

    If the method cannot be made, that is reported first, and all other checks are skipped.
    """
    checks = [only(name) for name in wanted or names()]
    made = run_check(subject, only(FACTORY))
    if made.state == "failed":
        return [made, *(_not_made(check) for check in checks if check.name != FACTORY)]
    if any(check.name == process_checks.NAME for check in checks):
        start_server()  # it is ready by the time its check comes
    return [made if check.name == FACTORY else run_check(subject, check) for check in checks]


def _not_made(check: ContractCheck) -> CheckResult:
    return CheckResult(
        check.name, check.expected, "skipped", f"the method cannot be created (see '{FACTORY}')"
    )


def run_check(subject: Subject, check: ContractCheck) -> CheckResult:
    """Run one check on a method, with the global generators in the same state each time; restore them afterwards."""
    result = partial(CheckResult, check.name, check.expected)
    try:
        # A signal raises StoppedError under pytest too, so any KeyboardInterrupt comes from the method.
        with Interruptions(), foreign_code(), seeded(FRESH_SEED):
            warning = check.run(subject, partial(Bench, subject))
    except CheckFailedError as error:
        return result("failed", error.happened, error.fix)
    except CheckSkippedError as error:
        return result("skipped", str(error))
    except BenchError as error:
        return result("failed", f"{one_line(error).rstrip('.')}.", _where(error, subject))
    except Exception as error:  # a method is foreign code: whatever it raises is reported
        return result(
            "failed", f"It raises {one_line(error).rstrip('.')}.", _where(original_of(error), subject)
        )
    return result("passed", warning=warning or "")


def _where(error: BaseException, subject: Subject) -> str:
    """Return the innermost line of the method's own package in the traceback, or where the method is defined."""
    factory = made_by(subject.record)
    lines = traceback.extract_tb(error.__traceback__)
    modules = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [
        line
        for line, module in zip(lines, modules, strict=True)
        if _package(module) == _package(getattr(factory, "__module__", None))
    ]
    if own:
        last = own[-1]
        return f"Line {last.lineno} of {Path(last.filename).name}, in {last.name}(): {last.line}"
    return f"See {_definition(factory, subject)}: docs/write-a-method.md describes what the suite expects."


def _package(module: object) -> str:
    return str(module).partition(".")[0]


def _definition(factory: Any, subject: Subject) -> str:
    """Return the line and file of a factory, or the method's name if it is no class or function or has no source."""
    try:
        return f"line {inspect.getsourcelines(factory)[1]} of {Path(inspect.getfile(factory)).name}"
    except (TypeError, OSError):
        return f"method '{subject.record.name}'"


def contract_tests(method: Method | type[Perturbation[Any]], **params: Any) -> Callable[[str], None]:
    """Return the contract as a test, one case per check: ``test_contract = contract_tests(MyMethod)`` in a test module.

    `method` is the class or the record that your hook yields; `params` replace defaults. Needs pytest.
    """
    import pytest

    subject = cache(lambda: subject_of(method, **params))
    made = cache(lambda: run_check(subject(), only(FACTORY)))

    def outcome(check: ContractCheck) -> CheckResult:
        if check.name == FACTORY:
            return made()
        return _not_made(check) if made().state == "failed" else run_check(subject(), check)

    @pytest.mark.parametrize("check", names())
    def test_contract(check: str) -> None:
        __tracebackhide__ = True
        try:
            result = outcome(only(check))
        except StoppedError:  # pytest knows only this one
            raise KeyboardInterrupt from None
        if result.state == "skipped":
            pytest.skip(result.happened)
        if result.state == "failed":
            pytest.fail(str(result), pytrace=False)
        if result.warning:
            warnings.warn(f"{subject().name}, {check}: {result.warning}", stacklevel=1)

    return test_contract

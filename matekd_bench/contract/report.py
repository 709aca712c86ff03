"""The result of the contract as authors publish it: a line for a README, and a JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import matekd_bench
from matekd_bench.contract.registry import CONTRACT_VERSION
from matekd_bench.contract.run_checks import CheckResult
from matekd_bench.contract.subject import Subject
from matekd_bench.plugins.origin import ProvidedBy

STATES = ("passed", "failed", "skipped")


def counts(results: Sequence[CheckResult]) -> str:
    """Return how many checks passed, failed and were skipped, and how many passed with a warning, if any did."""
    counted = Counter[str](result.state for result in results)
    warned = sum(bool(result.warning) for result in results)
    warnings = [f"{warned} warning{'s' * (warned != 1)}"] if warned else []
    return ", ".join([*(f"{counted[state]} {state}" for state in STATES), *warnings])


def summary(results: Sequence[CheckResult]) -> str:
    """Return the line for a README about all checks, with the versions of the contract and of matekd-bench."""
    version = matekd_bench.__version__
    return f"matekd-bench contract {CONTRACT_VERSION}: {counts(results)} (matekd-bench {version})"


def document(
    reports: Iterable[tuple[Subject, Sequence[CheckResult]]], providers: Mapping[str, ProvidedBy]
) -> dict[str, Any]:
    """Return the results of all methods as JSON values; `providers` are the plugins by the name of a method."""
    methods = {
        subject.name: {
            "version": subject.record.version,
            "provided_by": asdict(providers[subject.record.name]),
            **{state: [result.check for result in results if result.state == state] for state in STATES},
            "checks": [asdict(result) for result in results],
        }
        for subject, results in reports
    }
    return {"contract": CONTRACT_VERSION, "matekd_bench": matekd_bench.__version__, "methods": methods}

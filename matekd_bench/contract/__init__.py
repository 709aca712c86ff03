"""The contract of every method, for authors of plugins: `contract_tests` for pytest, `check` for a report."""

from __future__ import annotations

from matekd_bench.contract.registry import CONTRACT_VERSION
from matekd_bench.contract.run_checks import CheckResult, check, contract_tests, names, only
from matekd_bench.contract.subject import Subject, subject_of

__all__ = [
    "CONTRACT_VERSION",
    "CheckResult",
    "Subject",
    "check",
    "contract_tests",
    "names",
    "only",
    "subject_of",
]

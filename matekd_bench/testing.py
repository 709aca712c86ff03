"""The contract of every method, for authors of plugins: `contract_tests` for pytest, `check` for a report.

The public name of :mod:`matekd_bench.contract`.
"""

from __future__ import annotations

from matekd_bench.contract import (
    CONTRACT_VERSION,
    CheckResult,
    Subject,
    check,
    contract_tests,
    names,
    only,
    subject_of,
)

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

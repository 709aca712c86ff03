"""The contract of every method, for authors of plugins: `contract_tests` for pytest, `check` for a report."""

from __future__ import annotations

from matekd_bench.testing.contract import Finding, check, contract_tests, names, only
from matekd_bench.testing.subject import Subject, subject_of

__all__ = ["Finding", "Subject", "check", "contract_tests", "names", "only", "subject_of"]

"""Fixtures that the tests of tools share: synthetic studies."""

from __future__ import annotations

import pytest

from synthetic import MakeRecord, WriteStudy, make, write


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """A factory of synthetic records."""
    return make


@pytest.fixture(scope="session")
def write_study() -> WriteStudy:
    """A writer of synthetic studies with predictions."""
    return write

"""The driver of faults, which is the benchmark of reliability, and a study for it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from scripts import script


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder is marked."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("faults")


@pytest.fixture(scope="session")
def driver() -> ModuleType:
    return script("faults")


@pytest.fixture(scope="session")
def study(driver: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Six tiny runs: three methods, two seeds. This process is warm: forks of it start at once."""
    made = driver.tiny(tmp_path_factory.mktemp("faults") / "study")
    driver.warm(made)
    return made

"""Programs that some tests need: where one is missing the test is skipped, but on CI it fails."""

from __future__ import annotations

import os
import shutil

import pytest


def program(*names: str, package: str) -> str:
    """The path of the first of these programs that is installed; `package` is the Debian package that brings it."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is not None:
        return found
    missing = f"{' or '.join(names)} is missing: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(f"{missing} (with CI set, tests that need a program are not skipped)", pytrace=False)
    pytest.skip(missing)

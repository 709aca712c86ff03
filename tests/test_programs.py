"""A missing program skips a test, and fails it on CI."""

from __future__ import annotations

import pytest

from programs import program


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_missing_program(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    expected = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(expected, match=r"^no-such-a or no-such-b is missing: apt-get install it"):
        program("no-such-a", "no-such-b", package="it")


def test_the_first_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert program("no-such-a", "sh", "bash", package="it").endswith("/sh")

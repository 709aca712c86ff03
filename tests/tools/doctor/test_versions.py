"""Versions as doctor reads them."""

from __future__ import annotations

import pytest

from matekd_bench.tools.doctor import versions
from matekd_bench.tools.doctor.versions import installed, numbers, requirements


def test_here_everything_is_installed_and_new_enough() -> None:
    own, libraries = versions.versions()
    assert (own.state, libraries.state) == ("ok", "ok")
    assert own.text.startswith(f"{installed('matekd-bench')} with Python 3.")
    for name in ("torch", "transformers", "datasets", "evaluate", "nlpaug", "pandas"):
        assert f"{name} {installed(name)}" in libraries.text


def test_requirements_are_those_of_the_project_without_extras() -> None:
    found = requirements()
    assert (found["torch"], found["nlpaug"]) == ("2.6", "1.1.11")
    assert not {"pytest", "ruff", "matplotlib", "ray"} & set(found)


def test_what_is_absent_or_old_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"torch": "2.5.1+cpu", "nltk": None}
    monkeypatch.setattr(versions, "installed", lambda name: there.get(name, "999"))
    _, libraries, nltk, torch = versions.versions()
    assert "nltk" not in libraries.text
    assert (nltk.state, nltk.text, nltk.todo) == ("problem", "not installed", "pip install 'nltk>=3.9'")
    assert (torch.state, torch.text) == ("problem", "version 2.5.1+cpu is older than 2.6")
    assert torch.todo == "pip install 'torch>=2.6'"


def test_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "installed", lambda name: None)
    [check] = versions.versions()
    assert check.state == "problem"
    assert check.todo.startswith("pip install -e .")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2.13.0+cpu", (2, 13, 0)), ("0.4.5rc1", (0, 4, 5)), ("2.6", (2, 6)), ("unknown", ())],
)
def test_numbers_of_a_version(text: str, expected: tuple[int, ...]) -> None:
    assert numbers(text) == expected

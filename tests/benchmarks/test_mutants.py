"""The table of mutants keeps up with the source: each has one place in it and one test file."""

from __future__ import annotations

import pytest

from scripts import BENCHMARKS, script


def test_every_mutant_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    mutants = script("mutants")
    files = (file for folder in mutants.SOURCES for file in (mutants.CHECKOUT / folder).rglob("*.py"))
    sources = {file: file.read_text(encoding="utf-8") for file in files}
    for mutant in mutants.MUTANTS:
        planted = mutants.plant(mutant, sources, mutants.CHECKOUT / "tests")
        assert planted.after != planted.before

"""The source of what a script or a cell defines: everything it uses counts, and nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matekd_bench.files.object_source import SourceParts

SCRIPT = """
import re
import random
from enum import Enum
from pydantic import BaseModel, field_validator

WORDS = ["uh", "well"]
PATTERN = re.compile("[a-z]+")
UNUSED = 1

class Params(BaseModel):
    rate: float = 0.5

class Checked(Params):
    @field_validator("rate")
    def check(cls, value):
        return value + 0

def helper(text):
    return text + WORDS[0]

class Base:
    def shared(self):
        return 1

class Mine(Base):
    kind = Checked

    def run(self, text, rng: random.Random):
        UNUSED = 2
        return helper(PATTERN.sub("", text)), [text for text in UNUSED_IN_LIST] if False else UNUSED
UNUSED_IN_LIST = (1, 2)
"""


def define(folder: Path, text: str, name: str = "script.py") -> dict[str, Any]:
    """Run a script as Python runs `__main__`."""
    file = folder / name
    file.write_text(text)
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, str(file), "exec"), scope)
    return scope


def parts(value: Any, follows: Any = lambda module: False) -> dict[str, str | None]:
    sources = SourceParts(follows)
    sources.add("method", value)
    return sources.parts


def test_what_is_used_is_there_and_nothing_else(tmp_path: Path) -> None:
    found = parts(define(tmp_path, SCRIPT)["Mine"])
    assert {
        "Mine",
        "Base",
        "Params",
        "Checked",
        "helper",
        "WORDS",
        "PATTERN",
        "UNUSED_IN_LIST",
    } <= found.keys()
    assert "UNUSED" not in found
    assert "def run" in (found["Mine"] or "")
    assert "rate" in (found["Params"] or "")


CHANGES = {
    "the class": ('"", text)', '"x", text)'),
    "a base class": ("return 1", "return 2"),
    "a helper": ("text + WORDS[0]", "WORDS[0] + text"),
    "a constant": ('"uh"', '"er"'),
    "a pattern": ("[a-z]+", "[a-z]"),
    "a validator": ("value + 0", "value + 1"),
    "parameters": ("rate: float = 0.5", "rate: float = 0.6"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_is_used_shows(change: str, tmp_path: Path) -> None:
    before, after = CHANGES[change]
    assert before in SCRIPT
    other = define(tmp_path, SCRIPT.replace(before, after), "other.py")
    assert parts(other["Mine"]) != parts(define(tmp_path, SCRIPT)["Mine"])


@pytest.mark.parametrize("change", [("UNUSED = 1", "UNUSED = 3"), ("import re\n", "# a note\nimport re\n")])
def test_a_change_of_anything_else_does_not(change: tuple[str, str], tmp_path: Path) -> None:
    other = define(tmp_path, SCRIPT.replace(*change, 1), "other.py")
    assert parts(other["Mine"]) == parts(define(tmp_path, SCRIPT)["Mine"])


def test_variables_of_enclosing_functions_count(tmp_path: Path) -> None:
    text = "def make(word):\n    def say():\n        return word\n    return say\n"
    make = define(tmp_path, text)["make"]
    assert parts(make("a")) != parts(make("b"))
    assert parts(make("a")) == parts(make("a"))


def test_modules_count_by_name_or_by_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words_of_user.py").write_text("WORDS = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "import json\nimport words_of_user\ndef f():\n    return json, words_of_user\n"
    found = parts(define(tmp_path, text)["f"], lambda module: module == "words_of_user")
    assert found["module json"] == ""
    assert len(found["module words_of_user"] or "") == 64


@pytest.mark.parametrize("value", ["object()", "open(__import__('os').devnull)", "iter([1])"])
def test_an_object_that_may_hold_anything_is_refused(value: str, tmp_path: Path) -> None:
    scope = define(tmp_path, f"THING = {value}\ndef f():\n    return THING\n")
    with pytest.raises(ValueError, match="THING"):
        parts(scope["f"])
    getattr(scope["THING"], "close", lambda: None)()


def test_a_file_that_was_edited_after_its_run_is_refused(tmp_path: Path) -> None:
    scope = define(tmp_path, "def f():\n    return 1\n")
    (tmp_path / "script.py").write_text("def f():\n    return helper(1)\n")
    with pytest.raises(ValueError, match="'f'"):
        parts(scope["f"])


def test_code_without_a_source_is_refused() -> None:
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec("def f():\n    return 1\n", scope)
    with pytest.raises(ValueError, match="'f'"):
        parts(scope["f"])

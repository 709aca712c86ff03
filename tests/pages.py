"""Reads the pages of the documentation: what they show in fenced blocks, and the commands they tell to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# ([\w-]+\.(?:py|toml))\n")  # a block that starts with a file name is that file


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in the given languages."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for language, text in found if language in languages]


def files(page: Path) -> dict[str, str]:
    """The files that a page shows, by name."""
    shown = [(NAMED.match(block), block) for block in blocks(page, "python", "toml")]
    return {match[1]: block for match, block in shown if match}


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `matekd-bench` command in a page's shell blocks."""
    for block in blocks(page, "sh", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "))
            if words[:1] == ["matekd-bench"]:
                yield words[1:]


def follow(page: Path, run: Callable[[list[str]], None]) -> None:
    """Follow a page in the working folder: execute its programs, and give the arguments of its commands to `run`."""
    for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(text, page.name, "exec"), {})
        for line in text.splitlines() if language == "sh" else ():
            run(shlex.split(line)[1:])

"""A new plugin from nothing: the files of ``matekd-bench plugins new``, filled in and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

from matekd_bench.errors import UsageError, unknown

TEMPLATES = resources.files(__package__) / "templates"
LEVELS = ("text", "token", "embedding", "generator")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
PREFIX = "matekd-"  # of the distribution, so that it is found on an index


def files(name: str, level: str, *, single_file: bool = False) -> dict[str, str]:
    """The files of a new plugin by path: a package in a folder, or one file for ``--plugin``.

    `name` is the method's. Raises UsageError for a name that no method can have or an unknown level.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' can't name a method: use lower-case letters, digits and '-', a letter first.",
            hint=f"E.g. 'matekd-bench plugins new {_near(name)}'.",
        )
    if level not in LEVELS:
        raise unknown("level", level, LEVELS)
    words = _words(name, level)
    module = words["module"]
    source = _filled(f"{level}.py", words)
    if single_file:
        return {f"{module}.py": source}
    folder = words["distribution"]
    return {
        f"{folder}/pyproject.toml": _filled("pyproject.toml", words),
        f"{folder}/README.md": _filled("README.md", words),
        f"{folder}/{module}.py": source,
        f"{folder}/test_{module}.py": _filled("test.py", words),
    }


def write(contents: Mapping[str, str], folder: Path) -> list[Path]:
    """Writes the files below `folder`; UsageError, before anything is written, where one is there already."""
    paths = [folder / path for path in contents]
    for path in paths:
        if path.exists():
            raise UsageError(f"'{path}' is there already.", hint="Choose another name, or another --folder.")
    for path, text in zip(paths, contents.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return paths


def _words(name: str, level: str) -> dict[str, str]:
    """What the templates leave open; a module's name must not be Python's own or another library's."""
    distribution = name if name.startswith(PREFIX) else PREFIX + name
    return {
        "name": name,
        "level": level,
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "parameter": "size" if level == "embedding" else "rate",
        "cls": "".join(part.capitalize() for part in name.split("-")),
    }


def _filled(template: str, words: Mapping[str, str]) -> str:
    return Template((TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")).substitute(words)


def _near(name: str) -> str:
    """The nearest name that would do."""
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
    return kept if NAME.fullmatch(kept) else "my-method"

"""The files of a new plugin, filled in from templates, for ``matekd-bench plugins new``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

import matekd_bench
from matekd_bench.errors import UsageError, unknown

TEMPLATES = resources.files(__package__) / "templates"
LEVELS = ("text", "token", "embedding", "generator")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
PREFIX = "matekd-"  # of the distribution's name, so that a package index lists the plugins together


def files(name: str, level: str, *, single_file: bool = False) -> dict[str, str]:
    """Return the contents of a new plugin's files by path: a package, or one file for ``--plugin``.

    `name` is the method's name. Raises UsageError for a malformed name or an unknown level.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot name a method: use lower-case letters, digits and '-', starting with a letter.",
            hint=f"E.g. 'matekd-bench plugins new {_suggested_name(name)}'.",
        )
    if level not in LEVELS:
        raise unknown("level", level, LEVELS)
    values = _template_values(name, level)
    module = values["module"]
    source = _fill_template(f"{level}.py", values)
    if single_file:
        return {f"{module}.py": source}
    folder = values["distribution"]
    return {
        f"{folder}/pyproject.toml": _fill_template("pyproject.toml", values),
        f"{folder}/README.md": _fill_template("README.md", values),
        f"{folder}/{module}.py": source,
        f"{folder}/test_{module}.py": _fill_template("test.py", values),
        f"{folder}/.github/workflows/contract.yml": _fill_template("workflow.yml", values),
    }


def write(contents: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the files under `folder` and return their paths.

    Raises UsageError, before anything is written, if one of them exists.
    """
    paths = [folder / path for path in contents]
    for path in paths:
        if path.exists():
            raise UsageError(f"'{path}' already exists.", hint="Choose another name, or another --folder.")
    for path, text in zip(paths, contents.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return paths


def _template_values(name: str, level: str) -> dict[str, str]:
    """Return the values of the templates' placeholders.

    The module's name also has the distribution's prefix, so that it does not shadow a module of Python or a library.
    """
    distribution = name if name.startswith(PREFIX) else PREFIX + name
    return {
        "name": name,
        "level": level,
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "parameter": "size" if level == "embedding" else "rate",
        "cls": "".join(part.capitalize() for part in name.split("-")),
        "requirement": bounded_requirement(matekd_bench.__version__),
    }


def bounded_requirement(version: str) -> str:
    """Return a plugin's requirement, written for `version`: up to the next version that may change the interface."""
    major, minor, *_ = map(int, re.findall(r"\d+", f"{version}.0")[:2])
    # Semantic versioning: below 1.0 every minor version may break code written for the one before.
    above = f"0.{minor + 1}" if major == 0 else str(major + 1)
    is_final = re.fullmatch(r"[\d.]+", version)
    return f"matekd-bench>={f'{major}.{minor}' if is_final else version.partition('+')[0]},<{above}"


def _fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return a template's text with its placeholders replaced."""
    return Template((TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")).substitute(values)


def _suggested_name(name: str) -> str:
    """Return a valid name that is close to `name`."""
    valid = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
    return valid if NAME.fullmatch(valid) else "my-method"

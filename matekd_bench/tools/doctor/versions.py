"""Checks of the installed versions of Python, matekd-bench and its libraries, without importing them."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from matekd_bench.tools.doctor.finding import Finding

TOPIC = "versions"
# name and minimum version in a requirement of matekd-bench, such as "torch>=2.6; ..."
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+?)\s*(?:>=\s*(?P<least>[\d.]+))?\s*$")


def versions() -> Iterator[Finding]:
    """Check Python and matekd-bench, then the libraries; report each library that is missing or too old."""
    suite_version = installed("matekd-bench")
    if suite_version is None:
        todo = "pip install -e . in the folder of matekd-bench"
        yield Finding(TOPIC, "matekd-bench", "problem", "not installed: it has no methods and no tasks", todo)
        return
    system = f"{platform.system()} {platform.machine()}"
    yield Finding(
        TOPIC, "matekd-bench", "ok", f"{suite_version} with Python {platform.python_version()} on {system}"
    )
    required = requirements()
    present = {name: installed(name) for name in required}
    yield Finding(
        TOPIC, "libraries", "ok", ", ".join(f"{name} {number}" for name, number in present.items() if number)
    )
    for name, least in required.items():
        current = present[name]
        todo = f"pip install '{name}>={least}'"
        if current is None:
            yield Finding(TOPIC, name, "problem", "not installed", todo)
        elif numbers(current) < numbers(least):
            yield Finding(TOPIC, name, "problem", f"version {current} is older than {least}", todo)


def requirements() -> dict[str, str]:
    """Return the libraries that matekd-bench needs, with their minimum versions, without those of extras."""
    matches = (REQUIREMENT.match(text) for text in requires("matekd-bench") or () if "extra ==" not in text)
    return {match["name"]: match["least"] or "0" for match in matches if match}


def installed(name: str) -> str | None:
    """Return the version of a distribution; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def numbers(text: str) -> tuple[int, ...]:
    """Parse the leading numbers of a version, for comparisons: "2.13.0+cpu" gives (2, 13, 0)."""
    release = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, release[0].split("."))) if release else ()

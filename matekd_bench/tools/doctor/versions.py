"""Python, matekd-bench and the libraries it needs, read from what is installed without importing any of it."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from matekd_bench.tools.doctor.finding import Finding

TOPIC = "versions"
# "torch>=2.6; ...": name and least version of a requirement of the project itself
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+?)\s*(?:>=\s*(?P<least>[\d.]+))?\s*$")


def versions() -> Iterator[Finding]:
    """A line for Python and the suite, one for the libraries, one for each that is absent or too old."""
    own = installed("matekd-bench")
    if own is None:
        todo = "pip install -e . in the folder of matekd-bench"
        yield Finding(TOPIC, "matekd-bench", "problem", "not installed: it has no methods and no tasks", todo)
        return
    system = f"{platform.system()} {platform.machine()}"
    yield Finding(TOPIC, "matekd-bench", "ok", f"{own} with Python {platform.python_version()} on {system}")
    wanted = requirements()
    found = {name: installed(name) for name in wanted}
    yield Finding(TOPIC, "libraries", "ok", ", ".join(f"{name} {has}" for name, has in found.items() if has))
    for name, least in wanted.items():
        has = found[name]
        todo = f"pip install '{name}>={least}'"
        if has is None:
            yield Finding(TOPIC, name, "problem", "not installed", todo)
        elif numbers(has) < numbers(least):
            yield Finding(TOPIC, name, "problem", f"version {has} is older than {least}", todo)


def requirements() -> dict[str, str]:
    """The libraries that the suite needs, each with its least version; extras are left out."""
    found = (REQUIREMENT.match(text) for text in requires("matekd-bench") or () if "extra ==" not in text)
    return {match["name"]: match["least"] or "0" for match in found if match}


def installed(name: str) -> str | None:
    """The version of a distribution, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing: "2.13.0+cpu" is (2, 13, 0)."""
    release = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, release[0].split("."))) if release else ()

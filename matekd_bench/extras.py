"""Commands that install missing packages, and the error that names them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

from matekd_bench.errors import UsageError

REQUIREMENT = re.compile(r"""(?P<name>[\w.-]+).*;\s*extra == ["'](?P<extra>[\w-]+)["']""")
FOR_DEVELOPERS = ("docs", "test")  # these extras repeat packages of others


def install_command(package: str) -> str:
    """Return the command that installs a package: through the extra of matekd-bench that brings it, if there is one."""
    distribution = package.replace("_", "-")
    try:
        matches = [REQUIREMENT.match(text) for text in requires("matekd-bench") or ()]
    except PackageNotFoundError:  # a checkout that is not installed
        matches = []
    extras = {
        match["name"]: match["extra"] for match in matches if match and match["extra"] not in FOR_DEVELOPERS
    }
    extra = extras.get(distribution)
    return f"pip install 'matekd-bench[{extra}]'" if extra else f"pip install {distribution}"


def missing_package(label: str, package: str, command: str | None = None) -> UsageError:
    """Return the error for a package that `label` needs; `command` is used instead of `install_command`."""
    return UsageError(
        f"{label} needs the package '{package}', which is not installed:",
        hint=command or install_command(package),
    )

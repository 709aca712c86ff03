"""Finds the cache folders that the runs on a task share, as files to send to other machines.

These are the teacher, its logits and the generator.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from matekd_bench.distill.artifacts.artifact_cache import cache_root
from matekd_bench.distill.device import kernel_facts
from matekd_bench.files.durable import is_intact
from matekd_bench.files.hashing import short_digest
from matekd_bench.files.safe_names import write_atomically
from matekd_bench.study.execute.backends.ray_node import Files, shared_files
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.identity import generator_identity, models_identity


def _list_path(cell: Cell) -> Path:
    """Return the file in this machine's cache that lists the folders shared by the runs on the cell's task."""
    recipe, data = cell.recipe, cell.data
    key = short_digest(
        [models_identity(recipe), generator_identity(recipe), dict(data.digests), recipe.max_length,
         recipe.precision, recipe.device.type, kernel_facts()]
    )  # fmt: skip
    return cache_root() / "shared" / f"{data.task.name}-{key}.json"


def cached_artifacts(cell: Cell) -> Files | None:
    """Return the shared files of the cell's task; None unless this machine's cache has all of them."""
    with suppress(OSError, ValueError):
        folders: list[str] = json.loads(_list_path(cell).read_text(encoding="utf-8"))
        if all(is_intact(cache_root() / folder) for folder in folders):
            return shared_files(folders)
    return None


def remember_artifacts(cell: Cell, files: Files) -> None:
    """Write the list of the shared folders of the cell's task, so that :func:`cached_artifacts` finds them."""
    path = _list_path(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    folders = sorted({"/".join(name.split("/")[:2]) for name in files})  # KIND/KEY/FILE without the file
    write_atomically(path, json.dumps(folders).encode())

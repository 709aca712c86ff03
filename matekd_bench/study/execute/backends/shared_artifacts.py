"""What the runs on one task share (teacher, logits, generator), as files that go to other machines and come back."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from matekd_bench.distill.artifacts.artifact_cache import cache_root
from matekd_bench.distill.device import kernel_facts
from matekd_bench.files.durable import whole
from matekd_bench.files.hashing import short_digest
from matekd_bench.files.safe_names import write_atomically
from matekd_bench.study.execute.backends.ray_node import Files, shared_files
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.identity import generator_identity, models_identity


def _memo(cell: Cell) -> Path:
    """Where this machine's cache lists the folders that the runs on the cell's task share."""
    recipe, data = cell.recipe, cell.data
    key = short_digest(
        [models_identity(recipe), generator_identity(recipe), dict(data.digests), recipe.max_length,
         recipe.precision, recipe.device.type, kernel_facts()]
    )  # fmt: skip
    return cache_root() / "shared" / f"{data.task.name}-{key}.json"


def known(cell: Cell) -> Files | None:
    """What the runs on the cell's task share, where this machine's cache has all of it."""
    with suppress(OSError, ValueError):
        folders: list[str] = json.loads(_memo(cell).read_text(encoding="utf-8"))
        if all(whole(cache_root() / folder) for folder in folders):
            return shared_files(folders)
    return None


def remember(cell: Cell, files: Files) -> None:
    """Lists the folders that the runs on the cell's task share."""
    memo = _memo(cell)
    memo.parent.mkdir(parents=True, exist_ok=True)
    folders = sorted({"/".join(name.split("/")[:2]) for name in files})
    write_atomically(memo, json.dumps(folders).encode())

"""Finds the cache folders that the runs on a task share, as files to send to other machines."""

from __future__ import annotations

from matekd_bench.distill.artifacts.artifact_cache import cache_root
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.files.durable import is_intact
from matekd_bench.study.execute.backends.ray_node import Files, shared_files
from matekd_bench.study.plan.grid import Cell


def cached_artifacts(cell: Cell, *, generator: bool) -> Files | None:
    """Return the files of the cell's teacher, its logits and, if a run needs it, the generator.

    Returns None unless all of them are in this machine's cache.
    """
    folders = TaskAssets(cell.data, cell.recipe).cached_folders(generator=generator)
    if folders is None or not all(map(is_intact, folders)):
        return None
    return shared_files([folder.relative_to(cache_root()).as_posix() for folder in folders])

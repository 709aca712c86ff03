"""This machine, from Python: the checks of ``doctor``, and the cache."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matekd_bench.api.frames import frame_of, frame_of_records
from matekd_bench.errors import UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.record_types import ExportTable

if TYPE_CHECKING:
    import pandas as pd

    from matekd_bench.distill.artifacts.eviction import CachedFolder

AGE = re.compile(r"(\d+(?:\.\d+)?) *([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
CACHE_KEYS = ("kind", "folder", "bytes", "last_used", "finished")


def doctor(
    glue_dir: str | Path | None = None,
    *,
    network: bool = False,
    plugins: Sequence[str | Path] = (),
    no_plugins: bool = False,
) -> pd.DataFrame:
    """Check this machine's versions, devices, caches, models and data; a row per finding.

    The columns are `topic`, `name`, `state`, `text` and `todo`. A study can do without what is "missing", or fetch it;
    a "problem" is broken. The environment variable ``GLUE_DIR`` names the GLUE folder if `glue_dir` does not. With
    `network` it also asks whether the Hub answers. Nothing is fetched or changed.
    """
    from matekd_bench.tools.doctor.examine import examine
    from matekd_bench.tools.doctor.finding import Finding

    folder = glue_dir or os.environ.get("GLUE_DIR")
    host = Host.load([Path(file) for file in plugins], only_builtin=no_plugins)
    findings = examine(host, Path(folder).expanduser() if folder else None, network=network)
    return frame_of_records(Finding, findings)


def cache_entries() -> pd.DataFrame:
    """Return a row per entry of the cache of teachers, logits and generators, the least recently used first.

    The columns are `kind`, `folder`, `bytes`, `last_used`, in seconds since 1970, and `finished`, which is false for
    the remains of an interrupted build.
    """
    from matekd_bench.distill.artifacts.artifact_cache import cache_root
    from matekd_bench.distill.artifacts.eviction import entries

    return frame_of(ExportTable("cache", CACHE_KEYS, tuple(map(cache_row, entries(cache_root())))))


def clear_cache(older_than: str | None = None) -> pd.DataFrame:
    """Delete the entries of the cache, except those in use; records do not depend on it.

    `older_than` keeps entries that were used within this time, such as "30d" or "12h". Returns the entries that were
    to be deleted, with `cleared`, which is false for those in use. Raises UsageError for text that is no such time.
    """
    from matekd_bench.distill.artifacts.artifact_cache import cache_root
    from matekd_bench.distill.artifacts.eviction import clear

    cleared = clear(cache_root(), older_than=age_in_seconds(older_than))
    return frame_of(ExportTable("cache", (*CACHE_KEYS, "cleared"), tuple(cleared_rows(cleared))))


def cache_row(folder: CachedFolder) -> dict[str, str | int | float | bool | None]:
    """Return an entry of the cache as the values of `CACHE_KEYS`."""
    values = (folder.kind, str(folder.path), folder.size, folder.used, folder.finished)
    return dict(zip(CACHE_KEYS, values, strict=True))


def cleared_rows(
    folders: Iterable[tuple[CachedFolder, bool]],
) -> list[dict[str, str | int | float | bool | None]]:
    """Return entries of the cache, each with whether it was deleted."""
    return [{**cache_row(folder), "cleared": cleared} for folder, cleared in folders]


def age_in_seconds(text: str | None, name: str = "older_than") -> float:
    """Parse an age such as `30d`; None is 0. Raises UsageError, which calls the argument `name`."""
    if text is None:
        return 0.0
    match = AGE.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{name} '{text}' is not an age: use e.g. 30d, 12h, 90m or 45s.")
    return float(match[1]) * SECONDS[match[2]]

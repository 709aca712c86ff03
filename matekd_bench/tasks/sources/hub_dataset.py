"""Loads a data set of the Hub at one commit: from its folder in the cache of `datasets`, or by download."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError, first_line
from matekd_bench.files.hub.hub_errors import hub_errors
from matekd_bench.files.hub.hub_repository import HubRepository
from matekd_bench.files.hub.network import without_retries
from matekd_bench.files.scratch import scratch_folder
from matekd_bench.tasks.sources.source import DamagedCacheError

FRESH = "force_redownload"  # a mode of `datasets`
HINT = "Use local files with --glue-dir DIR, or connect to the network once: downloads are kept."


def load_at_commit(
    repository: HubRepository, config: str | None, root: Path, *, again: bool = False
) -> tuple[Mapping[str, Any], HubRepository]:
    """Return every split as a memory-mapped `datasets.Dataset`, and the repository at their commit.

    A commit that is in the cache `root` needs no request; with `again` it is downloaded anyway. Code from a data set is
    never run. Raises DataError for every problem with the Hub, the network or the cache.
    """
    with quiet_datasets():
        if repository.pinned and not again and (folder := cached_folder(repository, config, root)):
            return _read(folder, repository), repository
        with hub_errors(DataError, repository, HINT), without_retries():
            at = repository.at_commit()
            folder = None if again else cached_folder(at, config, root)
            return (_read(folder, at) if folder else _fetch(at, config, root, again=again)), at


def cached_folder(repository: HubRepository, config: str | None, root: Path) -> Path | None:
    """Return the folder in which `datasets` keeps this commit; None if there is none, or if several fit."""
    from datasets.naming import camelcase_to_snakecase

    *owner, name = repository.id.split("/")
    home = root / "___".join([*owner, camelcase_to_snakecase(name)])
    pattern = f"{escape(config) if config else '*'}/*/{repository.revision}"
    folders = [folder for folder in home.glob(pattern) if (folder / "dataset_info.json").is_file()]
    if len(folders) > 1:
        folders = [folder for folder in folders if folder.parts[-3] == "default"]
    return folders[0] if len(folders) == 1 else None


def _read(folder: Path, repository: HubRepository) -> Mapping[str, Any]:
    """Open the Arrow files of a cache folder; raise DamagedCacheError unless they are complete."""
    from datasets.packaged_modules.cache.cache import Cache

    config, version, commit = folder.parts[-3:]
    name = folder.parts[-4].rpartition("___")[2]
    try:
        builder = Cache(
            cache_dir=str(folder.parents[3]), dataset_name=name, config_name=config, version=version, hash=commit,
            repo_id=repository.id,
        )  # fmt: skip
        splits: Mapping[str, Any] = builder.as_dataset()
        _check_row_counts(splits, builder.info.splits or {})
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DamagedCacheError(
            f"{repository}: its files in '{folder}' are damaged ({first_line(error)}).",
            hint="'matekd-bench prepare' downloads them again, or delete that folder.",
        ) from error
    return splits


def _check_row_counts(splits: Mapping[str, Any], infos: Mapping[str, Any]) -> None:
    """Raise ValueError for a split whose number of rows differs from its description."""
    for name, split in splits.items():
        if len(split) != infos[name].num_examples:
            raise ValueError(f"{name} has {len(split)} of {infos[name].num_examples} rows")


def _fetch(repository: HubRepository, config: str | None, root: Path, *, again: bool) -> Mapping[str, Any]:
    """Download a commit into the cache folder in which `datasets` keeps it."""
    import datasets

    repository.probe()  # for its precise error: `datasets` replaces the errors of its first requests
    # If the Hub refuses, `datasets` uses any cached commit; an empty cache has none.
    with scratch_folder() as empty:
        builder = datasets.load_dataset_builder(
            repository.id, config, revision=repository.revision, cache_dir=str(empty)
        )
        folder = root / Path(builder.cache_dir).relative_to(empty)
        try:
            builder.download_and_prepare(str(folder), download_mode=FRESH if again else None)
        except (datasets.exceptions.DatasetGenerationError, ValueError):  # also pyarrow's errors
            # An earlier download may be damaged.
            builder.download_and_prepare(str(folder), download_mode=FRESH)
        splits: Mapping[str, Any] = builder.as_dataset()
    if builder.hash != repository.revision:
        raise DataError(f"{repository}: the library 'datasets' loaded the commit {builder.hash} instead.")
    return splits


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """Turn off the library's progress bars and messages about retries: matekd-bench shows its own."""
    import datasets

    # `datasets` also logs as an error what it then raises.
    limits = {
        logging.getLogger("huggingface_hub"): logging.ERROR,
        logging.getLogger("datasets"): logging.CRITICAL,
    }
    levels = {logger: logger.level for logger in limits}
    bars = not datasets.are_progress_bars_disabled()
    for logger, level in limits.items():
        logger.setLevel(level)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        if bars:
            datasets.enable_progress_bars()

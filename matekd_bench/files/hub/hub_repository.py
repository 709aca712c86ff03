"""Models and data sets on the Hugging Face Hub: the commit of a revision, and the files on this machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

COMMIT = re.compile(r"[0-9a-f]{40}")
PROBES = {"model": "config.json", "dataset": "README.md"}  # small files that nearly every repository has


@dataclass(frozen=True)
class HubRepository:
    """A repository at a revision: a commit, a branch or a tag; None means the newest commit."""

    kind: Literal["model", "dataset"]
    id: str
    revision: str | None = None

    def __str__(self) -> str:
        """Name the repository for messages, with a commit shortened to its first digits."""
        revision = self.revision or ""
        shown = revision[:8] if self.pinned else revision
        kind = "data set" if self.kind == "dataset" else self.kind
        return f"{kind} '{self.id}'" + (f" at {shown}" if shown else "")

    @property
    def page(self) -> str:
        """The address of the repository's page."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{'datasets/' * (self.kind == 'dataset')}{self.id}"

    @property
    def pinned(self) -> bool:
        """True if the revision is a commit, which never changes."""
        return COMMIT.fullmatch(self.revision or "") is not None

    def at_commit(self, *, local: bool = False) -> HubRepository:
        """Return the repository at the commit that its revision names now, or named last if the Hub does not answer.

        With `local` the Hub is not asked. Raises the errors of huggingface_hub.
        """
        return self if self.pinned else replace(self, revision=self.probe(local=local))

    def probe(self, *, local: bool = False) -> str:
        """Request one small file and return the commit; raise the errors of huggingface_hub."""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        with hidden_progress():
            try:
                file = hf_hub_download(
                    self.id,
                    PROBES[self.kind],
                    repo_type=self.kind,
                    revision=self.revision,
                    local_files_only=local,
                )
            except EntryNotFoundError as error:
                response = getattr(error, "response", None)  # None: the Hub was not reached
                if response is None or "X-Repo-Commit" not in response.headers:
                    raise
                return str(response.headers["X-Repo-Commit"])
        return Path(file).parent.name

    def snapshot(self, wanted: Sequence[str], unwanted: Sequence[str], *, local: bool = False) -> Path:
        """Return the folder of the repository at its commit, with all files that match `wanted` and not `unwanted`.

        Missing files are downloaded, with a progress bar on a terminal; with `local` they are an error. Raises the
        errors of huggingface_hub.
        """
        from huggingface_hub import HfApi, snapshot_download

        if not local:
            # If the Hub refuses this listing, snapshot_download returns a folder that may lack files.
            next(iter(HfApi().list_repo_tree(self.id, repo_type=self.kind, revision=self.revision)), None)
        with nullcontext() if sys.stderr.isatty() else hidden_progress():
            folder = snapshot_download(
                self.id,
                repo_type=self.kind,
                revision=self.revision,
                allow_patterns=list(wanted),
                ignore_patterns=list(unwanted),
                local_files_only=local,
            )
        return Path(folder)

    def fetch_again(self, names: Iterable[str]) -> None:
        """Download files of the repository even if they are on this machine; raise the errors of huggingface_hub."""
        from huggingface_hub import hf_hub_download

        for name in names:
            hf_hub_download(self.id, name, repo_type=self.kind, revision=self.revision, force_download=True)


@contextmanager
def hidden_progress() -> Iterator[None]:
    """Hide the progress bars of huggingface_hub."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()

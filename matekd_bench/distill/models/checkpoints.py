"""Find pretrained checkpoints by Hub id, by folder, or by folder inside an installed package."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from matekd_bench.distill.models.checkpoint_files import (
    UNWANTED,
    WANTED,
    check_files,
    check_is_model,
    fingerprint,
    has_weights,
    stamp,
)
from matekd_bench.errors import CheckpointError
from matekd_bench.extras import install_command
from matekd_bench.files.hub.hub_errors import hub_errors
from matekd_bench.files.hub.hub_repository import HubRepository
from matekd_bench.files.hub.network import without_retries
from matekd_bench.files.reading import read_json


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    `sha256` is a digest of weights, config and tokenizer. It does not depend on where the folder is.
    """

    id: str
    path: Path
    sha256: str
    revision: str | None = None

    @property
    def config(self) -> Mapping[str, Any]:
        """The parsed config.json."""
        return _config(self.path, stamp(self.path / "config.json"))

    @property
    def classifies(self) -> bool:
        """True if the checkpoint was saved with a sequence-classification head, so is already fine-tuned."""
        names = self.config.get("architectures")
        return isinstance(names, list) and any(
            str(name).endswith("ForSequenceClassification") for name in names
        )

    def text_config(self) -> Any:
        """Return the config of the part that reads text as transformers reads it, whatever its fields are called.

        None if transformers cannot read it; loading the model then reports the reason.
        """
        return _text_config(self.path, stamp(self.path / "config.json"))


def find_checkpoint(reference: str, revision: str | None = None) -> Checkpoint:
    """Find the checkpoint for a Hub id, a folder, or `package:NAME/FOLDER`.

    A Hub id may end with `@REVISION`, a commit, branch or tag. The checkpoint is downloaded, or taken from the local
    cache, and names the commit. Raises CheckpointError if the checkpoint cannot be found or reached, or has no
    safetensors weights.
    """
    folder, repository = find_folder(reference, revision)
    if repository is not None:
        return describe(folder, id=repository.id, revision=repository.revision)
    return describe(folder, id=reference if reference.startswith("package:") else folder.resolve().name)


def find_folder(
    reference: str, revision: str | None = None, wanted: Sequence[str] = WANTED
) -> tuple[Path, HubRepository | None]:
    """Return the folder of a checkpoint, which may hold no weights, and its repository if it is from the Hub.

    `wanted` are patterns of the files that are downloaded.
    """
    if reference.startswith("package:"):
        return _package_folder(reference), None
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return folder, None
    if reference.startswith((".", "/", "~")) or reference.count("/") > 1:
        raise CheckpointError(f"the model folder '{reference}' does not exist.")
    return _download(hub_model(reference, revision), wanted)


def describe(folder: Path, *, id: str, revision: str | None = None) -> Checkpoint:
    """Describe the checkpoint in `folder`, which needs config.json and safetensors weights.

    Raises CheckpointError if one of them is missing, and for a FIFO, a device or a huge file where libraries read text.
    """
    check_is_model(folder, id, revision)
    check_files(folder, id)
    return Checkpoint(
        id=id,
        path=folder,
        sha256=fingerprint(folder, *map(stamp, sorted(folder.iterdir()))),
        revision=revision,
    )


def weight_bytes(checkpoint: Checkpoint) -> int:
    """Return the size of a checkpoint's weights on disk, in bytes."""
    return sum(path.stat().st_size for path in checkpoint.path.glob("*.safetensors"))


@lru_cache(maxsize=64)
def _config(folder: Path, stamp: object) -> Mapping[str, Any]:
    """Read config.json. Raises CheckpointError if it cannot be read or holds no JSON object."""
    config = read_json(folder / "config.json", CheckpointError)
    if not isinstance(config, dict):
        raise CheckpointError(f"'{folder / 'config.json'}' is not a JSON object.")
    return config


@lru_cache(maxsize=64)
def _text_config(folder: Path, stamp: object) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return config.get_text_config()
    except Exception:  # a config with wrong types makes each family fail in its own way
        return None


def _package_folder(reference: str) -> Path:
    """Return the folder that `package:NAME/FOLDER` names, without importing the package."""
    package, _, inside = reference.removeprefix("package:").partition("/")
    if not package:
        raise CheckpointError(f"'{reference}' names no package: write package:NAME/FOLDER.")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        raise CheckpointError(
            f"the checkpoint '{reference}' comes with a package that is not installed.",
            hint=f"Install it: {install_command(package)}",
        )
    return Path(spec.origin).parent / inside


def hub_model(reference: str, revision: str | None = None) -> HubRepository:
    """Return the repository that `MODEL` or `MODEL@REVISION` names; CheckpointError for two revisions that differ."""
    id, _, named = reference.partition("@")
    if named and revision and named != revision:
        raise CheckpointError(
            f"'{reference}' names one revision, but the settings name another: '{revision}'."
        )
    return HubRepository("model", id, named or revision or None)


def find_local_folder(reference: str, revision: str | None = None) -> Path | None:
    """Return the folder that :func:`find_checkpoint` would use without a network, or None if there is none.

    The weights are not read.
    """
    try:
        if reference.startswith("package:"):
            folder = _package_folder(reference)
        elif not (folder := Path(reference).expanduser()).is_dir():
            folder = (
                hub_model(reference, revision).at_commit(local=True).snapshot(WANTED, UNWANTED, local=True)
            )
    except (CheckpointError, OSError, ValueError, RuntimeError):  # missing, not a Hub id, or no home folder
        return None
    return folder if (folder / "config.json").is_file() and has_weights(folder) else None


def _download(repository: HubRepository, wanted: Sequence[str]) -> tuple[Path, HubRepository]:
    """Return the folder of a Hub model, and the model at its commit; files on this machine need no request.

    Raises CheckpointError if the Hub has none of that name or cannot be reached.
    """
    from huggingface_hub.errors import HFValidationError

    if repository.pinned and (folder := find_local_folder(repository.id, repository.revision)):
        return folder, repository
    otherwise = "Connect to the network once, set HF_HOME to a cache that has the model, or give a folder."
    try:
        with hub_errors(CheckpointError, repository, otherwise), without_retries():
            at = repository.at_commit()
            return find_local_folder(at.id, at.revision) or at.snapshot(wanted, UNWANTED), at
    except HFValidationError:
        raise CheckpointError(f"'{repository.id}' is neither a folder nor a Hub id.") from None


def fetch_again(reference: str, revision: str | None, names: Iterable[str]) -> None:
    """Download files of a Hub model even if they are here; files of a local folder are not touched."""
    _, repository = find_folder(reference, revision)
    if repository is not None:
        otherwise = "Delete the model's folder in the cache, and connect to the network once."
        with hub_errors(CheckpointError, repository, otherwise), without_retries():
            repository.fetch_again(names)

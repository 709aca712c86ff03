"""The files of a checkpoint: the relevant ones, their completeness, and the digest that identifies them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from matekd_bench.errors import CheckpointError, first_line
from matekd_bench.files.hashing import digest, file_digest
from matekd_bench.files.reading import read_json, read_text

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
ADAPTER = "adapter_config.json"
VOCABULARIES = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json"),
    *("spiece.model", "sentencepiece.bpe.model", "tokenizer.model"),
)
# Patterns of the files that tokenizers of other families read. A tokenizer.json takes their place.
OTHER_VOCABULARIES = (
    *(
        "*.model",
        "*.spm",
        "*.tiktoken",
        "*.codes",
        "*.bpe",
        "*vocab*.json",
        "dict.txt",
        "tokenizer_config.json",
    ),
    *("word_shape.json", "word_pronunciation.json", "normalizer.json", "emoji.json", "byte_maps.json"),
)
WANTED = ("*.json", "*.txt", "*.safetensors", "*.model", "*.spm", "*.tiktoken", "*.codes", "*.bpe")
UNWANTED = ("onnx/*", "openvino/*", "*/*")  # a checkpoint's own files are at the top of its repository
TEXT_FILES = (".json", ".txt", ".model", ".jinja", ".spm", ".tiktoken", ".codes", ".bpe")
MAX_TEXT_BYTES = 2**27  # tokenizers of 250,000 tokens have 35 MB
MAX_HEADER_BYTES = 10**8  # of a safetensors file, as in its library


def stamp(file: Path) -> tuple[str, int, int] | None:
    """Return a file's name, size and time of change, so that a changed file is read again."""
    try:
        status = file.stat()
    except OSError:
        return None
    return file.name, status.st_size, status.st_mtime_ns


def check_files(folder: Path, id: str) -> None:
    """Raise CheckpointError for files on which libraries would wait, or which are too large to be read into memory."""
    for file in sorted(folder.iterdir()):
        if file.is_file():
            size = file.stat().st_size
            if file.suffix in TEXT_FILES and size > MAX_TEXT_BYTES:
                raise CheckpointError(
                    f"'{id}': its {file.name} is {size} bytes long; the limit is {MAX_TEXT_BYTES}."
                )
        elif file.exists() and not file.is_dir():  # links of the Hub's cache are followed
            raise CheckpointError(f"'{id}': its {file.name} is not a regular file.")


def check_is_model(folder: Path, id: str, revision: str | None) -> None:
    """Raise CheckpointError, saying what to do, unless the folder has config.json and safetensors weights.

    `revision` is the commit of a model from the Hub.
    """
    has_config = (folder / "config.json").is_file()
    if (folder / ADAPTER).is_file() and not (has_config and has_weights(folder)):
        raise _adapter_error(folder, id)
    if not has_config:
        raise CheckpointError(f"'{id}' is not a model: there is no config.json in its folder.")
    if not has_weights(folder):
        reference = f"{id}@{revision}" if revision else folder
        raise CheckpointError(
            f"'{id}' has no model.safetensors, and only safetensors weights are loaded.",
            hint=f"'matekd-bench convert {reference}' creates them from a pytorch_model.bin.",
        )


def has_weights(folder: Path) -> bool:
    """Return True if the folder has safetensors weights in one file or an index of several."""
    return any((folder / name).is_file() for name in WEIGHTS)


def _adapter_error(folder: Path, id: str) -> CheckpointError:
    """Return the error for a folder of PEFT, which holds no whole model."""
    settings = read_json(folder / ADAPTER, CheckpointError)
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    return CheckpointError(
        f"'{id}' is a PEFT adapter of '{base or 'another model'}', not a whole model.",
        hint="Merge it with peft: AutoPeftModelForSequenceClassification.from_pretrained(...).merge_and_unload()"
        ".save_pretrained(DIR), then give DIR.",
    )


@lru_cache(maxsize=64)
def fingerprint(folder: Path, *stamps: object) -> str:
    """Compute a digest of the folder's weights, config and tokenizer; notes and other files do not count.

    Raises CheckpointError if weights are damaged, which is found from their headers, before large files are read.
    """
    names = {"config.json", *VOCABULARIES}
    if not (folder / "tokenizer.json").is_file():
        names |= {file.name for pattern in OTHER_VOCABULARIES for file in folder.glob(pattern)}
    for file in _weight_files(folder):
        check_weights(file)
        names.add(file.name)
    return digest({name: file_digest(folder / name) for name in names if (folder / name).is_file()})


def _weight_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.safetensors") if file.is_file())


def damaged_files(folder: Path) -> Iterator[str]:
    """Yield the names of weights and JSON files that are not whole."""
    for file in _weight_files(folder):
        try:
            check_weights(file)
        except CheckpointError:
            yield file.name
    for file in sorted(folder.glob("*.json")):
        try:
            json.loads(read_text(file, CheckpointError, max_bytes=MAX_TEXT_BYTES))
        except (CheckpointError, ValueError, RecursionError):
            yield file.name


def check_weights(file: Path) -> None:
    """Raise CheckpointError unless a safetensors file has the size that its header states."""
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
            raise ValueError(f"{size} bytes, but {said} according to its header")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"'{file}' can't be loaded because it is damaged: {first_line(error)}.",
            hint="For a model of the Hub, 'matekd-bench prepare' downloads it again.",
        ) from None

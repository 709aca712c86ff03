"""The real GLUE files: counts, state and labels, checked against what the records call official."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from hub_server import HubServer, glue_files
from matekd_bench.tasks.metrics import majority_score
from matekd_bench.tasks.sources import GlueFolder, Hub, load_split, load_task
from matekd_bench.tasks.sources.holdout import groups_by_text
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}
PARTIAL = {
    "mnli": "partial (train 12988 of 392702, dev-mismatched absent)",
    "qqp": "partial (train 23497 of 363846, dev 4000 of 40430)",
    "qnli": "partial (train 4463 of 104743, dev 1000 of 5463)",
}
MAJORITY = {"rte": 146 / 277, "cola": 0.0, "stsb": 0.0, "sst2": 444 / 872, "wnli": 40 / 71}


GLUE = [name for name, task in TASKS.items() if not task.synthetic and (task.train or name == "ax")]


@pytest.mark.parametrize("name", GLUE)
def test_state_is_recognized(glue_dir: Path, name: str) -> None:
    data = load_task(TASKS[name], GlueFolder(glue_dir))
    assert data.state_text == PARTIAL.get(name, "official")
    for examples in (*((data.train,) if data.train else ()), *data.dev):
        assert len(set(examples.uids)) == len(examples)
        assert (examples.labels is None, examples.skipped) == (False, 0)
        if TASKS[name].labels:
            assert set(examples.labels) == set(range(len(TASKS[name].labels)))


def test_advglue_is_the_same_from_its_file_and_in_the_layout_of_the_hub(
    shared_data: Path, hub: HubServer
) -> None:
    tasks = [task for name, task in TASKS.items() if name.startswith("advglue")]
    parts = json.loads((shared_data / "ood" / "AdvGLUE" / "dev.json").read_text())
    configs = {
        str(task.hub_config): {
            "validation": {
                column: [row[column] for row in parts[task.splits["dev"].section]]
                for column in (*task.fields, "label", "idx")
            }
        }
        for task in tasks
    }
    files = glue_files(configs, {str(task.hub_config): task.labels for task in tasks})
    [(id, revision)] = {(task.hub_id, task.hub_revision) for task in tasks}
    hub.add("datasets", str(id), files, commit=revision)
    for task in tasks:
        fetched, read = (load_task(task, source) for source in (Hub(), GlueFolder(shared_data / "ood")))
        assert (fetched.state_text, fetched.digests) == ("official", read.digests)


@pytest.mark.parametrize("name", ["cola", "sst2", "mrpc", "stsb", "qnli", "rte", "wnli", "ax"])
def test_test_files_are_official_and_unlabeled(glue_dir: Path, name: str) -> None:
    test = load_split(TASKS[name], GlueFolder(glue_dir), "test")
    assert len(test) == test.official_rows
    assert test.labels is None


@pytest.mark.parametrize("name", MAJORITY)
def test_majority_scores_are_the_published_ones(glue_dir: Path, name: str) -> None:
    data = load_task(TASKS[name], GlueFolder(glue_dir))
    score = majority_score(TASKS[name], data.train.labels or (), data.dev[0].labels or ())
    assert score == pytest.approx(MAJORITY[name])


def test_class_counts_of_mrpc_train(glue_dir: Path) -> None:
    train = load_split(TASKS["mrpc"], GlueFolder(glue_dir), "train")
    assert Counter(train.labels or ()) == {1: 2474, 0: 1194}


@pytest.mark.parametrize("name", ["rte", "mnli", "qqp", "qnli", "wnli", "stsb"])
def test_a_holdout_of_real_pairs_shares_no_text_with_train(glue_dir: Path, name: str) -> None:
    data = load_task(TASKS[name], GlueFolder(glue_dir), eval_on="holdout")
    held = len(data.dev[0])
    both = groups_by_text((*data.train.texts, *data.dev[0].texts))
    cut = len(data.train)
    assert all((group[0] < cut) == (group[-1] < cut) for group in both)
    assert 100 <= held <= 1000

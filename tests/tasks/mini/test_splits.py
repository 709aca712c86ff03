"""The rows of mini-GLUE: pinned, balanced as documented, without repetition and without overlap."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest

from matekd_bench import DataError
from matekd_tasks.mini import splits
from matekd_tasks.mini.splits import TASKS, rows, sizes

PLACES = [(task, split) for task in TASKS for split in sizes(task)]
SHARES = {  # of the class ids of GLUE, written down a second time
    "cola": {0: 0.3, 1: 0.7},
    "sst2": {0: 0.5, 1: 0.5},
    "mrpc": {0: 0.4, 1: 0.6},
    "qqp": {0: 0.6, 1: 0.4},
    "mnli": {0: 1 / 3, 1: 1 / 3, 2: 1 / 3},
    "qnli": {0: 0.5, 1: 0.5},
    "rte": {0: 0.5, 1: 0.5},
    "wnli": {0: 0.5, 1: 0.5},
}
DIGESTS = {
    "cola train": "fa72291e07c3a59d",
    "cola dev": "4493f3ef4efe6e51",
    "cola test": "9911a927762f163d",
    "sst2 train": "73df450c60374db5",
    "sst2 dev": "4f5be018faa484b8",
    "sst2 test": "79da4b73eb2c132f",
    "mrpc train": "dd5284e44c872eb7",
    "mrpc dev": "52c739dcde561503",
    "mrpc test": "98b8b6bd898a0df9",
    "stsb train": "8f4a9d2dd8e3da70",
    "stsb dev": "933f6f43e97f7685",
    "stsb test": "08b65a3aad94ae37",
    "qqp train": "a1d0cdea2b5929f7",
    "qqp dev": "de0b5695dc071667",
    "qqp test": "3784229950f66e1d",
    "mnli train": "f833cf0067e765a7",
    "mnli dev-matched": "f7c5a03087ad3f27",
    "mnli dev-mismatched": "fa5df05e1c865c5e",
    "mnli test-matched": "d4582484677b49b9",
    "mnli test-mismatched": "01984a64c0d43e12",
    "qnli train": "6e514ad8a2c289e7",
    "qnli dev": "68479434385d24a8",
    "qnli test": "1595a133afad3aca",
    "rte train": "74c67570c83eebb0",
    "rte dev": "703b64c7d2c9e91b",
    "rte test": "8bc9c529a4ee1d4f",
    "wnli train": "a8042b56cb896d48",
    "wnli dev": "f48d385d9b055af6",
    "wnli test": "0d29108525961781",
}


def digest(task: str, split: str) -> str:
    found = rows(task, split)
    text = json.dumps([found.texts, found.labels], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(("task", "split"), PLACES)
def test_the_rows_are_the_same_on_every_machine(task: str, split: str) -> None:
    assert digest(task, split) == DIGESTS[f"{task} {split}"]


@pytest.mark.parametrize(("task", "split"), [place for place in PLACES if place[0] in SHARES])
def test_classes_are_balanced_exactly(task: str, split: str) -> None:
    labels = rows(task, split).labels
    assert (labels is None) == split.startswith("test")
    expected = {label: round(share * len(labels or ())) for label, share in SHARES[task].items()}
    assert Counter(labels) == Counter(expected)


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_not_in_order(task: str) -> None:
    labels = rows(task, "train").labels
    half = len(labels) // 2
    first, second = (sum(part) / half for part in (labels[:half], labels[half:]))
    assert first == pytest.approx(second, abs=0.12 if task != "stsb" else 0.4)


def test_similarity_scores_are_spread_over_the_range() -> None:
    labels = rows("stsb", "train").labels
    assert set(labels) == {half / 2 for half in range(11)}
    counts = Counter(int(label) for label in labels)
    assert all(80 <= counts[whole] <= 350 for whole in range(6)), counts


@pytest.mark.parametrize("task", [task for task in TASKS if task != "wnli"])
def test_no_first_text_is_in_two_splits(task: str) -> None:
    firsts = {split: {texts[0] for texts in rows(task, split).texts} for split in sizes(task)}
    seen: set[str] = set()
    for texts in firsts.values():
        assert not seen & texts
        seen |= texts


@pytest.mark.parametrize("task", TASKS)
def test_no_row_comes_twice(task: str) -> None:
    texts = [row for split in sizes(task) for row in rows(task, split).texts]
    assert len(set(texts)) == len(texts)
    assert all(len(set(row)) == len(row) for row in texts), "two segments that are the same"


def test_half_of_the_dev_sentences_of_wnli_contradict_train() -> None:
    train, dev = rows("wnli", "train"), rows("wnli", "dev")
    known = {texts[0]: label for texts, label in zip(train.texts, train.labels, strict=True)}
    shared = [
        (texts[0], label) for texts, label in zip(dev.texts, dev.labels, strict=True) if texts[0] in known
    ]
    assert len(shared) == 30
    assert all(known[text] == 1 - label for text, label in shared)


def test_rows_do_not_depend_on_what_was_read_before() -> None:
    expected = rows("rte", "dev")
    splits._made.cache_clear()
    rows("cola", "train")
    assert rows("rte", "dev") == expected


@pytest.mark.parametrize(("task", "split"), [("ax", "dev"), ("mini-rte", "dev"), ("mnli", "dev")])
def test_an_unknown_place_is_named(task: str, split: str) -> None:
    with pytest.raises(DataError, match=f"no split '{split}' of a task '{task}'"):
        rows(task, split)

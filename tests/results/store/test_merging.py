"""Merging results folders: everything carried, repeated runs once, contradictions refused, all or nothing."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.errors import ResultsError, UsageError
from matekd_bench.files import safe_names, scratch
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.collection import read_folders
from matekd_bench.results.store.merging import merge
from matekd_bench.results.store.results_store import ResultsStore
from set_study import set_scores
from synthetic import scored


def logits(seed: int) -> Predictions:
    values = np.random.default_rng(seed).normal(size=(2, 2)).astype(np.float32)
    return Predictions(({"dev": values},), {"dev": ("a", "b")})


def truthful(record: Record, seed: int) -> Record:
    """The record with the scores that the logits of a seed give."""
    return scored(record, logits(seed), {"dev": (0, 1)})


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture
def stores(tmp_path: Path, make_record: Any) -> tuple[ResultsStore, ResultsStore]:
    """Two folders: each has a run of its own, both have the same run and the same dev set."""
    both = (ResultsStore(tmp_path / "a"), ResultsStore(tmp_path / "b"))
    for store, method in zip(both, ("eda", "freelb"), strict=True):
        store.write(truthful(make_record("kd"), 0), logits(0), [{"update": 1, "loss": 0.5}])
        store.write(truthful(make_record(method), 1), logits(1))
        store.write_data("dev-rte", task="rte", split="dev", uids=("a", "b"), labels=(0, 1))
    both[1].write_data("dev-cola", task="cola", split="dev", uids=("c",), labels=(1,))
    return both


def test_everything_is_carried_and_repeated_runs_are_one(
    stores: tuple[ResultsStore, ResultsStore], tmp_path: Path
) -> None:
    a, b = stores
    before = contents(a.root), contents(b.root)
    merged = merge([a.root, b.root], tmp_path / "c")
    assert (len(merged.runs), len(merged.repeated), len(merged.data), merged.left_out) == (3, 1, 2, [])
    assert contents(tmp_path / "c") == before[0] | before[1]
    assert (contents(a.root), contents(b.root)) == before
    merged = ResultsStore(tmp_path / "c")
    assert {run.identity.method for run in merged.records()} == {"kd", "eda", "freelb"}
    assert merged.damaged == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_seconds_and_machines_are_no_contradiction(tmp_path: Path, make_record: Any) -> None:
    a, b = (ResultsStore(tmp_path / name) for name in "ab")
    newer = make_record(created="2026-02-02T00:00:00Z", train_seconds=99.0, peak_memory_bytes=7)
    a.write(newer.model_copy(update={"env": {"python": "3.13"}}), logits(0))
    b.write(make_record(), logits(0))
    assert len(merge([a.root, b.root], tmp_path / "c").repeated) == 1
    [kept] = ResultsStore(tmp_path / "c").records()
    assert (kept.provenance.created, kept.compute.train_seconds) == ("2026-01-02T03:04:05Z", 20.0)


@pytest.mark.parametrize("other", ["score", "predictions", "flops"])
def test_other_results_are_named_and_refused(tmp_path: Path, make_record: Any, other: str) -> None:
    a, b = (ResultsStore(tmp_path / name) for name in "ab")
    a.write(make_record(), logits(0))
    changes = {"score": {"score": 0.71}, "predictions": {}, "flops": {"train_flops": 1}}[other]
    b.write(make_record(**changes), logits(1 if other == "predictions" else 0))
    with pytest.raises(ResultsError) as caught:
        merge([a.root, b.root], tmp_path / "c")
    fields = {"score": "task_score", "predictions": "predictions.sha256", "flops": "compute.train_flops"}
    named = (make_record().run_id, fields[other], str(a.root), str(b.root))
    assert [part for part in named if part not in str(caught.value)] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_many_contradictions_are_counted(tmp_path: Path, make_record: Any) -> None:
    a, b = (ResultsStore(tmp_path / name) for name in "ab")
    for seed in range(5):
        a.write(make_record(seed=seed, score=0.6))
        b.write(make_record(seed=seed, score=0.7))
    with pytest.raises(ResultsError, match="2 more"):
        merge([a.root, b.root], tmp_path / "c")


def test_a_finished_run_stands_in_for_a_failed_one(tmp_path: Path, make_record: Any) -> None:
    a, b, c = (ResultsStore(tmp_path / name) for name in "abc")
    a.write(make_record(score=None))
    b.write(make_record(created="2026-05-05T00:00:00Z"), logits(0))
    assert len(merge([a.root, b.root], c.root).repeated) == 1
    assert [run.status for run in c.records()] == ["ok"]
    assert len(merge([b.root, a.root], tmp_path / "d").runs) == 1
    assert contents(tmp_path / "d") == contents(c.root)


def test_data_sets_that_differ_are_refused(stores: tuple[ResultsStore, ResultsStore], tmp_path: Path) -> None:
    a, b = stores
    (b.data / "dev-rte.json").unlink()
    b.write_data("dev-rte", task="rte", split="dev", uids=("a", "b"), labels=(1, 1))
    with pytest.raises(ResultsError, match="data set 'dev-rte'"):
        merge([a.root, b.root], tmp_path / "c")
    (b.data / "dev-rte.json").unlink()
    b.write_data(
        "dev-rte", task="mrpc/rte", split="dev", uids=("a", "b"), labels=(0, 1)
    )  # another name alone
    assert len(merge([a.root, b.root], tmp_path / "c").data) == 2


def test_the_copy_that_has_the_further_sets_is_taken_or_none(tmp_path: Path, make_record: Any) -> None:
    """By `merge` and by reading several folders alike; the copy that lacks sets is the older one."""

    def folder(name: str, *sets: str, created: str = "2026-02-02T00:00:00Z", right: int = 200) -> Path:
        store = ResultsStore(tmp_path / name)
        also = [set_scores(one, np.arange(200) < right) for one in sets]
        store.write(make_record(created=created, also=also), logits(len(sets)))
        return store.root

    none = folder("none", created="2026-01-01T00:00:00Z")
    one, both = folder("one", "rte/claims"), folder("both", "rte/claims", "rte@aeda")
    other, wrong = folder("other", "rte@aeda"), folder("wrong", "rte/claims", right=100)
    for number, (folders, best) in enumerate(
        [([none, one], one), ([both, one], both), ([one, none, both], both)]
    ):
        [record] = ResultsStore(best).records()
        assert read_folders(folders).records == (record,)
        assert read_folders(folders).stores[record.run_id].root == best
        merge(folders, tmp_path / f"merged-{number}")
        assert ResultsStore(tmp_path / f"merged-{number}").records() == [record]
    for folders in ([one, other], [wrong, both]):
        for read in (read_folders, lambda folders: merge(folders, tmp_path / "merged")):
            with pytest.raises(ResultsError, match=r"\(also"):
                read(folders)


def test_damage_is_left_out_and_named(
    stores: tuple[ResultsStore, ResultsStore], tmp_path: Path, make_record: Any
) -> None:
    a, b = stores
    eda, freelb = make_record("eda").run_id, make_record("freelb").run_id
    (a.runs / eda / "record.json").write_text("{")
    (b.runs / freelb / "predictions.npz").write_bytes(b"other")
    (b.data / "dev-cola.json").write_text("{}")
    found = merge([a.root, b.root], tmp_path / "c")
    assert (len(found.runs), len(found.data)) == (1, 1)
    assert [next(name for name in (eda, freelb, "dev-cola") if name in said) for said in found.left_out] == [
        eda,
        freelb,
        "dev-cola",
    ]


def test_what_is_not_of_a_run_stays_behind(
    stores: tuple[ResultsStore, ResultsStore], tmp_path: Path, make_record: Any
) -> None:
    a, b = stores
    (a.runs / ".partial").mkdir()
    (a.runs / ".partial" / "lock").write_text("")
    kept = a.runs / make_record("eda").run_id / "student"
    kept.mkdir()
    (kept / "model.safetensors").write_bytes(b"weights")  # what lies with a run goes with it
    merge([a.root, b.root], tmp_path / "c")
    names = contents(tmp_path / "c")
    assert not [name for name in names if "partial" in name]
    assert names[f"runs/{make_record('eda').run_id}/student/model.safetensors"] == b"weights"


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_links_out_of_a_folder_are_refused(
    stores: tuple[ResultsStore, ResultsStore], tmp_path: Path, make_record: Any
) -> None:
    a, b = stores
    secret = tmp_path / "secret"
    secret.write_text("x")
    (a.runs / make_record("eda").run_id / "more").symlink_to(secret)
    with pytest.raises(ResultsError, match="more"):
        merge([a.root, b.root], tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_folders_must_be_what_they_are_said_to_be(
    stores: tuple[ResultsStore, ResultsStore], tmp_path: Path
) -> None:
    a, b = stores
    for folders, target, error, named in (
        ([a.root], tmp_path / "c", UsageError, "merge"),
        ([a.root, tmp_path / "absent"], tmp_path / "c", ResultsError, "absent"),
        ([a.root, b.root], b.root, ResultsError, re.escape(str(b.root))),
    ):
        with pytest.raises(error, match=named):
            merge(folders, target)
    (tmp_path / "c").mkdir()
    assert len(merge([a.root, b.root], tmp_path / "c").runs) == 3  # an empty folder is as good as none


def test_a_full_disk_leaves_nothing_behind(
    stores: tuple[ResultsStore, ResultsStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    real = safe_names.copy_synced

    def full(source: Path, target: Path) -> None:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(target)
        real(source, target)

    monkeypatch.setattr(safe_names, "copy_synced", full)
    with pytest.raises(ResultsError, match="No space left on device"):
        merge([store.root for store in stores], tmp_path / "c")
    assert len(written) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such locks")
def test_what_a_killed_merge_left_goes_with_the_next(
    stores: tuple[ResultsStore, ResultsStore], tmp_path: Path
) -> None:
    left, in_use, other = (tmp_path / f".merge-{name}-0a1b2c3{name[0]}" for name in ("c", "c", "d"))
    in_use = in_use.with_name(".merge-c-0a1b2c3e")
    for folder in (left, in_use, other):
        (folder / "runs").mkdir(parents=True)
        os.utime(folder, (0, 0))
    with scratch.in_use(in_use):
        merge([store.root for store in stores], tmp_path / "c")
    assert not left.exists()
    assert in_use.is_dir()
    assert other.is_dir()


def test_a_merged_folder_merges_again(stores: tuple[ResultsStore, ResultsStore], tmp_path: Path) -> None:
    a, b = stores
    merge([a.root, b.root], tmp_path / "c")
    shutil.rmtree(a.root)
    again = merge([tmp_path / "c", b.root], tmp_path / "d")
    assert (len(again.runs), len(again.repeated)) == (3, 2)
    assert contents(tmp_path / "d") == contents(tmp_path / "c")


def test_other_code_is_told_and_alone_no_contradiction(tmp_path: Path, make_record: Any) -> None:
    def code(digest: str, *, built_in: bool) -> list[dict[str, Any]]:
        names = {"method": "kd", "distribution": "probed", "version": "1", "file": "kd.py"}
        return [{**names, "digest": digest * 64, "libraries": {}, "built_in": built_in}]

    a, b = ResultsStore(tmp_path / "a"), ResultsStore(tmp_path / "b")
    for store, digest in ((a, "a"), (b, "b")):
        store.write(
            make_record("kd", code=code(digest, built_in=True))
        )  # a comment was edited: the same result
        store.write(make_record("own", run_id=f"own-{digest}", code=code(digest, built_in=False)))
    merged = merge([a.root, b.root], tmp_path / "c")
    assert len(merged.runs) == 3
    [note] = merged.code_notes
    assert "own" in note
    changed = make_record("kd", code=code("b", built_in=True)).model_dump(mode="json", by_alias=True)
    changed["task_score"]["last"] = 0.5
    other = ResultsStore(tmp_path / "d")
    other.write(type(make_record("kd")).model_validate(changed))
    with pytest.raises(ResultsError, match=r"\(code, task_score"):
        merge([a.root, other.root], tmp_path / "e")

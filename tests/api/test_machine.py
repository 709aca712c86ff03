"""The machine from Python: the findings of `doctor`, and the cache as frames."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from matekd_bench import UsageError, cache_entries, clear_cache, doctor
from matekd_bench.cli import main
from matekd_bench.distill.artifacts.artifact_cache import cached_folder
from matekd_bench.files.durable import MANIFEST


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_findings_are_those_of_the_command(
    root: Path, small_glue: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root.write_text("a file in its place")
    monkeypatch.setenv("GLUE_DIR", str(small_glue))
    findings = doctor(no_plugins=True)
    assert main(["doctor", "--no-plugins", "--json"]) == 1
    assert findings.to_dict("records") == json.loads(capsys.readouterr().out)
    assert list(findings.loc[findings["state"] == "problem", "name"]) == ["own"]
    assert any(findings["text"].str.startswith("partial: train 64 of 2490"))
    named = doctor("nowhere", no_plugins=True)
    assert any(named["text"].str.contains("nowhere"))


def test_the_cache_is_listed_and_cleared_by_age(root: Path) -> None:
    assert len(cache_entries()) == len(clear_cache()) == 0
    for key, days in (("old", 40), ("new", 0)):
        entry = cached_folder(
            "teachers", key, lambda folder, _: (folder / "x").write_bytes(bytes(2000)) and None
        )
        moment = time.time() - days * 86400
        os.utime(entry.path / MANIFEST, (moment, moment))
        del entry  # it is in use as long as this exists
    frame = cache_entries()
    assert [Path(folder).name for folder in frame["folder"]] == ["old", "new"]
    assert (frame["kind"].unique().tolist(), frame["finished"].all()) == (["teachers"], True)
    assert (frame["bytes"] > 2000).all()
    with pytest.raises(UsageError, match="a month"):
        clear_cache(older_than="a month")
    cleared = clear_cache(older_than="30d")
    assert cleared[["folder", "cleared"]].values.tolist() == [[str(root / "teachers" / "old"), True]]
    assert len(cache_entries()) == 1

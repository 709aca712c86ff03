"""The benchmarks that the documentation names make the tables that it shows, and start as it says."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from matekd_bench.methods.grammar import parse
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.collection import read_folders

ROOT = Path(__file__).resolve().parents[2]
FREELB_ROW = re.compile(r"^\| \**([\d.]+) / ([\d.]+) / ([\d.]+)\** \| (shared|separate) \|", re.MULTILINE)


def test_the_sizes_of_freelb_are_those_of_its_table() -> None:
    study = tomllib.loads((ROOT / "benchmarks" / "freelb_sizes.toml").read_text(encoding="utf-8"))
    method = Host.load((), only_builtin=True).method("freelb").record
    page = (ROOT / "docs" / "methods" / "freelb.md").read_text(encoding="utf-8")
    shown = [(*map(float, sizes), masks == "shared") for *sizes, masks in FREELB_ROW.findall(page)]
    studied = []
    for ref in parse(study["methods"])[1:]:
        params = method.params.model_validate(dict(ref.params))
        studied.append((params.adv_lr, params.init_mag, params.max_norm, params.share_dropout))
    assert studied == shown


def test_the_leaderboard_of_many_records_needs_no_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    program = importlib.import_module("leaderboard")
    template = json.loads(program._references()[0].read_text(encoding="utf-8"))
    program.write(tmp_path, 20, template)
    assert len(read_folders([tmp_path]).records) == 20

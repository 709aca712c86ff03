"""JSON files that hold several data sets, as AdvGLUE's does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources import GlueFolder, load_task
from matekd_bench.tasks.sources.json_sections import read_section
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}
ROWS = [{"idx": 0, "sentence": "a \t film", "label": 1}, {"idx": 1, "label": 0, "sentence": "bad"}]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dev.json"


def test_a_section_is_a_table_whatever_the_order_of_keys(file: Path) -> None:
    file.write_text(json.dumps({"qqp": [], "sst2": ROWS}))
    table = read_section(file, "sst2")
    assert table.header == ["idx", "sentence", "label"]
    assert table.rows == [(1, ["0", "a \t film", "1"]), (2, ["1", "bad", "0"])]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([], "sst2"),
        ({"sst": ROWS}, "sst"),
        ({"sst2": []}, "list of rows"),
        ({"sst2": [*ROWS, {"idx": 2, "label": 1}]}, "row 3.*'sentence'"),
        ({"sst2": [*ROWS, {"idx": 2, "label": None, "sentence": "x"}]}, "row 3.*'label'"),
    ],
)
def test_what_is_no_section_is_named(file: Path, content: object, named: str) -> None:
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=named):
        read_section(file, "sst2")


def test_a_part_of_advglue_is_read_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "AdvGLUE").mkdir()
    (tmp_path / "AdvGLUE" / "dev.json").write_text(json.dumps({"sst2": ROWS}))
    data = load_task(TASKS["advglue-sst2"], GlueFolder(tmp_path, "also-dir"))
    assert (data.train, data.dev[0].texts, data.dev[0].labels) == (None, (("a \t film",), ("bad",)), (1, 0))
    assert data.state_text == "partial (dev 2 of 148)"


@pytest.mark.parametrize("name", ["hans-regenerated", "paws", *(n for n in TASKS if n.startswith("advglue"))])
def test_the_real_files_are_read(shared_data: Path, name: str) -> None:
    if not (shared_data / "ood").is_dir():
        pytest.skip("the test data have no folder ood")
    data = load_task(TASKS[name], GlueFolder(shared_data / "ood", "also-dir"))
    assert data.state_text == ("own" if name == "hans-regenerated" else "official")
    assert set(data.dev[0].gold) == set(range(len(data.task.labels)))

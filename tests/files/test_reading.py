"""Every place that reads structured text of the user says what is wrong in one line that names file, key and value."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import torch

from matekd_bench.cli import main
from matekd_bench.distill.artifacts.kept_student import KeptStudent, StudentCard
from matekd_bench.errors import BenchError, DataError, UsageError
from matekd_bench.files.reading import read_toml
from matekd_bench.files.safe_names import STUDENT_CARD
from matekd_bench.plugins.host import Host
from matekd_bench.results.records import dev_set
from matekd_bench.results.records.run_record import to_json
from matekd_bench.results.store.results_store import STUDY_SCHEMA, ResultsStore
from matekd_bench.study.spec.request import make_request
from matekd_bench.tasks.task_files import load_suites, load_task_file
from synthetic import make

OWN_TASK = """
name = "mine"
kind = "classification"
texts = ["text"]
label = "y"
labels = ["no", "yes"]
train = "train.csv"
dev = "dev.csv"
"""
TASK = """
name = "tiny"
title = "Tiny"
summary = ""
kind = "classification"
fields = ["text"]
labels = ["no", "yes"]
metrics = ["accuracy"]
splits.train = { hub = "train", file = "train.tsv", rows = 3 }
splits.dev = { hub = "dev", file = "dev.tsv", rows = 2 }
"""
RUN = make()
RUN_FOLDER = f"runs/{RUN.run_id}"
HOST = Host.load(only_builtin=True)
STUDY = {"methods": "kd", "tasks": "rte"}
SPEC = make_request({**STUDY, "preset": "mini"}, HOST).spec.model_dump(mode="json")
CARD_OF_RUN = StudentCard("r1", "rte", ("a", "b"), 32, "fp32", 8, "0" * 64)
DEV_SET = dev_set.DevSet(digest="dev", task="rte", split="dev", n=1, uids=("a",), labels=(7,))
PRESETS_PLUGIN = """
from pathlib import Path
from matekd_bench import hookimpl, load_presets

@hookimpl
def matekd_bench_presets():
    return load_presets(Path(__file__).parent)
"""


@dataclass(frozen=True)
class Place:
    """A file that users write or may damage: its sound text, how it is read, and one of its keys.

    `key` stands in the text as `sound`; `wrong` replaces it, and the error has to show `shown`.
    """

    file: str
    text: str
    read: Callable[[Path], object]  # gets the folder
    key: str
    sound: str
    wrong: str
    shown: str

    def write(self, folder: Path, content: bytes) -> None:
        (folder / self.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / self.file).write_bytes(content)


def load_config(folder: Path) -> object:
    return make_request({**STUDY, "preset": "minilm", "config": folder / "study.toml"}, HOST)


def load_preset(folder: Path) -> object:
    (folder / "plugin.py").write_text(PRESETS_PLUGIN)
    host = Host.load([folder / "plugin.py"], only_builtin=True)
    return make_request({**STUDY, "preset": "study"}, host)


def load_study_of_run(folder: Path) -> object:
    (folder / RUN_FOLDER / "record.json").write_text(to_json(RUN))
    command = ["reproduce", RUN.run_id, "--results", str(folder), "--into", str(folder / "again"), "--debug"]
    return main(command)


PLACES = {
    "own-task": Place(
        "task.toml", OWN_TASK, lambda folder: load_task_file(folder / "task.toml"),
        "label", 'label = "y"', "label = 3", "3",
    ),
    "task": Place(
        "task.toml", TASK, lambda folder: load_task_file(folder / "task.toml"),
        "splits.train.rows", "rows = 3", 'rows = "3"', "'3'",
    ),
    "suites": Place("suites.toml", '[a]\ntasks = ["x"]\n', load_suites, "tasks", '["x"]', "7", "7"),
    "config": Place("study.toml", "seeds = 2\n", load_config, "seeds", "2", '"two"', "'two'"),
    "preset": Place("study.toml", 'preset = "mini"\nseeds = 2\n', load_preset, "seeds", "2", '"two"', "'two'"),
    "record": Place(
        f"{RUN_FOLDER}/record.json", to_json(RUN), lambda folder: ResultsStore(folder).read(RUN.run_id),
        "compute.threads", '"threads": 2', '"threads": "2"', "'2'",
    ),
    "study-of-run": Place(
        f"{RUN_FOLDER}/study.json", json.dumps({"schema": STUDY_SCHEMA, "spec": SPEC}), load_study_of_run,
        "first_seed", '"first_seed": 0', '"first_seed": "none"', "'none'",
    ),
    "dev-set": Place(
        "data/dev.json", dev_set.to_json(DEV_SET),
        lambda folder: ResultsStore(folder).read_data("dev"), "labels", "[7]", '["7"]', "'7'",
    ),
    "student-card": Place(
        STUDENT_CARD, json.dumps(asdict(CARD_OF_RUN)), lambda folder: KeptStudent(folder, "r1", torch.device("cpu")),
        "max_length", '"max_length": 32', '"max_length": "32"', "'32'",
    ),
}  # fmt: skip


def refusal(place: Place, folder: Path, content: bytes) -> str:
    """What reading the file says, which is one line that names the file."""
    place.write(folder, content)
    with pytest.raises(BenchError) as caught:
        place.read(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert Path(place.file).stem in line
    assert not [word for word in ("Value error", "Input should", "Extra inputs", "Errno") if word in line]
    return line


@pytest.mark.parametrize("name", PLACES)
def test_a_wrong_value_is_named_with_its_key(name: str, tmp_path: Path) -> None:
    place = PLACES[name]
    assert place.sound in place.text
    line = refusal(place, tmp_path, place.text.replace(place.sound, place.wrong, 1).encode())
    assert place.key in line
    assert place.shown in line


@pytest.mark.parametrize("name", PLACES)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(name: str, tmp_path: Path) -> None:
    place = PLACES[name]
    key = place.key.rpartition(".")[2]
    misspelled = place.text.replace(place.sound, place.sound.replace(key, f"{key}x"), 1)
    if misspelled == place.text:  # the value stands alone
        misspelled = place.text.replace(key, f"{key}x", 1)
    line = refusal(place, tmp_path, misspelled.encode())
    assert f"{place.key}x'" in line
    assert f"did you mean '{key}'?" in line


@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_toml_or_json(name: str, tmp_path: Path) -> None:
    place = PLACES[name]
    line = refusal(place, tmp_path, f"{place.text}\n[".encode())
    assert f"not {'TOML' if place.file.endswith('.toml') else 'JSON'}" in line


# A record or a dev set, which nobody writes by hand, is only said to be damaged.
@pytest.mark.parametrize("name", sorted(PLACES.keys() - {"record", "dev-set"}))
def test_what_is_not_utf_8_is_named_with_its_line(name: str, tmp_path: Path) -> None:
    place = PLACES[name]
    line = refusal(place, tmp_path, place.text.encode() + b"\n\xff")
    assert f"line {place.text.count(chr(10)) + 2}: not UTF-8" in line


@pytest.mark.parametrize("name", [name for name, place in PLACES.items() if place.file.endswith(".toml")])
def test_a_byte_order_mark_is_accepted(name: str, tmp_path: Path) -> None:
    place = PLACES[name]
    place.write(tmp_path, place.text.encode("utf-8-sig"))
    assert place.read(tmp_path)


@pytest.mark.parametrize("kind", [DataError, UsageError])
def test_a_file_that_cannot_be_read_is_an_error_of_the_callers_kind(
    kind: type[BenchError], tmp_path: Path
) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(kind, match=path.name):
            read_toml(path, kind)

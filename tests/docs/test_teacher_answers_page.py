"""docs/teacher-answers.md is followed from top to bottom: its commands and its program, in one folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.files.user_tables import read_lines
from matekd_bench.methods.params import resolve_all
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.answer_lines import AnswersHeader, answer_of
from pages import ROOT, blocks, follow

PAGE = ROOT / "docs" / "teacher-answers.md"
# The tiny checkpoint in place of MiniLM, and as many updates as take a second.
BRIEF = (
    "--preset",
    "mini",
    "--student",
    "layers:2",
    "--seeds",
    "1",
    "--budget",
    "student_updates=2",
    "--jobs",
    "1",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the page has been followed."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_data()
        follow(PAGE, run_command)
        yield folder


def write_data() -> None:
    """Reviews, and paraphrases of the first of them."""
    for split, rows in (("train", 40), ("dev", 16)):
        films = [("bad", "neg"), ("good", "pos"), ("dull", "neg"), ("fine", "pos")] * (rows // 4)
        lines = [f"{split} {row}: the film was {word},{label}" for row, (word, label) in enumerate(films)]
        Path(f"{split}.csv").write_text("\n".join(["review,stars", *lines, ""]))
    line = {"text": "train 0: the film was bad", "perturbed": "what a bad film"}
    Path("paraphrases.jsonl").write_text(json.dumps(line) + "\n")


def run_command(command: list[str]) -> None:
    command = [word.replace("paraphrases.jsonl", "paraphrases.jsonl,missing=keep") for word in command]
    assert main([*command, *(BRIEF if command[0] == "run" else ())]) == 0, command


def test_the_runs_are_there(folder: Path) -> None:
    records = {record.identity.method: record for record in ResultsStore(folder / "results").records()}
    assert set(records) == {"kd", "vat", "finetune"}
    assert {record.teacher.cost_beforehand["tokens"] for record in records.values()} == {5200}
    assert {record.teacher.task_score for record in records.values()} == {0.75}


def test_what_the_page_shows_of_the_files_is_true(folder: Path) -> None:
    [first] = (json.loads(block) for block in blocks(PAGE, "json"))
    assert read_lines(folder / "rows.jsonl")[0].cells == first
    assert {"review": "what a bad film"} in [line.cells for line in read_lines(folder / "all-rows.jsonl")]


def test_what_the_page_shows_of_the_study_is_true(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [command] = [line for line in "".join(blocks(PAGE, "sh")).splitlines() if " run " in line]
    assert main([*shlex.split(command)[1:], *BRIEF, "--dry-run", "--results", "other"]) == 0
    coverage = next(block for block in blocks(PAGE, "text") if "answered" in block)
    assert coverage.strip() in capsys.readouterr().err


def test_the_table_of_a_file_is_read(folder: Path) -> None:
    """The CSV that the page shows, as the only file of answers to its two reviews."""
    file = folder / "shown.csv"
    file.write_text(next(block for block in blocks(PAGE, "text") if "probabilities" in block))
    task = Host.load([folder / "reviews.toml"], only_builtin=True).task("reviews").record
    answers = [answer_of(line, AnswersHeader(), task, file) for line in read_lines(file)]
    assert [answer.index(max(answer)) for answer in answers] == [0, 1]


def test_the_table_of_methods_is_true() -> None:
    host = Host.load(only_builtin=True)
    listed = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `kd`"))
    accepted = {name.strip("` ") for name in listed.split("|")[1].split(", ")}

    def suffices(name: str) -> bool:
        [method] = resolve_all(name, lambda part: host.method(part).record, {})
        return not method.record.asks_teacher or method.record.perturbed_rows(method.params, {}) is not None

    names = [name for name, found in host.methods.items() if not found.record.wraps and name != "from-file"]
    assert {name for name in [*names, "cutoff[kind=feature]"] if suffices(name)} == accepted

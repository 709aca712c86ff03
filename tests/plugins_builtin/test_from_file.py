"""`from-file`: what it draws, what it refuses, and what a study with it records."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from matekd_bench import Row, UsageError, seed_of
from matekd_bench.cli import main
from matekd_bench.errors import DataError, RunError
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.code_changes import check_unchanged
from matekd_bench.study.plan.grid import Grid, make_grid
from matekd_bench.study.spec.request import make_request
from matekd_plugins.from_file import FromFile, FromFileParams

ROWS = {"a": ("one", "two"), "b": ("three", "two")}


def write(file: Path, *lines: object) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def in_capitals(source: Path, target: Path, **header: object) -> Path:
    """A file of perturbed texts made of what `methods texts` wrote: every text in capitals."""
    lines = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    return write(target, {"header": header}, *({**line, "perturbed": line["text"].upper()} for line in lines))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(
        tmp_path / "p.jsonl",
        {"text": "one", "perturbed": ["1", "I", "uno"]},
        {"text": "two", "perturbed": "2"},
        {"id": "b", "segment": "second", "perturbed": "zwei"},
    )


def made(file: Path, **params: object) -> FromFile:
    return FromFile(FromFileParams(path=str(file), **params), None)


def row(uid: str, epoch: int = 0) -> Row:
    return Row(uid, ROWS[uid], epoch, lambda purpose: seed_of(7, purpose, epoch, uid))


def test_every_version_is_shown_in_some_epoch(file: Path) -> None:
    method = made(file)
    shown = [method.rewrite(row("a", epoch), 0) for epoch in range(40)]
    assert {first for first, _ in shown} == {"1", "I", "uno"}
    assert {second for _, second in shown} == {"2"}
    assert shown == [made(file).rewrite(row("a", epoch), 0) for epoch in range(40)]


def test_a_row_may_have_a_version_of_its_own(file: Path) -> None:
    assert made(file, missing="keep").rewrite(row("b"), 0) == ("three", "zwei")


def test_a_wrapper_may_ask_for_a_text_alone(file: Path) -> None:
    assert made(file).perturb("two", random.Random(0)) == "2"


def test_segments_that_are_not_chosen_need_no_entry(file: Path) -> None:
    assert made(file, segments="second").rewrite(row("b"), 0) == ("three", "zwei")
    [sentence] = FromFile.check_rows(FromFileParams(path=str(file), segments="second"), ROWS)
    assert "2 of 2" in sentence


def test_a_text_without_an_entry_is_an_error_unless_it_is_kept(file: Path) -> None:
    with pytest.raises(DataError, match="'three'"):
        made(file).rewrite(row("b"), 0)
    with pytest.raises(DataError, match=r"p\.jsonl.* 1 of the 4 .*'b'.*three.*missing=keep"):
        FromFile.check_rows(FromFileParams(path=str(file)), ROWS)
    [sentence] = FromFile.check_rows(FromFileParams(path=str(file), missing="keep"), ROWS)
    assert "3 of 4" in sentence
    assert "1" in sentence.partition(";")[2]


@pytest.mark.parametrize("missing", ["keep", "error"])
def test_a_file_that_has_nothing_of_the_task_is_refused(missing: str, file: Path) -> None:
    with pytest.raises(DataError, match=r"p\.jsonl.* 1 "):
        FromFile.check_rows(FromFileParams(path=str(file), missing=missing), {"x": ("other",)})


def test_a_study_without_a_file_is_refused() -> None:
    with pytest.raises(UsageError, match="path=FILE"):
        FromFile.resources(FromFileParams())


@pytest.fixture(scope="module")
def glue_texts(small_glue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `methods texts` writes of a small RTE."""
    texts = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    assert main(["methods", "texts", "rte", "--glue-dir", str(small_glue), "--out", str(texts)]) == 0
    return texts


def test_from_the_texts_to_the_table(
    glue_texts: Path, study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = in_capitals(glue_texts, tmp_path / "p.jsonl", cost={"tokens": 120_000, "USD": 0.5})
    options = [option for option in study_options if option != "--quiet"]
    what = ("--methods", f"from-file[path={file}],worst-of-n[from-file[path={file}],n=2]", "--tasks", "rte")
    assert main(["run", *what, *options, "--results", str(tmp_path / "results")]) == 0
    assert f"128 of 128 training texts are in '{file}'" in capsys.readouterr().err
    records = {record.identity.method: record for record in ResultsStore(tmp_path / "results").records()}
    for name in ("from-file", "worst-of-n"):
        assert records[name].perturber.cost_beforehand == {"tokens": 120_000, "USD": 0.5}
        assert records[name].perturber.resources["texts"].startswith("p.jsonl (sha256 ")
        assert records[name].diagnostics["texts_unchanged"] == 0
    assert records["kd"].perturber is None
    capsys.readouterr()
    assert main(["leaderboard", "--cost", "--results", str(tmp_path / "results")]) == 0
    shown = capsys.readouterr().out
    assert "beforehand" in shown
    assert "0.5 USD, 120000 tokens" in shown


def test_a_record_without_a_cost_has_the_text_that_it_had(make_record: Callable[..., Record]) -> None:
    record = make_record("eda", "rte", 0, 0.5)
    assert "cost_beforehand" not in record.model_dump_json()


@pytest.fixture
def grid(study_settings: dict[str, object]) -> Callable[[Path], Grid]:
    def make(file: Path) -> Grid:
        host = Host.load(only_builtin=True)
        options = {
            **study_settings,
            "methods": f"from-file[path={file}]",
            "tasks": "rte",
            "reference": "none",
        }
        return make_grid(make_request(options, host).spec, torch.device("cpu"), host)

    return make


def test_other_texts_are_another_run(grid: Callable[[Path], Grid], glue_texts: Path, tmp_path: Path) -> None:
    file = in_capitals(glue_texts, tmp_path / "p.jsonl")
    first, again = grid(file), grid(file)
    in_capitals(glue_texts, file, note="made again")
    assert first.cells[0].run_id == again.cells[0].run_id != grid(file).cells[0].run_id


def test_a_file_that_changes_under_a_study_costs_the_run(
    grid: Callable[[Path], Grid], glue_texts: Path, tmp_path: Path
) -> None:
    file = in_capitals(glue_texts, tmp_path / "p.jsonl")
    made_grid = grid(file)
    check_unchanged(made_grid.cells[0], made_grid.host)
    in_capitals(glue_texts, file, note="made again")
    with pytest.raises(RunError, match=r"texts .*p\.jsonl"):
        check_unchanged(made_grid.cells[0], made_grid.host)

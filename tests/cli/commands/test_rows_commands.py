"""``methods texts`` as it is typed: what it writes, and what it and `from-file` refuse in one line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main

Refused = Callable[..., str]


def lines_of(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def texts(small_glue: Path, tmp_path: Path) -> Callable[..., list[dict[str, str]]]:
    """The lines that the command writes with these options."""

    def write(*options: str) -> list[dict[str, str]]:
        file = tmp_path / "texts.jsonl"
        file.unlink(missing_ok=True)
        assert main(["methods", "texts", *options, "--glue-dir", str(small_glue), "--out", str(file)]) == 0
        return lines_of(file)

    return write


def test_the_texts_of_several_tasks_are_in_one_file(texts: Callable[..., list[dict[str, str]]]) -> None:
    rte, both = texts("rte"), texts("rte,sst2")
    assert len(rte) == 128
    assert both[:128] == rte
    assert len(both) == 192


def test_rows_are_those_of_a_study_with_the_same_options(texts: Callable[..., list[dict[str, str]]]) -> None:
    lines = texts("rte", "--limit-train", "5", "--by-id", "--segments", "first")
    assert len({line["id"] for line in lines}) == 5
    assert {line["segment"] for line in lines} == {"first"}


@pytest.mark.parametrize("command", ["methods texts", "methods texts --segments first", "tasks rows"])
def test_the_next_command_reads_the_same_rows(
    command: str,
    small_glue: Path,
    study_options: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Filled in as it is printed, it is a study of all rows that were written."""
    file, filled = tmp_path / "rows.jsonl", tmp_path / "filled.jsonl"
    options = ("--glue-dir", str(small_glue), "--limit-train", "9", "--out", str(file))
    assert main([*command.split()[:2], "rte", *command.split()[2:], *options]) == 0
    following = capsys.readouterr().out.partition("then matekd-bench ")[2].replace("FILE", str(filled))
    filled.write_text(
        "".join(
            json.dumps({**line, "answer": "entailment", "smoothing": 0, "perturbed": "so it is"}) + "\n"
            for line in lines_of(file)
        )
    )
    models = [*study_options[:2], *study_options[6:]]
    models += ["--teacher", study_options[5]] if command.startswith("methods texts") else []
    assert main([*shlex.split(following), *models, "--dry-run"]) == 0
    assert "9" in capsys.readouterr().out.partition("partial (train ")[2].split()


def test_the_methods_of_a_config_file_count(
    small_glue: Path,
    texts: Callable[..., list[dict[str, str]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    perturbed, config, out = (tmp_path / name for name in ("perturbed.jsonl", "study.toml", "rows.jsonl"))
    lines = texts("rte", "--limit-train", "5")
    perturbed.write_text("".join(json.dumps({**line, "perturbed": "so it is"}) + "\n" for line in lines))
    config.write_text(f"methods = 'from-file[path={perturbed}]'\nlimit_train = 5\n")
    capsys.readouterr()
    options = ("--config", str(config), "--glue-dir", str(small_glue), "--out", str(out))
    assert main(["tasks", "rows", "rte", *options]) == 0
    assert [line for line in lines_of(out) if "id" not in line] == [
        {"sentence1": "so it is", "sentence2": "so it is"}
    ]
    following = capsys.readouterr().out
    assert f"--config {config}" in following
    assert "--methods" not in following


def test_a_file_is_never_overwritten(refused: Refused, tmp_path: Path) -> None:
    paid = tmp_path / "paid.jsonl"
    paid.write_text("paid for")
    refused("methods", "texts", "rte", "--out", paid, named=str(paid))
    assert paid.read_text() == "paid for"


def test_what_the_command_refuses(refused: Refused, tmp_path: Path) -> None:
    refused("methods", "texts", "rte", "--out", tmp_path / "x.csv", named=("x.csv", ".jsonl"))
    refused("methods", "texts", "rte", "--out", tmp_path / "no" / "x.jsonl", named=str(tmp_path / "no"))
    refused("methods", "texts", "rtee", "--out", tmp_path / "x.jsonl", named=("'rtee'", "'rte'"))
    refused("methods", "texts", "ax", "--out", tmp_path / "x.jsonl", named="'ax'")
    assert not list(tmp_path.glob("**/x.*"))


def test_what_a_study_refuses_before_it_trains(
    refused: Refused, study_options: tuple[str, ...], tmp_path: Path
) -> None:
    file, results = tmp_path / "p.jsonl", tmp_path / "results"

    def refuse(method: str, *named: str) -> None:
        options = ("--tasks", "rte", "--reference", "none", *study_options, "--results", results)
        refused("run", "--methods", method, *options, named=named)

    method = f"from-file[path={file}]"
    refuse("from-file", "from-file", "path=FILE")
    refuse(method, "p.jsonl")
    file.write_text('{"text": "nowhere", "perturbed": "x"}\n{"text": "a", "perturbed": 5}\n')
    refuse(method, "p.jsonl", "line 2", "5")
    file.write_text('{"id": "mistyped", "segment": "first", "perturbed": "x"}\n')
    refuse(method, "p.jsonl", "no row of this task: 'mistyped'")
    file.write_text('{"text": "nowhere", "perturbed": "x"}\n')
    refuse(method, method, "'rte'", "p.jsonl", "128")
    refuse(f"from-file[path={file},missing=keep]", "p.jsonl", "128")
    refuse(f"worst-of-n[{method}]", "p.jsonl", "128")
    refuse(f"from-file[path={file},missing=drop]", "'missing'", "'drop'")
    assert not results.exists()

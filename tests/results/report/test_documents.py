"""Exports for readers: which file holds what, and what is refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exported import SUITES, board_of
from matekd_bench.errors import UsageError
from matekd_bench.results.report.documents import FileOptions
from matekd_bench.results.report.export import check_path, export
from matekd_bench.results.report.markdown import escape


@pytest.fixture
def runs(make_record: Any) -> list[Any]:
    return [make_record(method, seed=seed, score=0.7) for method in ("kd", "eda") for seed in range(2)]


def write(path: Path, runs: list[Any], options: FileOptions) -> None:
    export(path, "leaderboard", runs, tasks={}, suites=SUITES, leaderboard=board_of(runs), options=options)


@pytest.mark.parametrize(
    ("name", "plot", "start"),
    [
        ("board.tex", None, b"% A table"),
        ("board.HTML", None, b"<!doctype html>"),
        ("board.md", None, b"preset test"),
        ("forest.svg", None, b"<?xml"),
        ("Figure 1.png", "cost", b"\x89PNG"),
        ("cost.PDF", "heatmap", b"%PDF"),
    ],
)
def test_the_extension_says_what_is_written(
    tmp_path: Path, runs: list[Any], name: str, plot: str | None, start: bytes
) -> None:
    path = tmp_path / name
    write(path, runs, FileOptions(plot=plot))
    assert path.read_bytes().startswith(start)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_the_name_of_the_plot_goes_before_that_of_the_file(tmp_path: Path, runs: list[Any]) -> None:
    for path, plot in ((tmp_path / "cost.svg", "heatmap"), (tmp_path / "heatmap.svg", None)):
        write(path, runs, FileOptions(plot=plot))
    assert (tmp_path / "cost.svg").read_bytes() == (tmp_path / "heatmap.svg").read_bytes()


@pytest.mark.parametrize(
    ("name", "table", "plot", "said"),
    [
        (
            "runs.tex",
            "runs",
            None,
            r"the runs to .*runs\.tex: unknown extension '\.tex'; use one of \.csv, \.json, \.md\.$",
        ),
        ("cost.png", "runs", None, r"extension '\.png'"),
        (
            "b.docx",
            "leaderboard",
            None,
            r"use one of \.csv, \.json, \.md, \.tex, \.html, \.png, \.svg, \.pdf\.$",
        ),
        ("b.png", "leaderboard", None, "use --plot cost, or name the file cost.png"),
        ("b.png", "leaderboard", "costs", "unknown plot 'costs': did you mean 'cost'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    name: str, table: str, plot: str | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        check_path(Path(name), table, plot)


@pytest.mark.parametrize(
    ("paper", "names", "said"),
    [
        (FileOptions(columns=3), "t.tex", "3"),
        (FileOptions(width=0.5), "cost.svg", "0.5"),
        (FileOptions(width=float("nan")), "cost.svg", "nan"),
        (FileOptions(columns=1), "cost.svg t.csv", "columns"),
        (FileOptions(cost=False), "t.html", "cost"),
        (FileOptions(width=3.3), "t.tex", "width"),
        (FileOptions(title=False), "t.tex", "title"),
        (FileOptions(plot="cost"), "t.html cost.csv", "plot"),
    ],
)
def test_options_that_no_file_can_use_are_refused(paper: FileOptions, names: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        paper.check([Path(name) for name in names.split()])


def test_each_file_takes_the_options_that_it_can_use(tmp_path: Path, runs: list[Any]) -> None:
    paper = FileOptions(columns=1, cost=False, width=3.3, title=False, plot="forest")
    paper.check([Path("t.TEX"), Path("cost.png"), Path("t.csv")])
    assert paper.used_by(Path("t.TEX")) == FileOptions(columns=1, cost=False)
    assert paper.used_by(Path("cost.png")) == FileOptions(width=3.3, title=False, plot="forest")
    assert paper.used_by(Path("t.csv")) == FileOptions()
    for name, plot, own in (
        ("t.tex", None, FileOptions(cost=False)),
        ("cost.svg", "cost", FileOptions(width=3.3)),
    ):
        for options in (FileOptions(), own):
            write(tmp_path / f"{options == own}-{name}", runs, replace(options, plot=plot))
        assert (tmp_path / f"True-{name}").read_bytes() != (tmp_path / f"False-{name}").read_bytes()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[click](https://evil.example)", r"[click]\(https://evil.example)"),
        ("![](https://evil.example)", r"![]\(https://evil.example)"),
        ("`code`", "&#96;code&#96;"),
        ("a|b\\|c", r"a\|b&#92;\|c"),
        ("<script>\x1b[2J\n# b", "&lt;script>�[2J # b"),
        ("eda[alpha=0.2]", "eda[alpha=0.2]"),
    ],
)
def test_markdown_shows_names_as_they_are(text: str, shown: str) -> None:
    assert escape(text) == shown

"""Frame, CSV, page, notebook and screen: the same numbers in the same order."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from matekd_bench import Leaderboard, UsageError, load_results
from matekd_bench.cli import main
from matekd_bench.results.report.cells import text

TASKS = ("sst2", "rte")  # in the order of GLUE
GAINS = {"kd": 0.0, "good": 0.9, "bad": -0.9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_study(folder, GAINS, tasks=TASKS)
    return folder


@pytest.fixture(scope="module")
def board(folder: Path) -> Leaderboard:
    return load_results(folder).leaderboard()


def scores(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """Each row's method and means, in points as tables show them."""
    return [
        (row["method"], *(text(row[f"{task}_mean"], "fraction") for task in TASKS))
        for _, row in frame.iterrows()
    ]


def shown(lines: list[str]) -> list[tuple[str, ...]]:
    """Method and means of the students' rows in the first table."""
    rows = {}
    for line in lines:
        means = re.sub(r"(?:\+/-|±) *[\d.]+|\([^)]*\)|\[[^]]*\]", " ", line)
        name = means.split()[0] if means.split() else ""
        if name in GAINS:
            rows.setdefault(name, (name, *re.findall(r"\d+\.\d", means)[:2]))
    return list(rows.values())


def page_rows(page: str) -> list[tuple[str, ...]]:
    """The same from HTML: the first table, a line per row."""
    table = page.split("<tbody>")[1].split("</tbody>")[0]
    rows = re.sub(r"<small>.*?</small>", " ", table, flags=re.DOTALL).split("</tr>")
    lines = [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in rows]
    return shown([line for line in lines if line])


def test_all_say_the_same(
    board: Leaderboard, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "200")
    frame = board.to_frame()
    expected = scores(frame[frame["method"] != "teacher"])
    assert [row[0] for row in expected] == ["kd", "good", "bad"]
    board.export(tmp_path / "board.csv")
    written = pd.read_csv(tmp_path / "board.csv")
    assert scores(written[written["method"] != "teacher"]) == expected
    assert list(written.columns) == list(frame.columns)
    board.export(tmp_path / "board.html")
    assert page_rows((tmp_path / "board.html").read_text()) == expected
    assert page_rows(board._repr_html_()) == expected
    assert main(["leaderboard", "--results", str(folder)]) == 0
    screen = capsys.readouterr().out
    assert shown(screen.rpartition("\nmethod")[2].splitlines()) == expected  # scores come last
    print(board)
    assert capsys.readouterr().out == screen
    assert repr(board) == str(board)


def test_columns_have_types(board: Leaderboard) -> None:
    frame = board.to_frame()
    types = {
        "method": "string",
        "rte_mean": "float64",
        "rank_lo": "Int64",
        "resources": "float64",
        "rte_n": "Int64",
    }
    assert {key: str(frame[key].dtype) for key in types} == types


def test_the_notebook_shows_the_tables_of_a_view(folder: Path) -> None:
    by_task = load_results(folder).leaderboard(by="task")
    assert by_task._repr_html_().count("<table") == len(TASKS)
    assert "best dev" in str(by_task)


def test_a_view_has_a_frame_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = load_results(folder)
    by_task = results.leaderboard(by="task").to_frame()
    assert [*zip(by_task["task"], by_task["method"], strict=True)] == [
        (task, method) for task in TASKS for method in ("kd", "good", "bad")
    ]
    assert by_task["xfit"].notna().all()
    monkeypatch.setattr("matekd_bench.results.leaderboard.evidence.xfit", None)  # takes half of the time
    assert "xfit" not in load_results(folder).leaderboard().to_frame()


def test_texts_cannot_leave_their_cell(tmp_path: Path, write_study: Any) -> None:
    write_study(tmp_path, {"kd": 0.0, "<script>alert(1)</script>": 0.1}, tasks=["rte"])
    assert "<script>" not in load_results(tmp_path).leaderboard()._repr_html_()


def test_a_plot_is_drawn_for_the_notebook(board: Leaderboard) -> None:
    drawing = board.plot("forest")
    assert drawing._repr_svg_().rstrip().endswith("</svg>")
    assert "<svg" not in repr(drawing)
    with pytest.raises(UsageError, match="forest"):
        board.plot("forst")


def test_an_empty_leaderboard_says_so(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    empty = load_results(tmp_path).leaderboard()
    assert "No runs are recorded." in str(empty)
    assert "No runs are recorded." in empty._repr_html_()
    assert len(empty.to_frame()) == 0

"""The numbers of docs/study.md are those of the committed records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import matekd_bench as mb

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).parents[2]
TASKS = {"CoLA": "cola", "SST-2": "sst2", "STS-B": "stsb"}


@pytest.fixture(scope="module")
def study() -> mb.Results:
    return mb.load_results(ROOT / "results" / "reference" / "minilm")


@pytest.fixture(scope="module")
def board(study: mb.Results) -> pd.DataFrame:
    return study.leaderboard().to_frame().set_index("method").drop("teacher")


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the table below a heading of the page, without its head."""
    text = (ROOT / "docs" / "study.md").read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    table = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    for line in table[2:]:
        yield [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]


def points(value: float, sign: str = "") -> str:
    return f"{100 * value:{sign}.1f}"


def compared(row: Any, prefix: str) -> list[str]:
    """Difference, interval, p and verdict of a row on a task, or over tasks without a prefix."""
    if row.role == "reference":
        return ["", "", "", ""]
    low, high, p = (row[f"{prefix}{name}"] for name in ("delta_ci_lo", "delta_ci_hi", "p_holm"))
    interval = f"{points(low, '+')} to {points(high, '+')}"
    shown = "< 0.001" if p < 0.001 else f"{p:.3f}"
    return [points(row[f"{prefix}delta"], "+"), interval, shown, row[f"{prefix}verdict"]]


@pytest.mark.parametrize("task", TASKS)
def test_the_table_of_a_task_is_the_leaderboard(board: pd.DataFrame, task: str) -> None:
    prefix = f"{TASKS[task]}_"
    assert {cells[0]: cells[1:] for cells in rows(f"What was found on {task}")} == {
        name: [
            f"{points(row[f'{prefix}mean'])} ± {points(row[f'{prefix}sd'])}",
            *compared(row, prefix),
        ]
        for name, row in board.iterrows()
    }


def test_the_table_over_tasks_is_the_leaderboard(board: pd.DataFrame) -> None:
    assert {cells[0]: cells[1:] for cells in rows("Over the three tasks")} == {
        name: [*compared(row, ""), f"{row.flops_x_reference:.1f}"] for name, row in board.iterrows()
    }


def test_what_was_found_stands_beside_what_was_predicted(study: mb.Results, board: pd.DataFrame) -> None:
    frozen = study.leaderboard(reference="frozen-generator").to_frame().set_index("method")
    found = {name: cells for name, *cells in rows("What was predicted")}
    for number, task in enumerate(TASKS.values()):
        at = 2 * number + 1
        for name, row in board.iterrows():
            if row.role != "reference":
                assert found[name][at] == points(row[f"{task}_delta"], "+"), (name, task)
        assert found["matekd minus frozen-generator"][at] == points(frozen[f"{task}_delta"]["matekd"], "+")
        runs, none = (int(board[f"{task}_{name}"]["matekd"]) for name in ("n", "n_no_adversary"))
        assert found["runs of matekd with an adversary"][at] == f"{runs - none} of {runs}"
        assert found["collapsed runs"][at] == str(int(board[f"{task}_n_collapsed"].sum()))
        widths = board[f"{task}_delta_halfwidth"].dropna()
        assert (
            found["half-widths of the intervals"][at] == f"{points(widths.min())} to {points(widths.max())}"
        )

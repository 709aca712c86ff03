"""The numbers of docs/study.md are those of the committed records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matekd_bench as mb

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "results" / "reference" / "minilm"


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the table below a heading of the page, without its head."""
    text = (ROOT / "docs" / "study.md").read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    table = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    for line in table[2:]:
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def points(value: float, sign: str = "") -> str:
    return f"{100 * value:{sign}.1f}"


def test_the_table_of_a_task_is_the_leaderboard() -> None:
    board = mb.load_results(STUDY).leaderboard().to_frame().set_index("method").drop("teacher")
    expected = []
    for name, row in board.iterrows():
        cells = [name, f"{points(row.cola_mean)} ± {points(row.cola_sd)}"]
        if row.role == "reference":
            cells += ["", "", "", ""]
        else:
            ends = [points(end, "+") for end in (row.cola_delta_ci_lo, row.cola_delta_ci_hi)]
            cells += [
                points(row.cola_delta, "+"),
                " to ".join(ends),
                f"{row.cola_p_holm:.3f}",
                row.cola_verdict,
            ]
        expected.append([*cells, f"{row.flops_x_reference:.1f}"])
    assert list(rows("What was found on CoLA")) == expected


def test_what_was_found_stands_beside_what_was_predicted() -> None:
    results = mb.load_results(STUDY)
    board = results.leaderboard().to_frame().set_index("method")
    found = {name: cell for name, _, cell in rows("What was predicted")}
    for name in ("kd@3x", "kd@15x", "random-mask", "eda", "freelb", "frozen-generator", "matekd"):
        assert found[name] == points(board.cola_delta[name], "+")
    frozen = results.leaderboard(reference="frozen-generator").to_frame().set_index("method")
    assert found["matekd` minus `frozen-generator"] == points(frozen.cola_delta["matekd"], "+")
    runs = board.cola_n["matekd"]
    adversaries = runs - board.cola_n_no_adversary["matekd"]
    assert (
        found["runs of matekd with an adversary".replace("matekd", "`matekd`")] == f"{adversaries} of {runs}"
    )
    assert found["collapsed runs"] == str(board.n_collapsed.sum())
    widths = board.cola_delta_halfwidth.dropna()
    assert found["half-widths of the intervals"] == f"{points(widths.min())} to {points(widths.max())}"

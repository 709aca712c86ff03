"""LaTeX: what stands where, names that cannot break it, and a compiler that agrees."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from exported import Study, board_of
from matekd_bench.results.report.latex import escape, to_latex
from programs import program

NASTY = "\\input{x} $a_b^c$ 100% #1 & ~ \"q\" 'p' `b` <i>|[1] é ñ ç ï ± × ↑ 漢 Ω\n\n*"


def lines_of(text: str) -> list[list[str]]:
    """The cells of every line of the tables."""
    ends = re.compile(r" \\\\(\[2pt\])?$")
    lines = [line for line in text.splitlines() if ends.search(line)]
    return [[cell.strip() for cell in ends.sub("", line).split(" & ")] for line in lines]


def test_scores_differences_and_marks_are_where_they_belong(done: Study) -> None:
    lines = lines_of(to_latex(done.board))
    [table] = done.board.tables
    rows = {row.label: row for row in table.rows}
    assert lines[0] == ["method", "sst2", "rte", "mean diff.", r"$\times$ kd"]
    assert lines[1] == ["", "", "", "to kd", "FLOPs"]
    assert {len(line) for line in lines} == {5}
    assert lines[2] == [r"\emph{teacher}", "90.0", "90.0", "", ""]
    at = next(number for number, line in enumerate(lines) if line[0].startswith("good"))
    cell = rows["good"].cells["sst2"]
    assert (
        lines[at][1]
        == rf"{100 * cell.statistics.spread.mean:.1f} $\pm$ {100 * cell.statistics.spread.sd:.1f}"
    )
    assert lines[at + 1][:2] == ["", rf"\footnotesize ($+{100 * cell.delta:.1f}$ $\uparrow$)"]
    assert (lines[at][4], lines[at][0]) == ("4.00", "good $^{*}$")
    bad = next(line for line in lines if line[0] == "bad")
    assert re.fullmatch(r"\$-[\d.]+\$ \$\\downarrow\$", bad[3])
    reference = next(line for line in lines if line[0] == r"kd {\footnotesize (reference)}")
    assert reference[3:] == ["--", "1.00"]


def test_missing_cells_and_seeds_are_marked(make_record: Any) -> None:
    records = [make_record("kd", seed=seed, score=0.7 + seed / 100) for seed in range(3)]
    records += [make_record("eda", score=None), make_record("own", "sst2", score=0.8)]
    lines = lines_of(to_latex(board_of(records)))
    at = {line[0]: number for number, line in enumerate(lines)}
    assert (lines[at["eda"]][1:3], lines[at["eda"] + 1][2]) == (["", "--"], r"\footnotesize 1 failed")
    assert (lines[at["own"]][1:3], lines[at["own"] + 1][1]) == (["80.0", ""], r"\footnotesize n=1")
    assert lines[at[r"kd {\footnotesize (reference)}"]][2] == r"71.0 $\pm$ 1.0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eda[alpha=0.2]", "eda{[}alpha=0.2{]}"),
        ("a_b & c%d #1 $x$", r"a\_b \& c\%d \#1 \$x\$"),
        ("\\{}~^", r"\textbackslash{}\{\}\textasciitilde{}\textasciicircum{}"),
        ("é ü ç ï Å", r"\'{e} \"{u} \c{c} \"{\i} \r{A}"),
        ("漢 Ω", "U+6F22 U+03A9"),
        ("two\n\nlines\\\\", r"two lines\textbackslash{}\textbackslash{}"),
        ("\x07", "U+0007"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_it_compiles(done: Study, make_record: Any, tmp_path: Path) -> None:
    compiler = program("pdflatex", package="texlive-latex-base")
    nasty = [make_record(NASTY, protocol_id="p_2%", score=0.8), make_record("kd", protocol_id="p_2%")]
    boards = (done.board, board_of(nasty))
    for name, board in zip("ab", boards, strict=True):
        (tmp_path / f"{name}.tex").write_text(to_latex(board), encoding="utf-8")
    main = r"\documentclass{article}\begin{document}\input{a}\input{b}\end{document}"
    (tmp_path / "main.tex").write_text(main)
    command = [compiler, "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "main.tex"]
    done_by = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done_by.returncode == 0, done_by.stdout[-2000:]
    assert (tmp_path / "main.pdf").stat().st_size > 1000

"""LaTeX: what stands where, names that cannot break it, and a compiler that agrees."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exported import Study, board_of
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.row_filters import select_rows_and_columns
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report.latex import to_latex
from matekd_bench.results.report.latex.cell_lines import fold
from matekd_bench.results.report.latex.escaping import escape
from matekd_bench.results.store.collection import read_folders
from programs import program
from set_study import board, write_with_sets

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
    assert lines[0] == ["method", "sst2", "rte", "mean", r"$\times$ kd"]
    assert lines[1] == ["", r"\scriptsize acc", r"\scriptsize acc", "diff.", r"\scriptsize FLOPs"]
    assert lines[2][1:] == [r"\scriptsize 100 dev", r"\scriptsize 100 dev", r"\scriptsize to kd", ""]
    assert {len(line) for line in lines} == {5}
    assert lines[3] == [r"\emph{teacher}", "90.0", "90.0", "", ""]
    at = next(number for number, line in enumerate(lines) if line[0].startswith("good"))
    cell = rows["good"].cells["sst2"]
    spread = cell.statistics.spread
    assert lines[at][1] == f"{100 * spread.mean:.1f}$_{{{100 * spread.sd:.1f}}}$"
    assert lines[at + 1][:2] == ["", rf"\scriptsize $+{100 * cell.delta:.1f}$ $\uparrow$"]
    assert (lines[at][4], lines[at][0]) == ("4.00", "good $^{*}$")
    bad = next(line for line in lines if line[0] == "bad")
    assert re.fullmatch(r"\$-[\d.]+\$ \$\\downarrow\$", bad[3])
    at = next(number for number, line in enumerate(lines) if line[0] == "kd")
    assert (lines[at + 1][0], lines[at][3:]) == (r"\scriptsize (reference)", ["--", "1.00"])


def test_the_cost_may_be_left_out(done: Study) -> None:
    with_cost, without = (lines_of(to_latex(done.board, cost=cost)) for cost in (True, False))
    assert without == [line[:-1] for line in with_cost]


def test_missing_cells_and_seeds_are_marked(make_record: Any) -> None:
    records = [make_record("kd", seed=seed, score=0.7 + seed / 100) for seed in range(3)]
    records += [make_record("eda", score=None), make_record("own", "sst2", score=0.8)]
    lines = lines_of(to_latex(board_of(records)))
    at = {line[0]: number for number, line in enumerate(lines)}
    assert (lines[at["eda"]][1:3], lines[at["eda"] + 1][2]) == (["", "--"], r"\scriptsize 1 failed")
    assert (lines[at["own"]][1:3], lines[at["own"] + 1][1]) == (["80.0", ""], r"\scriptsize n=1")
    assert lines[at["kd"]][2] == "71.0$_{1.0}$"


@pytest.mark.parametrize(("metrics", "said"), [("a", ""), ("ab", "Two metrics"), ("abc", "Several metrics")])
def test_the_caption_counts_metrics(metrics: str, said: str, make_record: Any) -> None:
    [table] = board_of([make_record()]).tables
    table = replace(table, columns=(replace(table.columns[0], metrics=tuple(metrics)),))
    assert re.findall(r"\w+ metrics", to_latex(LeaderboardTables((table,)))) == [said] * bool(said)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("matekd", ["matekd"]),
        ("eda[alpha=0.2,n_aug=16]", ["eda[alpha=0.2,", "n_aug=16]"]),
        ("x" * 50, ["x" * 24, "x" * 24, "xx"]),
        ("", [""]),
    ],
)
def test_long_names_are_broken_where_they_may_be(name: str, lines: list[str]) -> None:
    assert fold(name, 18) == lines


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


GLUE9 = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
GAINS = {"kd": 0.0, "matekd": 0.9, "eda[alpha=0.2,n_aug=16]": -0.9, "nlpaug:char-substitute": 0.1}
BOOKTABS = r"\IfFileExists{booktabs.sty}{\usepackage{booktabs}}{}"
COUNT_LINES = (
    r"\long\def\@makecaption#1#2{\setbox0\vbox{#1: #2\par\global\count1=\prevgraf}\unvbox0"
    r"\typeout{CAPTION OF \the\count1\space LINES}}"
)
PAGES = {  # two with 11 points: a column of `article`, and the two of the ACL's style
    1: r"\documentclass[11pt]{article}",
    2: r"\documentclass[11pt,twocolumn]{article}\textwidth455pt\columnsep17pt",
}


@pytest.fixture(scope="module")
def boards(
    tmp_path_factory: pytest.TempPathFactory, write_study: Any, make_record: Any
) -> dict[int, LeaderboardTables]:
    """Two, four and nine tasks with marks of every verdict, long names, and failed, collapsed and partial cells."""
    root = tmp_path_factory.mktemp("nine")
    write_study(root, GAINS, tasks=GLUE9[1:])
    partial = {"state": "partial", "state_text": "partial (train 9 of 99)"}
    store = write_study(root, GAINS, tasks=GLUE9[:1], **partial)
    for status in ("failed", "collapsed"):
        store.write(
            make_record(
                "aeda",
                "sst2",
                0 if status == "failed" else 1,
                None if status == "failed" else 0.5,
                status=status,
                reason="why",
            )
        )
    found = read_folders([root])
    return {
        count: build(
            [run for run in found.records if run.identity.task in GLUE9[:count]],
            tasks={},
            suites=(),
            evidence=Evidence(found.stores),
        )
        for count in (2, 4, 9)
    }


def compiled(folder: Path, page: str, documents: list[str]) -> str:
    """Compile the documents, each on a page of its own, and return what the compiler said."""
    compiler = program("pdflatex", package="texlive-latex-base")
    for number, text in enumerate(documents):
        (folder / f"t{number}.tex").write_text(text, encoding="utf-8")
    body = r"\clearpage ".join(rf"\input{{t{number}}}" for number in range(len(documents)))
    head = rf"{page}{BOOKTABS}\makeatletter{COUNT_LINES}\makeatother"
    (folder / "main.tex").write_text(rf"{head}\begin{{document}}{body}\end{{document}}")
    command = [compiler, "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "main.tex"]
    done_by = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done_by.returncode == 0, done_by.stdout[-2000:]
    assert (folder / "main.pdf").stat().st_size > 1000
    return done_by.stdout


@pytest.mark.parametrize("columns", PAGES)
def test_tables_fit_on_the_page(
    columns: int, boards: dict[int, LeaderboardTables], make_record: Any, tmp_path: Path
) -> None:
    part = select_rows_and_columns(boards[9], "kd,matekd", "cola,sst2,wnli", ())
    shown = [
        to_latex(board, columns, cost=cost) for board in (*boards.values(), part) for cost in (True, False)
    ]
    nasty = [make_record(name, protocol_id="p_2%", score=0.8) for name in (NASTY, "kd", "x" * 99)]
    shown += [to_latex(board_of(nasty), columns), to_latex(LeaderboardTables(()), columns)]
    log = compiled(tmp_path, PAGES[columns], shown)
    assert "Overfull" not in log
    captions = re.findall(r"CAPTION OF (\d+) ?LINES", log)
    assert len(captions) == sum(text.count(r"\caption{") for text in shown)
    assert max(map(int, captions)) <= 3


@pytest.mark.parametrize("columns", PAGES)
def test_further_sets_have_a_table_of_their_own_that_fits_too(
    columns: int, write_study: Any, tmp_path: Path
) -> None:
    tables = board(write_with_sets(tmp_path, write_study))
    text = to_latex(tables, columns)
    tasks, sets = text.split(r"\end{table}")[:2]
    assert ("claims" in tasks, "sst2" in sets) == (False, False)
    [label] = re.findall(r"\\label\{(.*)\}", tasks)
    assert rf"\label{{{label}-sets}}" in sets
    [table] = tables.tables
    eda = next(row for row in table.also.rows if row.label == "eda").cells["rte/claims"]
    interval = eda.statistics.difference.interval()
    low, high = (f"${100 * bound:+.1f}$" for bound in (interval.low, interval.high))
    lines = lines_of(sets)
    at = next(number for number, line in enumerate(lines) if line[0] == "eda")
    assert lines[at][1].startswith(f"{100 * eda.mean:.1f}")
    assert lines[at + 1][1] == rf"\scriptsize $+{100 * eda.delta:.1f}$ $\uparrow$"
    assert lines[at + 2][1] == rf"\scriptsize {{[}}{low}, {high}{{]}}"
    assert [line[1] for line in lines if line[0] in (r"\emph{teacher}", r"\emph{majority class}")] == [
        "90.0",
        "50.0",
    ]
    log = compiled(tmp_path, PAGES[columns], [text])
    assert "Overfull" not in log
    assert max(map(int, re.findall(r"CAPTION OF (\d+) ?LINES", log))) <= 3


def test_a_table_is_as_narrow_as_it_can_be(boards: dict[int, LeaderboardTables]) -> None:
    two_columns = {count: to_latex(board) for count, board in boards.items()}
    starred = {count: r"\begin{table*}" in text for count, text in two_columns.items()}
    assert starred == {2: False, 4: True, 9: True}
    assert [text.count(r"\begin{tabular}") for text in two_columns.values()] == [1, 1, 1]
    [first, second] = to_latex(boards[9], 1).split(r"\end{table}")[:2]
    assert (r"\label" in first, r"\label" in second) == (True, False)
    for name in ("matekd", r"\emph{teacher}"):
        assert (f"\n{name}" in first, f"\n{name}" in second) == (True, True)

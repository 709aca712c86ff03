"""Compute every number of a leaderboard again: `python benchmarks/recompute.py RESULTS_FOLDER`.

An independent check: numpy and scipy, no import of the project. `matekd-bench` exports the leaderboard of the folder;
this program reads records, predictions and labels itself, works from `docs/statistics.md`, and prints a line for every
kind of number with the largest deviation. Pseudo-values leave out each example, p values are integrated numerically.
The exit code is 1 if a number deviates by more than 1e-9, or by more than the rounding of a text. Over a single task
p values are compared to 0.2 %, intervals to 0.1 %: the program itself is no more exact there.
Columns that are not recomputed are named. A reference study takes a minute or two.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from recomputation import export_files
from recomputation.board import Board
from recomputation.checks import check_board, check_power, check_runs, check_same, check_screen
from recomputation.folder import Run, read
from recomputation.ledger import Ledger

REFERENCE = "kd"


def recompute(runs: Sequence[Run], exports: Path, reference: str) -> Ledger:
    """Compare the exported files with what follows from the runs."""
    ledger = Ledger()
    rows = export_files.board(exports / "leaderboard.json")
    check_same(ledger, rows, export_files.table(exports / "leaderboard.csv"))
    check_runs(ledger, runs, export_files.table(exports / "runs.csv"))
    boards = {}
    for protocol in dict.fromkeys(run.record["identity"]["protocol_id"] for run in runs):
        own = [run for run in runs if run.record["identity"]["protocol_id"] == protocol]
        boards[protocol] = Board(own, reference)
        check_board(ledger, boards[protocol], [row for row in rows if row["protocol_id"] == protocol])
    by_task = (exports / export_files.SCREEN).read_text(encoding="utf-8")
    check_screen(ledger, boards, rows, by_task)
    check_power(ledger, boards, by_task)
    return ledger


def main(arguments: list[str] | None = None) -> int:
    """Print what was compared; return 1 if something deviates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, help="a results folder")
    parser.add_argument(
        "--exports", type=Path, help="compare the files of this folder instead of writing them"
    )
    parser.add_argument(
        "--reference",
        metavar="VARIANT",
        help=f"the row that differences refer to, here and in the exports; default: {REFERENCE}, if there is one",
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        if given.exports is None:
            try:
                export_files.write(given.results, Path(scratch), given.reference or REFERENCE)
            except subprocess.CalledProcessError as refused:  # the program has said why
                return refused.returncode
        runs = read(given.results)
        rows = sorted({run.record["identity"]["variant"] for run in runs})
        if given.reference not in (None, *rows):
            parser.error(f"--reference: no row '{given.reference}'; there are {', '.join(rows) or 'none'}")
        ledger = recompute(runs, given.exports or Path(scratch), given.reference or REFERENCE)
    print("\n".join(ledger.lines()))
    return 0 if ledger.agrees else 1


if __name__ == "__main__":
    sys.exit(main())

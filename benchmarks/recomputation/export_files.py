"""The files of `matekd-bench export`, read as they are."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

FILES = ("leaderboard.csv", "leaderboard.json", "runs.csv")
SCREEN = "by-task.txt"


def write(results: Path, folder: Path, reference: str) -> None:
    """Let the program write its files with this reference, and the tables by task as wide text."""
    program = Path(sys.executable).with_name("matekd-bench")
    command = [str(program) if program.exists() else shutil.which("matekd-bench") or "matekd-bench"]
    place = ["--results", str(results)]
    boards = [str(folder / name) for name in FILES[:2]]
    compared = ["--reference", reference, *place]
    subprocess.run([*command, "export", *boards, *compared], check=True, stdout=subprocess.DEVNULL)
    runs = [str(folder / FILES[2]), "--table", "runs"]
    subprocess.run([*command, "export", *runs, *place], check=True, stdout=subprocess.DEVNULL)
    wide = {**os.environ, "COLUMNS": "1000", "PYTHONIOENCODING": "utf-8"}
    screen = subprocess.run(
        [*command, "leaderboard", "--by", "task", "--notes", *compared],
        check=True,
        stdout=subprocess.PIPE,
        env=wide,
    )
    (folder / SCREEN).write_bytes(screen.stdout)


def table(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file; an empty cell is None, and what reads as a number is one."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: typed(cell) for key, cell in row.items()} for row in csv.DictReader(file)]


def board(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON file."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def typed(cell: str) -> object:
    """A cell as a whole number, a number, text, or None."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell or None

"""The tables of `matekd-bench leaderboard --by task`, from their text: the only place of some numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

POWER = re.compile(r"^note: (\S+): (\d+) seeds can detect ([\d.]+) points(.*)\.$")
SMALLER = re.compile(r"for ([\d.]+ points?), ([^;]+)")
NUMBER = r"[+-]?\d+(?:\.\d+)?"
PROTOCOL = re.compile(r"; protocol (\S+?);")
TASK = re.compile(r"^[^(]* \(([\w#-]+)\)(?: \(.*\))?$")
NAME = re.compile(r"^(.*?)( \*)?(?: \((?:reference|baseline|ablation|unranked)\))?$")


def task_tables(text: str) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Protocol, task, method, and the cells of the row by heading; the heading `*` holds the mark."""
    protocol, task, headings = "", "", list[str]()
    for line in text.splitlines():
        if match := PROTOCOL.search(line):
            protocol = match[1]
        elif "|" in line:
            cells = [cell.strip() for cell in line.split("|")]
            if cells[0] == "method":
                headings = [
                    f"{cell} 2" if cell in cells[:place] else cell for place, cell in enumerate(cells)
                ]
            elif name := NAME.match(cells[0]):
                yield protocol, task, name[1], dict(zip(headings, cells, strict=True)) | {"*": name[2] or ""}
        elif match := TASK.match(line):
            task = match[1]


def power_notes(text: str) -> Iterator[tuple[str, str, float, int, dict[str, str]]]:
    """Protocol, task, the difference that can be found, its seeds, and what a smaller one takes."""
    protocol = ""
    for line in text.splitlines():
        if match := PROTOCOL.search(line):
            protocol = match[1]
        elif match := POWER.match(line):
            yield protocol, match[1], float(match[3]), int(match[2]), dict(SMALLER.findall(match[4]))


def numbers(cell: str) -> list[float]:
    """The numbers of a cell in its order: `7.1 to 23.9`, `15.5 +/- 3.4`, `<.001`."""
    return [float(found) for found in re.findall(NUMBER, cell.replace("<.", "<0."))]

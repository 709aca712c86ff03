"""The example notebook runs from top to bottom in a kernel of its own, with smaller budgets."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from pages import ROOT

NOTEBOOK = ROOT / "examples" / "python.ipynb"
BRIEF = f"""\
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import matekd_bench
from brief_study import BriefStudy
matekd_bench.Study = BriefStudy
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outputs of every code cell, by its source."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(BRIEF))
    folder = str(tmp_path_factory.mktemp("notebook"))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    return {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def of_cell(outputs: dict[str, Any], start: str) -> list[Any]:
    [found] = [cell for source, cell in outputs.items() if source.splitlines()[-1].startswith(start)]
    return list(found)


def shown(outputs: dict[str, Any], start: str, kind: str) -> str:
    [text] = [output["data"][kind] for output in of_cell(outputs, start) if kind in output.get("data", {})]
    return str(text)


def test_the_file_holds_no_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))
    assert all(
        not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code"
    )


def test_tables_plots_and_frames_are_shown(outputs: dict[str, Any]) -> None:
    assert shown(outputs, "study.plan()", "text/html").count("<tr>") == 3
    assert shown(outputs, "board.to_frame", "text/html").count("<tr") == 4
    assert shown(outputs, "board.plot", "image/svg+xml").rstrip().endswith("</svg>")
    assert "hesitate" in shown(outputs, "more.leaderboard", "text/html")
    assert shown(outputs, "student.predict", "text/html").count("<tr") == 3


def test_progress_is_a_line_per_run_and_phase(outputs: dict[str, Any]) -> None:
    text = "".join(
        output["text"] for output in of_cell(outputs, "results") if output["output_type"] == "stream"
    )
    runs = [line for line in text.splitlines() if line.startswith("[")]
    assert len(runs) == 2
    assert all(" after " in line for line in runs)
    assert "evaluation" not in text
    assert len(text.splitlines()) < 20

"""The one writer of CSV: formulas are defused, numbers stay numbers, and all other cells come back as written."""

from __future__ import annotations

import csv
import io

import pytest

from matekd_bench.files.csv_text import csv_text, defuse_formula
from matekd_bench.tools.predict import StudentAnswers, as_text


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1-A1", "-", "@SUM(A1)", "\tx", "\rx"])
def test_formulas_get_an_apostrophe_in_cells_and_headings(text: str) -> None:
    assert defuse_formula(text) == f"'{text}"
    [header, row] = csv.reader(io.StringIO(csv_text([text], [{text: text}]), newline=""))
    assert header == row == [f"'{text}".replace("\r", "\n")]


def test_other_values_come_back() -> None:
    row = {"a=b": 'quo"te,\nline', "text": "-1.5e-3", "number": -0.25, "count": -3, "yes": True, "none": None}
    [header, read] = csv.reader(io.StringIO(csv_text(list(row), [row]), newline=""))
    assert header == list(row)
    assert read == ['quo"te,\nline', "-1.5e-3", "-0.25", "-3", "true", ""]


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_predictions_defuse_labels_and_keep_numbers(suffix: str, delimiter: str) -> None:
    answers = StudentAnswers(("=cmd", "no"), [[1.0, -1.0]])
    rows = list(csv.reader(io.StringIO(as_text(answers, suffix)), delimiter=delimiter))
    assert rows == [["index", "prediction", "p_=cmd", "p_no"], ["0", "'=cmd", "0.880797", "0.119203"]]
    scores = StudentAnswers((), [[-0.5], [2.0]])
    assert as_text(scores, suffix).splitlines()[1:] == [f"0{delimiter}-0.5", f"1{delimiter}2"]


def test_control_characters_are_replaced() -> None:
    [header, row] = csv.reader(io.StringIO(csv_text(["a"], [{"a": "x\x1b]0;y\x07\x00z"}]), newline=""))
    assert (header, row) == (["a"], ["x�]0;y��z"])

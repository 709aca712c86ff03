"""The user's tables: own tasks and `predict --file` read the same rows, and refuse the same files in the same words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.cli import main
from matekd_bench.errors import DataError
from matekd_bench.files.user_tables import other_cells, read_lines, texts_of
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.own.own_task import OwnTask, own_task
from matekd_bench.tasks.perturbed_texts import read_perturbed_texts
from matekd_bench.tasks.sources import Hub, source_of
from matekd_bench.tasks.teacher_answers import read_teacher_answers
from synthetic import make

LONG = "good " * 40_000
HALF = json.dumps("fine \ud83d")

# A file's name and content, with the texts of its rows: the rows of both users.
SOUND: dict[str, tuple[str, str | bytes, list[str]]] = {
    "long-cell": ("x.csv", f'sentence,label\n"{LONG}",no\n', [LONG]),
    "quotes-and-breaks": ("x.csv", 'sentence,label\n"a ""b"",\nc",no\n', ['a "b",\nc']),
    "line-separator-csv": ("x.csv", "sentence,label\na\u2028b\x85c,no\n", ["a\u2028b\x85c"]),
    "line-separator-tsv": ("x.tsv", "sentence\tlabel\na\u2028b\x85c\tno\n", ["a\u2028b\x85c"]),
    "line-separator-jsonl": ("x.jsonl", '{"sentence": "a\u2028b\x85c", "label": "no"}\n', ["a\u2028b\x85c"]),
    "quote-in-tsv": ("x.tsv", 'sentence\tlabel\n"a\tno\n', ['"a']),
    "byte-order-mark": ("x.csv", b"\xef\xbb\xbfsentence,label\na,no\n", ["a"]),
    "byte-order-mark-jsonl": ("x.jsonl", b'\xef\xbb\xbf{"sentence": "a", "label": "no"}\n', ["a"]),
    "carriage-returns": ("x.csv", "sentence,label\r\na,no\r\n", ["a"]),
    "empty-lines": ("x.jsonl", '\n{"sentence": "a", "label": "no"}\n\n', ["a"]),
    "unnamed-columns": ("x.csv", "label,sentence,,\nno,a,,\n", ["a"]),
    "upper-case-extension": ("x.CSV", "sentence,label\na,no\n", ["a"]),
    "whole-pair-of-surrogates": ("x.jsonl", '{"sentence": "\\ud83d\\ude00", "label": "no"}\n', ["\U0001f600"]),
    "empty-cells-at-the-end": ("x.csv", "label,sentence,\nno,a,\n,,\n", ["a"]),
    "carriage-returns-alone": ("x.csv", "sentence,label\ra,no\rb,no\r", ["a", "b"]),
    "half-elsewhere": ("x.jsonl", f'{{"sentence": "a", "label": "no", "note": {HALF}}}\n', ["a"]),
}  # fmt: skip
# A file's name and content, with what the refusal has to name.
ODD: dict[str, tuple[str, str | bytes, tuple[str, ...]]] = {
    "unclosed-quote": ("x.csv", 'sentence,label\na,no\n"b,no\nc,no\n', ("line 3",)),
    "text-after-quote": ("x.csv", 'sentence,label\n"a"b,no\n', ("line 2",)),
    "two-columns-of-one-name": ("x.csv", "sentence,sentence,label\na,b,no\n", ("'sentence'",)),
    "two-columns-of-one-name-tsv": ("x.tsv", "sentence\tsentence\tlabel\na\tb\tno\n", ("'sentence'",)),
    "row-too-short": ("x.csv", "label,sentence\nno\n", ("line 2", "1", "2")),
    "row-too-long": ("x.tsv", "sentence\tlabel\na\tno\t1\n", ("line 2", "3", "2")),
    "no-such-column": ("x.csv", "sentense,label\na,no\n", ("'sentence'", "'sentense'")),
    "no-such-key": ("x.jsonl", '{"sentense": "a", "label": "no"}\n', ("'sentence'", "'sentense'")),
    "key-missing-later": ("x.jsonl", '{"sentence": "a", "label": "no"}\n{"label": "no"}\n', ("line 2", "'sentence'")),
    "null-text": ("x.jsonl", '{"sentence": null, "label": "no"}\n', ("line 1", "'sentence'", "null")),
    "number-for-text": ("x.jsonl", '{"sentence": 3, "label": "no"}\n', ("line 1", "'sentence'", "3")),
    "list-for-text": ("x.jsonl", '{"sentence": ["a"], "label": "no"}\n', ("line 1", "'sentence'", '["a"]')),
    "half-a-character": ("x.jsonl", f'{{"sentence": {HALF}, "label": "no"}}\n', ("line 1", r"\ud83d")),
    "not-json": ("x.jsonl", '{"sentence": "a", "label": "no"}\n\n{"sentence"\n', ("line 3",)),
    "deep-json": ("x.jsonl", "[" * 100_000, ("line 1",)),
    "not-an-object": ("x.jsonl", "[1]\n", ("line 1",)),
    "no-header": ("x.csv", "", ("x.csv",)),
    "no-rows": ("x.csv", "sentence,label\n", ("x.csv",)),
    "no-rows-tsv": ("x.tsv", "sentence\tlabel\n", ("x.tsv",)),
    "no-rows-jsonl": ("x.jsonl", "\n", ("x.jsonl",)),
    **{
        f"not-utf-8-{end}": (f"x.{end}", b"sentence\n\xe9t\xe9\n", ("line 2", "iconv"))
        for end in ("csv", "tsv", "jsonl")
    },
    "semicolons": ("x.csv", "sentence;label\na;no\n", ("'sentence'", "semicolons")),
    "nul-byte": ("x.csv", "sentence,label\na,no\n\0,no\n", ("line 3", "NUL")),
    "utf-16": ("x.csv", "sentence,label\na,no\n".encode("utf-16"), ("line 1", "--encoding utf-16")),
    "latin-1": ("x.csv", b"sentence,label\n\xe9\x81,no\n", ("line 2", "--encoding latin-1")),
    "extension": ("x.xls", "sentence,label\na,no\n", (".csv", ".tsv", ".jsonl")),
}  # fmt: skip


def written(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def read_by_own_task(file: Path) -> list[tuple[str, ...]]:
    """The texts of a task whose dev split is this file."""
    task = OwnTask(
        name="mine", kind="classification", texts=("sentence",), label="label", labels=("no", "yes"),
        train=file.name, dev=file.name,
    )  # fmt: skip
    made = own_task(task, file.parent)
    return list(source_of(made, Hub()).read(made, "dev").texts)


def refused_by_predict(file: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says about the file: of a run that kept no student, so a sound file ends in that error."""
    store = ResultsStore(file.parent / "results")
    run = store.write(make("kd", "sst2", labels=["negative", "positive"]))
    assert main(["predict", run.run_id, "--results", str(store.root), "--file", str(file)]) == 2
    return capsys.readouterr().err.removeprefix("error: ").removesuffix("\n")


@pytest.mark.parametrize("case", SOUND)
def test_both_read_the_same_texts(case: str, tmp_path: Path) -> None:
    name, content, texts = SOUND[case]
    file = written(tmp_path, name, content)
    assert (
        read_by_own_task(file)
        == texts_of(read_lines(file), ["sentence"], file)
        == [(text,) for text in texts]
    )


def test_other_cells_come_as_they_are_written(tmp_path: Path) -> None:
    file = written(tmp_path, "x.csv", "id,sentence,,note\n007,a,,\n8,b,,=1\n")
    cells = other_cells(read_lines(file), ["sentence"], file)
    assert cells == [{"id": "007", "note": ""}, {"id": "8", "note": "=1"}]
    file = written(tmp_path, "x.jsonl", '{"sentence": "a", "id": [1, NaN]}\n{"sentence": "b", "at": 0.1}\n')
    assert other_cells(read_lines(file), ["sentence"], file) == [{"id": [1, None]}, {"at": 0.1}]
    file = written(tmp_path, "y.jsonl", '{"sentence": "a"}\n{"sentence": "b", "id": {"x": "\\ud83d"}}\n')
    with pytest.raises(DataError, match=r"line 2: 'id'.*ud83d"):
        other_cells(read_lines(file), ["sentence"], file)


def test_predict_reads_a_sound_file_before_it_looks_for_the_student(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--keep" in refused_by_predict(written(tmp_path, "x.csv", "sentence\na\n"), capsys)


@pytest.mark.parametrize("case", ODD)
def test_both_refuse_the_same_files_in_the_same_line(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, content, named = ODD[case]
    file = written(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        read_by_own_task(file)
    refusal = refused_by_predict(file, capsys)
    assert refusal.replace(f"{file.parent}/", "") == str(caught.value).replace(f"{file.parent}/", "")
    assert [part for part in (*named, "x.") if part not in refusal] == []
    assert "\n" not in refusal


@pytest.mark.parametrize("case", ["utf-16", "latin-1", "not-utf-8-csv", "nul-byte"])
@pytest.mark.parametrize("read", [read_perturbed_texts, read_teacher_answers])
def test_a_reader_without_the_option_advises_only_utf_8(case: str, read: Any, tmp_path: Path) -> None:
    name, content, named = ODD[case]
    with pytest.raises(DataError, match=named[0]) as caught:
        read(written(tmp_path, name, content))
    assert "UTF-8" in str(caught.value)
    assert "encoding" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.csv", "folder.csv"])
def test_what_is_no_file_is_refused_by_both(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=name) as caught:
        read_by_own_task(tmp_path / name)
    assert refused_by_predict(tmp_path / name, capsys) == str(caught.value)

"""Files of perturbed texts: what is written is read again, and every fault is named with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.perturbed_texts import read_perturbed_texts, texts_to_perturb
from matekd_bench.tasks.segments import chosen_segments

PAIRS = {"a": ("one", "two"), "b": ("one", "three"), "c": ("four", "two")}
SINGLE = {"a": ("one",), "b": ("two",)}


def write(folder: Path, *lines: object, name: str = "p.jsonl") -> str:
    """A file with these lines, as JSON unless they are text; its path."""
    file = folder / name
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return str(file)


def test_a_single_text_is_always_chosen():
    assert [list(chosen_segments(2, which)) for which in ("both", "first", "second")] == [[0, 1], [0], [1]]
    assert {tuple(chosen_segments(1, which)) for which in ("both", "first", "second")} == {(0,)}


def test_each_distinct_text_is_written_once():
    texts = [line["text"] for line in texts_to_perturb(PAIRS, "both", by_id=False)]
    assert texts == ["one", "two", "three", "four"]
    assert [line["text"] for line in texts_to_perturb(PAIRS, "second", by_id=False)] == ["two", "three"]


def test_by_id_each_segment_of_each_row_is_written():
    lines = list(texts_to_perturb(PAIRS, "both", by_id=True))
    assert len(lines) == 6
    assert lines[3] == {"id": "b", "segment": "second", "text": "three"}


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("rows", [PAIRS, SINGLE])
def test_the_way_there_and_back(rows, by_id, tmp_path):
    lines = texts_to_perturb(rows, "both", by_id=by_id)
    texts = read_perturbed_texts(
        write(tmp_path, *({**line, "perturbed": line["text"].upper()} for line in lines))
    )
    found = {
        uid: tuple(texts.of(uid, index, text)[0] for index, text in enumerate(row))
        for uid, row in rows.items()
    }
    assert found == {uid: tuple(text.upper() for text in row) for uid, row in rows.items()}
    coverage = texts.coverage(rows, "both")
    assert (coverage.total, coverage.missing, coverage.unused) == (coverage.found, None, 0)


def test_versions_of_one_text_add_up_and_a_row_comes_before_its_text(tmp_path):
    texts = read_perturbed_texts(
        write(
            tmp_path,
            {"text": "one", "perturbed": ["1", "I"]},
            {"text": "one", "perturbed": "uno"},
            {"id": "b", "segment": "first", "text": "one", "perturbed": "eins"},
        )
    )
    assert texts.of("a", 0, "one") == ["1", "I", "uno"]
    assert texts.of("b", 0, "one") == ["eins"]
    assert texts.of("b", 1, "three") == []


def test_coverage_counts_the_chosen_texts(tmp_path):
    texts = read_perturbed_texts(
        write(
            tmp_path,
            *({"text": text, "perturbed": "x"} for text in ("one", "two", "other")),
            {"id": "z", "perturbed": "x"},
            *({"text": "three", "perturbed": nothing} for nothing in (None, "", " ", [])),
        )
    )
    both, second = texts.coverage(PAIRS, "both"), texts.coverage(PAIRS, "second")
    assert (both.total, both.found, both.unused) == (6, 4, 2)
    assert "'b'" in both.missing
    assert '"three"' in both.missing
    assert (second.total, second.found) == (3, 2)


def test_costs_of_all_headers_add_up(tmp_path):
    line = {"text": "one", "perturbed": "x"}
    headers = [
        {"header": {"cost": {"tokens": 5, "USD": 0.25}, "note": "by hand"}},
        {"header": {"cost": {"tokens": 2}}},
    ]
    texts = read_perturbed_texts(write(tmp_path, headers[0], line, headers[1]))
    assert texts.cost == {"tokens": 7, "USD": 0.25}
    assert texts.of("a", 0, "one") == ["x"]


def test_a_table_of_commas_is_read_as_well(tmp_path):
    rows = ("id,segment,text,perturbed,model", ',,"one, two",x,m', "b,second,,y,m", "b,second,,z,m")
    texts = read_perturbed_texts(write(tmp_path, *rows, name="p.csv"))
    assert texts.of("a", 0, "one, two") == ["x"]
    assert texts.of("b", 1, "three") == ["y", "z"]
    assert texts.cost == {}


def test_a_file_that_changes_is_read_again_under_another_name(tmp_path):
    first = read_perturbed_texts(write(tmp_path, {"text": "one", "perturbed": "x"}))
    second = read_perturbed_texts(write(tmp_path, {"text": "one", "perturbed": "y"}))
    assert (first.of("a", 0, "one"), second.of("a", 0, "one")) == (["x"], ["y"])
    assert first.name != second.name
    assert first.name.startswith("p.jsonl (sha256 ")


FINE = {"text": "one", "perturbed": "x"}
FAULTS = {
    "no-perturbed": ([{"text": "one", "pertrubed": "x"}], ("'perturbed'", "'pertrubed'")),
    "text-mistyped": ([{"txet": "one", "perturbed": "x"}], ("'id'", "did you mean 'txet'?", "perturbed")),
    "neither": ([FINE, {"perturbed": "x"}], ("line 2", "'id'", "'text'")),
    "segment": ([FINE, {"id": "a", "segment": "secnod", "perturbed": "x"}], ("line 2", "'secnod'", "'second'")),
    "number": ([FINE, {"text": "one", "perturbed": 3}], ("line 2", "'perturbed'", "3")),
    "number-in-list": ([FINE, {"text": "one", "perturbed": ["x", 3]}], ("line 2", "'perturbed'", "3")),
    "blank-in-list": ([FINE, {"text": "one", "perturbed": ["x", ""]}], ("line 2", "'perturbed'", '""')),
    "half-a-character": ([FINE, {"text": "one", "perturbed": "\ud83d"}], ("line 2", "'perturbed'", "ud83d")),
    "id-is-a-number": ([FINE, {"id": 7, "perturbed": "x"}], ("line 2", "'id'", "7")),
    "text-is-a-list": ([FINE, {"text": ["one"], "perturbed": "x"}], ("line 2", "'text'", "one")),
    "two-texts-of-a-row": (
        [{"id": "a", "segment": "first", "text": text, "perturbed": "x"} for text in ("one", "two")],
        ("line 2", "'a'", "line 1"),
    ),
    "two-texts-in-later-lines": (
        [{"id": "a", "perturbed": "x"}, *({"id": "a", "text": text, "perturbed": "x"} for text in ("one", "two"))],
        ("line 3", "'a'", "line 2"),
    ),
    "cost-below-0": ([FINE, {"header": {"cost": {"USD": -1}}}], ("line 2", "USD")),
    "cost-is-text": ([FINE, {"header": {"cost": {"USD": "3"}}}], ("line 2", "USD")),
    "header-key": ([FINE, {"header": {"costs": {"USD": 1}}}], ("line 2", "'costs'", "'cost'")),
    "header-is-text": ([FINE, {"header": "3 USD"}], ("line 2", "header")),
    "only-a-header": ([{"header": {}}], ("'perturbed'",)),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line(fault, tmp_path):
    lines, named = FAULTS[fault]
    with pytest.raises(DataError) as raised:
        read_perturbed_texts(write(tmp_path, *lines))
    assert "\n" not in str(raised.value)
    assert [part for part in ("p.jsonl", *named) if part not in str(raised.value)] == []


ROW_FAULTS = {
    "no-segment": (PAIRS, {"id": "b", "perturbed": "x"}, ("line 1", "'b'", "segment")),
    "no-second": (SINGLE, {"id": "b", "segment": "second", "perturbed": "x"}, ("line 1", "'b'", "'second'")),
    "other-text": (SINGLE, {"id": "b", "text": "TWO", "perturbed": "x"}, ("line 1", "'b'", '"two"', '"TWO"')),
    "other-text-in-a-later-line": (
        SINGLE,
        [{"id": "b", "perturbed": "x"}, {"id": "b", "text": "TWO", "perturbed": "y"}],
        ("line 2", "'b'", '"two"', '"TWO"'),
    ),
    "no-segment-in-a-later-line": (
        PAIRS,
        [{"id": "b", "segment": "first", "perturbed": "x"}, {"id": "b", "perturbed": "y"}],
        ("line 2", "'b'", "segment"),
    ),
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_line_that_does_not_fit_its_row_is_refused(fault, tmp_path):
    rows, lines, named = ROW_FAULTS[fault]
    texts = read_perturbed_texts(write(tmp_path, *(lines if isinstance(lines, list) else [lines])))
    with pytest.raises(DataError) as raised:
        texts.coverage(rows, "both")
    assert [part for part in ("p.jsonl", *named) if part not in str(raised.value)] == []


def test_a_mistyped_name_in_the_header_of_a_table_is_in_line_1(tmp_path):
    with pytest.raises(
        DataError, match=r"line 1 .*p\.csv': did you mean 'txet'\? available: perturbed, txet"
    ):
        read_perturbed_texts(write(tmp_path, "txet,perturbed", "one,x", name="p.csv"))


def test_ids_that_match_no_row_are_named(tmp_path):
    lines = [{"id": f"{at}x", "segment": "first", "perturbed": "x"} for at in range(5)]
    texts = read_perturbed_texts(write(tmp_path, *lines, {"text": "nowhere", "perturbed": "x"}))
    assert texts.coverage(PAIRS, "both").unknown_ids == "'0x', '1x', '2x' and 2 more"


def test_files_that_are_none(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("absent.jsonl", "folder.jsonl", "p.txt"):
        if name == "p.txt":
            write(tmp_path, FINE, name=name)
        with pytest.raises(DataError, match=name):
            read_perturbed_texts(str(tmp_path / name))

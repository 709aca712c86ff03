"""``methods preview`` and ``methods check`` as they are typed: on a screen, as JSON, as a page, and as exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from browser import WIDTHS, Page, violations
from matekd_bench import __version__
from matekd_bench.cli import main
from matekd_bench.cli.ui.preview_page import page
from matekd_bench.cli.ui.preview_text import changes, diagnostics
from matekd_bench.testing import CONTRACT_VERSION, names
from matekd_bench.tools.preview_examples import MethodPreview, Preview, PreviewExample, PreviewVersion

BROKEN = """
from matekd_bench import Method, TextPerturbation, hookimpl

class First(TextPerturbation):
    def perturb(self, text, rng):
        return text.split()[0]

@hookimpl
def matekd_bench_methods():
    yield Method(name="first", summary="the first word", factory=First, level="text", version="1")
"""
DIAGNOSTICS = {"changed": 0.25, "teacher_flip_rate": None}
EXAMPLE = PreviewExample(
    uid="rte-1", texts=("a <b> c", "d e"), label="yes", teacher=(0.9, 0.1), student=(0.5, 0.5),
    versions=(
        PreviewVersion(texts=("a x c", "d e"), shift=None, teacher=(0.8, 0.2), student=(0.4, 0.6)),
        PreviewVersion(texts=None, shift=0.02, teacher=None, student=(0.3, 0.7)),
    ),
)  # fmt: skip
FOUND = Preview("rte", ("yes", "no"), 64, 0, (MethodPreview("m", "text", (EXAMPLE,), DIAGNOSTICS),))


@pytest.fixture
def options(tiny_checkpoint: Path, tmp_path: Path) -> list[str]:
    """Mini-RTE with tiny networks."""
    config = tmp_path / "tiny.toml"
    config.write_text('preset = "mini"\n[teacher]\nbudget = { limit = 4 }\n', encoding="utf-8")
    models = ["--teacher", str(tiny_checkpoint), "--student", "layers:2", "--generator", "layers:2"]
    return ["--task", "rte", "--config", str(config), "--device", "cpu", *models]


class Tags(HTMLParser):
    """The text inside each tag of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.open.remove(tag)

    def handle_data(self, data: str) -> None:
        self.found.setdefault(self.open[-1] if self.open else "", []).append(data.strip())


def test_a_preview_is_shown_side_by_side(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["methods", "preview", "random-mask,freelb", "--n", "1", *options]) == 0
    out = capsys.readouterr().out
    said = (
        "random-mask on mini-rte",
        "{+",
        "[-",
        "[MASK]",
        "3: embeddings moved by",
    )  # no terminal, so no colors
    assert [part for part in said if part not in out] == []
    header = next(line for line in out.splitlines() if line.startswith("method "))
    assert header.split()[1] == "changed"


def test_a_preview_is_json_for_scripts(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "preview", "aeda,kd", "--n", "2", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    aeda, kd = found["methods"]
    assert (found["task"], aeda["method"], kd["level"]) == ("mini-rte", "aeda", "none")
    assert len(aeda["examples"]) == 2
    assert kd["examples"][0]["versions"] == []
    assert 0 < aeda["diagnostics"]["changed"] < 1


def test_a_page_marks_what_changed_and_escapes_the_data() -> None:
    tags = Tags()
    text = page(FOUND)
    tags.feed(text)
    assert tags.open == []
    assert (tags.found["del"], tags.found["ins"]) == (["<b>"], ["x"])
    assert "<b>" not in text.split("</style>")[1]
    assert "embeddings moved by 2.0%" in tags.found["span"]
    assert "0.90 0.10 -> 0.80 0.20" in tags.found["td"]


@pytest.mark.parametrize("dark", [False, True])
def test_a_page_is_read_on_any_screen(dark: bool, tmp_path: Path) -> None:
    file = tmp_path / "preview.html"
    file.write_text(page(FOUND), encoding="utf-8")
    shown = Page(tmp_path / "profile", dark=dark)
    try:
        shown.open(file)
        paper = shown.js("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") is not dark
        for width in WIDTHS:
            shown.resize(width)
            assert violations(shown) == []
            assert shown.js("document.documentElement.scrollWidth <= innerWidth")
        assert shown.errors == []
    finally:
        shown.close()


def test_a_page_is_written(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "preview.html"
    assert main(["methods", "preview", "aeda", "--n", "1", "--html", str(file), *options]) == 0
    assert capsys.readouterr().out == f"wrote {file}\n"
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_what_does_not_apply_is_a_dash() -> None:
    header, rows = diagnostics(FOUND)
    assert header == ("method", "changed", "teacher flip rate")
    assert rows == [("m", "0.25", "-")]


def test_segments_are_compared_one_by_one() -> None:
    assert changes(("a b", "c"), ("a x", "c")) == [
        *[("same", "a"), ("removed", "b"), ("added", "x")],
        *[("same", "|"), ("same", "c")],
    ]
    assert changes(("a b",), ("a", "b")) == [("same", "a b")]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["preview", "edda"], ("'edda'", "'eda'")),
        (["preview", "eda", "--task", "rta"], ("'rta'", "'rte'")),
        (["preview", "eda", "--n", "0"], ("--n", "'0'")),
        (["check", "edda"], ("'edda'", "'eda'")),
        (["check", "eda", "--only", "rowz"], ("'rowz'", "'rows'")),
        (["check", "none.py"], ("none.py'",)),
    ],
    ids=str,
)
def test_bad_input_is_one_line(
    arguments: list[str], named: tuple[str, ...], refused: Callable[..., str]
) -> None:
    refused("methods", *arguments, named=named)


def test_a_failed_check_is_reported_with_its_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "first.py"
    file.write_text(BROKEN, encoding="utf-8")
    assert main(["methods", "check", str(file), "--only", "weights,awkward-text"]) == 1
    starts = (
        "first",
        "passed   weights: ",
        "failed   awkward-text: On the text ''",
        "      -> ",
        "first: 1 passed, 1 failed, 0 skipped",
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == list(starts)
    assert "IndexError" in lines[2]


def test_variants_and_lists_are_checked_and_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["methods", "check", "aeda,worst-of-n[aeda,n=2]", "--only", "rows,vocabularies", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    aeda, worst = found["methods"].values()
    assert (list(found["methods"]), found["contract"]) == (["aeda", "worst-of-n[aeda,n=2]"], CONTRACT_VERSION)
    assert [(result["check"], result["state"], result["fix"]) for result in aeda["checks"]] == [
        ("rows", "passed", ""),
        ("vocabularies", "passed", ""),
    ]
    assert (aeda["passed"], aeda["failed"], worst["skipped"]) == (["rows", "vocabularies"], [], [])
    assert (aeda["provided_by"]["distribution"], aeda["provided_by"]["version"]) == (
        "matekd-bench",
        __version__,
    )


PRINTING = """
from matekd_bench import TextPerturbation, hookimpl

class Printing(TextPerturbation):
    name, version = "printing", "1"

    def __init__(self, params, context):
        super().__init__(params, context)
        print("made")
        {ending}

    def perturb(self, text, rng):
        return text + " !"

@hookimpl
def matekd_bench_methods():
    yield Printing
"""


def test_what_a_plugin_prints_is_not_among_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "printing.py"
    file.write_text(PRINTING.format(ending=""), encoding="utf-8")
    assert main(["methods", "check", str(file), "--only", "labels", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["methods"]["printing"]["passed"] == ["labels"]
    assert "made" in captured.err


def test_a_method_that_cannot_be_made_is_reported_once_with_a_line_for_its_readme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "printing.py"
    file.write_text(PRINTING.format(ending="raise SystemExit('no lexicon')"), encoding="utf-8")
    assert main(["methods", "check", str(file)]) == 1
    out = capsys.readouterr().out
    assert out.count("no lexicon") == 2  # what happened, and the line of source
    assert re.search(r"printing\.py, line 10\b", out)
    last = out.splitlines()[-1]
    assert last.endswith(
        f"contract {CONTRACT_VERSION}: 0 passed, 1 failed, {len(names()) - 1} skipped (matekd-bench {__version__})"
    )


def test_a_file_without_methods_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    file = tmp_path / "nothing.py"
    file.write_text(
        "from matekd_bench import hookimpl\n@hookimpl\ndef matekd_bench_methods():\n    return []\n"
    )
    refused("methods", "check", file, named="nothing.py")

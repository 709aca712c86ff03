"""What is printed: everything that must be said, nothing that must not, within the width."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import cells, sentences
from matekd_bench.results.report.cells import bounds, interval, mean_and_spread
from matekd_bench.results.report.markdown import to_markdown
from matekd_bench.results.report.result_sentence import result
from matekd_bench.results.report.sentences import failures
from matekd_bench.results.report.sheets import View
from matekd_bench.results.report.text import ascii_only, render
from matekd_bench.results.store.collection import read_folders
from matekd_bench.tasks.task import Suite

SUITES = (Suite("glue", ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")),)


points, difference = partial(cells.text, unit="fraction"), partial(cells.text, unit="difference")


def shown(records: Sequence[Record], width: int = 80, terminal: bool = False) -> str:
    return printed(build(records, tasks={}, suites=SUITES), width=width, terminal=terminal)


def study(make_record: Any, seeds: int = 3, tasks: tuple[str, ...] = ("cola", "mrpc", "stsb", "rte")) -> Any:
    return [
        make_record(method, task, seed, base + seed / 100)
        for method, base in (
            ("kd", 0.7),
            ("finetune", 0.65),
            ("eda[alpha=0.2]", 0.72),
            ("nlpaug:swap", 0.69),
        )
        for task in tasks
        for seed in range(seeds)
    ]


def test_the_table_says_what_it_must(make_record: Any) -> None:
    text = shown(study(make_record))
    for said in (
        "eda[alpha=0.2]",
        "(reference)",
        "teacher",
        "90.0",
        "majority class",
        "71.0 +/- 1.0",
        "(+2.0)",
        "3 seeds; differences are not tested.",
        "difference to kd on common seeds",
        "mean diff.",
        "rte: official; 100 dev; accuracy; 300 student updates; glue-dir",
        "Official, informative data for only 4 of GLUE's 8 tasks: there is no GLUE score.",
        "x kd",
        "300",
    ):
        assert said in text or said in " ".join(text.split()), said


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_line_is_wider_than_the_console(make_record: Any, width: int, terminal: bool) -> None:
    every = SUITES[0].tasks
    text = shown(study(make_record, tasks=every), width, terminal)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(map(len, lines)) <= width
    for task in every:
        assert any(re.search(rf"\b{task}\b", line) for line in lines)
    assert "…" not in text
    assert text.count("74.0") + text.count("73.0") >= len(every)  # eda's mean in each task's column


def test_room_is_used(make_record: Any) -> None:
    records = study(make_record)
    assert "73.0 +/- 1.0 (+2.0)" in shown(records, 200)
    assert "73.0 +/- 1.0 (+2.0)" not in shown(records, 80)
    assert len(shown(records, 200).splitlines()) < len(shown(records, 80).splitlines())


def test_names_are_folded_only_where_the_width_asks_for_it(make_record: Any) -> None:
    name = "worst-of-n[eda,n=8,alpha=0.25]"
    records = [make_record(method, task) for method in (name, "kd") for task in ("rte", "mrpc", "cola")]
    assert name in shown(records, 200)
    narrow = shown(records, 60)
    assert [part in narrow for part in (name, f"{name[:28]} |", f"\n{name[28:]} ")] == [False, True, True]


def test_plain_output_is_ascii(make_record: Any) -> None:
    records = [*study(make_record), make_record("kd", "rte", 9, id="org/lehrer-ü")]
    assert shown(records).isascii()
    assert "±" in shown(records, terminal=True)
    assert ascii_only("70.1 ± 2 × ü") == "70.1 +/- 2 x \\xfc"


@pytest.mark.parametrize(("seeds", "counted"), [(1, "1 seed"), (2, "2 seeds")])
def test_few_seeds_promise_nothing(make_record: Any, seeds: int, counted: str) -> None:
    text = shown(study(make_record, seeds=seeds))
    assert f"{counted}: no interval, no verdict." in text
    assert ("+/-" in text) == (seeds > 1)


def test_what_protocols_differ_in_is_named(make_record: Any) -> None:
    other = make_record("eda", protocol_id="p2", hparams={"lr": 1e-4, "batch_size": 32}, precision="bf16")
    text = shown([make_record(), other])
    for said in ("protocol p1", "protocol p2", "Tables have different protocols and are not compared."):
        assert said in text
    assert "different: hparams.lr: 5e-05 (p1), 0.0001 (p2)." in text
    assert 'different: precision: "fp32" (p1), "bf16" (p2).' in text
    unknown = shown([make_record(), make_record(protocol_id="p2")])
    assert "different: a setting that records do not contain" in unknown


@pytest.fixture(scope="module")
def claimed(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> LeaderboardTables:
    """A leaderboard with something to claim."""
    gains = {"kd": 0.0, "kd@2x": 0.1, "good": 0.7, "bad": -0.7, "same": 0.0}
    found = read_folders([write_study(tmp_path_factory.mktemp("s"), gains, budgets={"kd@2x": 600}).root])
    return build(found.records, tasks={}, suites=SUITES, evidence=Evidence(found.stores))


def test_a_mark_stays_beside_its_name(tmp_path: Path, write_study: Any) -> None:
    name = "matekd[generator_lr=5e-05]"
    found = read_folders([write_study(tmp_path, {"kd": 0.0, name: 0.7}).root])
    leaderboard = build(found.records, tasks={}, suites=SUITES, evidence=Evidence(found.stores))
    for width in (80, 150):
        assert f"\n{name} * |" in printed(leaderboard, width=width)
    assert "prob. improve" in printed(leaderboard, width=170)


def printed(
    leaderboard: LeaderboardTables,
    view: View = "overall",
    width: int = 80,
    terminal: bool = False,
    *,
    with_notes: bool = True,
    **console_options: Any,
) -> str:
    file = io.StringIO()
    options = {"no_color": True, "legacy_windows": False, "height": 100, **console_options}
    console = Console(file=file, width=width, force_terminal=terminal, **options)
    render(leaderboard, console, view, with_notes=with_notes)
    return file.getvalue()


def test_scores_come_last_and_notes_are_counted_unless_asked_for(claimed: LeaderboardTables) -> None:
    [table] = claimed.tables
    short, whole = (printed(claimed, width=1000, with_notes=asked) for asked in (False, True))
    listed = sentences.notes(table)
    assert [note for note in listed if note in short or note not in whole] == []
    assert f"{len(listed)} notes: " in short
    headings = [line for line in short.splitlines() if line.startswith("method ")]
    assert "verdict" in headings[0]
    assert "rte acc" in headings[-1]
    assert short.index("verdict") < short.index(result(table)) < short.index("rte acc")


GREEN, RED, DIM, BOLD = "32", "31", "2", "1"


def styled(text: str, words: str) -> set[str]:
    """The styles, as ANSI codes, in which the words are printed."""
    return {
        code for codes in re.findall(rf"\x1b\[([\d;]*)m{re.escape(words)}", text) for code in codes.split(";")
    }


def test_verdicts_and_the_best_of_a_column_have_styles(
    claimed: LeaderboardTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    [table] = claimed.tables
    cells = {row.label: row.cells["rte"] for row in table.rows}
    words = {
        GREEN: f"({difference(cells['good'].delta)} ↑)",
        RED: f"({difference(cells['bad'].delta)} ↓)",
        DIM: f"({difference(cells['same'].delta)})",
        BOLD: mean_and_spread(cells["good"]),
    }
    color = printed(claimed, width=1000, terminal=True, no_color=None, color_system="standard")
    assert {code: styled(color, said) for code, said in words.items()} == {code: {code} for code in words}
    monkeypatch.setenv("NO_COLOR", "1")
    plain = printed(claimed, width=1000, terminal=True, no_color=None)
    assert [styled(plain, words[code]) for code in (GREEN, RED)] == [set(), set()]
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in printed(claimed, terminal=True, no_color=None)
    assert "\x1b" not in printed(claimed, no_color=None)


def test_claims_are_said_with_what_they_rest_on(claimed: LeaderboardTables) -> None:
    text = printed(claimed, width=200)
    (table,) = claimed.tables
    good = next(row for row in table.rows if row.label == "good")
    [line] = [line for line in text.splitlines() if line.startswith("good *") and "better" in line]
    found = [cell.strip() for cell in line.split("|")]
    assert found[1] == f"{difference(good.delta)} ^"
    assert found[2] == interval(*bounds(good.overall.difference), "difference")
    assert found[4:7] == ["better", "1", f"{difference(good.overall.matched.difference.delta)} to kd"]
    assert found[-1] == f"{good.overall.seed_correlation:+.2f}"
    assert f"({difference(good.cells['rte'].delta)} ^)" in text
    for said in (
        "with Holm's correction over 3 methods x 2 tasks",
        "^ better, v worse, no mark: inconclusive, which does not mean equal.",
        "* no row is significantly better.",
        "note: rte: 3 seeds can detect ",
        "budget",
    ):
        assert said in " ".join(text.split()), said
    assert "↑" in printed(claimed, terminal=True)


@pytest.mark.parametrize("view", ["overall", "task", "cost", "diagnostics"])
@pytest.mark.parametrize("width", [80, 200])
def test_every_view_fits(claimed: LeaderboardTables, view: View, width: int) -> None:
    text = printed(claimed, view, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for label in ("kd@2x", "good", "bad"):
        assert label in text


def test_each_view_has_its_numbers(claimed: LeaderboardTables) -> None:
    (table,) = claimed.tables
    good = next(row for row in table.rows if row.label == "good")
    cell = good.cells["rte"]
    by_task = printed(claimed, "task", 200)
    spread = cell.statistics.spread
    of_mean = interval(spread.interval.low, spread.interval.high)
    for said in (points(cell.xfit), points(cell.best_dev), of_mean):
        assert said in by_task
    diagnostics = printed(claimed, "diagnostics")
    assert "changed_tokens" in diagnostics
    assert re.search(r"good \*\s*\|\s*0\.1\s*$", diagnostics, re.MULTILINE)
    cost = printed(claimed, "cost", 200)
    [line] = [line for line in cost.splitlines() if line.startswith("kd@2x")]
    assert [cell.strip() for cell in line.split("|")][1:3] == ["600", "600"]
    [header] = [line for line in cost.splitlines() if line.startswith("method")]
    at = [cell.strip() for cell in header.split("|")].index("x kd FLOPs")
    assert line.split("|")[at].strip() == "2.00"
    assert "peak GB" not in header  # no run knows it


def test_failures_come_with_reason_and_command(make_record: Any) -> None:
    records = [
        make_record("eda", seed=1, score=None),
        make_record("eda", seed=2, score=0.5, status="diverged", reason="loss is NaN at update 3"),
        make_record("kd"),
    ]
    lines = list(failures(records))
    assert lines[0].startswith("failed: eda on rte, seed 1: RuntimeError: out of memory (")
    assert lines[1].startswith("diverged: eda on rte, seed 2: loss is NaN at update 3 (")
    assert lines[2:4] == [
        "To retry failed runs (finished runs are kept):",
        "  matekd-bench run",
    ]
    assert list(failures(records[2:])) == ["No run failed, diverged or collapsed."]


def test_partial_data_and_notices_are_said(make_record: Any) -> None:
    record = make_record(
        "kd",
        "mnli",
        state="partial",
        state_text="partial (train 12988 of 392702, dev-mismatched absent)",
        notices=["no mismatched dev set"],
    )
    text = " ".join(shown([record]).split())
    said = (
        "mnli: partial (train 12988 of 392702, dev-mismatched absent)",
        "note: mnli: no mismatched dev set",
    )
    assert [part for part in said if part not in text] == []


def test_markdown_is_a_table(make_record: Any) -> None:
    records = [*study(make_record), make_record("a|b", id="org/<b>")]
    lines = to_markdown(build(records, tasks={}, suites=SUITES)).splitlines()
    scores = list(takewhile(lambda line: line.startswith("|"), lines[4:]))
    assert scores[0].startswith("| method | cola acc | mrpc acc | stsb acc | rte acc |")
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in scores}) == 1
    assert "| eda[alpha=0.2] | 73.0 ± 1.0 (+2.0) |" in "\n".join(scores)
    assert any("a\\|b" in line for line in scores)
    assert not any("<b>" in line for line in lines)


def test_points() -> None:
    assert [points(value) for value in (0.12345, -0.00001, None)] == ["12.3", "0.0", "-"]
    assert difference(-0.0001) == "+0.0"

"""What a page lists to cite: each source once, with its arXiv number and address, escaped."""

from __future__ import annotations

from pathlib import Path

from exported import Study
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report.html.bibtex import SUITE, to_bibtex

ROOT = Path(__file__).parents[4]


def test_sources_have_one_entry_each(done: Study) -> None:
    methods = {
        "good": "A & B 2020,\n arXiv:2001.01234, https://example.org/x.",
        "bad": "A & B, arXiv:2001.01234",
    }
    methods |= {"same": "Another.", "kd": "Another.", "unused": "Unused."}
    text = to_bibtex(done.board, methods, {"rte": "Dagan."})
    assert [line for line in text.splitlines() if line.startswith("@")] == [
        f"@misc{{{name}," for name in ("matekd-bench", "bad", "good", "kd", "task-rte")
    ]
    assert r"note = {A \& B 2020, arXiv:2001.01234, https://example.org/x.}" in text
    assert text.count("eprint = {2001.01234}") == 2
    assert "url = {https://example.org/x}" in text
    assert "Unused" not in text
    assert text.count("{") == text.count("}")


def test_the_suite_is_cited_as_its_citation_file_says() -> None:
    said = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"title: {SUITE['title'].strip('{}')}\n" in said
    assert f"name: {SUITE['author'].strip('{}')}\n" in said
    assert to_bibtex(LeaderboardTables(()), {}, {}).count("@") == 1

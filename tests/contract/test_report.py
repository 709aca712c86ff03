"""The line for a README and the documentation follow the contract."""

from __future__ import annotations

import re
from pathlib import Path

from matekd_bench import __version__
from matekd_bench.contract.report import summary
from matekd_bench.testing import CONTRACT_VERSION, CheckResult, names

PAGE = (Path(__file__).parents[2] / "docs" / "check-a-method.md").read_text(encoding="utf-8")


def test_the_documented_line_is_the_one_that_is_printed():
    results = [CheckResult(name, "", "passed") for name in names()]
    assert f"drop-words: {summary(results)}\n" in PAGE
    assert (str(CONTRACT_VERSION) in summary(results), __version__ in summary(results)) == (True, True)


def test_every_check_is_documented_in_the_order_in_which_it_runs():
    table = PAGE.partition("| check | passes if |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == names()

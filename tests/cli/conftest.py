"""What the tests of the command line share: a command that is refused in one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from matekd_bench.cli import main


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must end with exit code 2 and one line on stderr, which names all of `named`; that line."""

    def refuse(*command: object, named: str | tuple[str, ...] = ()) -> str:
        capsys.readouterr()
        code, printed = main([str(word) for word in command]), capsys.readouterr()
        lines = [line for line in printed.err.splitlines() if not line.startswith("warning: ")]
        assert (code, printed.out, len(lines)) == (2, "", 1), printed.err
        assert lines[0].startswith("error: ")
        assert [
            part for part in ((named,) if isinstance(named, str) else named) if part not in lines[0]
        ] == [], lines
        return lines[0]

    return refuse

"""The command line from outside: exit codes, one-line errors, and what start-up may import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main

HEAVY = ("torch", "transformers", "datasets", "evaluate", "pandas", "nltk", "nlpaug", "scipy", "sklearn")
PROBE = """
import sys
from matekd_bench.cli import main
code = main(sys.argv[1:])
print("IMPORTED", code, *[name for name in {heavy!r} if name in sys.modules])
print("COMMANDS", *[name for name in sys.modules if name.startswith("matekd_bench.cli.commands.")])
"""
PLUGIN = '''
from pydantic import Field
from matekd_bench import Method, Params, TextPerturbation, hookimpl

class ShoutParams(Params):
    share: float = Field(default=0.5, ge=0, le=1)
    """Share of words in capitals."""

class Shout(TextPerturbation[ShoutParams]):
    def perturb(self, text, rng):
        return " ".join(w.upper() if rng.random() < self.params.share else w for w in text.split())

@hookimpl
def matekd_bench_methods():
    yield Method(name="shout", summary="words in capitals", params=ShoutParams, factory=Shout,
                 level="text", version="1", citation="nobody")
'''


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    file = tmp_path / "shout.py"
    file.write_text(PLUGIN)
    return str(file)


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["run", "--help"],
        ["--version"],
        ["methods"],
        ["tasks"],
        ["plugins"],
        ["doctor", "--help"],
        ["prepare", "--help"],
    ],
)
def test_start_up_imports_no_heavy_library(command: list[str]) -> None:
    probe = PROBE.format(heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", probe, *command], capture_output=True, text=True, check=True)
    imported, commands = done.stdout.splitlines()[-2:]
    assert imported == "IMPORTED 0"
    assert commands == "COMMANDS" or command != ["--help"]


def test_python_dash_m_passes_the_exit_code_on() -> None:
    command = [sys.executable, "-m", "matekd_bench", "methods", "--no-such-option"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'--no-such-option'" in done.stderr


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["rum"], ("'rum'", "'run'", "'matekd-bench --help'")),
        (["run", "--methods", "kd", "--tasks", "rte", "--seeds", "x"], ("--seeds", "'x'")),
        (["methods", "show"], ("'NAME'",)),
        (["methods", "show", "ead"], ("'ead'", "'eda'")),
        (["methods", "show", "shuot", "--plugin", "{folder}/shout.py"], ("'shuot'", "'shout'")),
        (["methods", "--plugin", "no-such-file.py"], ("no-such-file.py'",)),
        (["methods", "--plugin", "{folder}/file"], ("{folder}/file ",)),
        (["doctor", "--plugin", "{folder}/none.py"], ("'{folder}/none.py': No such file",)),
        (["tasks", "show", "rtee"], ("'rtee'", "'rte'")),
        (["prepare", "--preset", "minilmm"], ("'minilmm'", "'minilm'")),
        (["prepare", "--preset", "minilm", "--tasks", "rtee"], ("'rtee'", "'rte'")),
        (["prepare", "--preset", "minilm", "--methods", "ead"], ("'ead'", "'eda'")),
        (["prepare", "--config", "{folder}"], ("'{folder}': Is a directory",)),
        (["leaderboard", "--results", "no-such-folder"], ("'no-such-folder'", "'matekd-bench run'")),
        (["leaderboard", "--results", "{folder}/file"], ("'{folder}/file'",)),
        (["leaderboard", "--jsn"], ("'--jsn'", "'--json'")),
        (["export"], ("'FILE...'",)),
        (["export", "table.xlsx"], ("'.xlsx'", ".csv, .json, .md, .tex, .html, .png, .svg, .pdf")),
        (["export", "table"], (".csv, .json, .md",)),
        (["export", "table.csv", "--table", "rusn"], ("'rusn'", "'runs'")),
        (["export", "{folder}/t.csv", "--results", "{folder}/none"], ("'{folder}/none'",)),
        (
            ["export", "{folder}/none/t.csv", "--results", "{folder}"],
            ("'{folder}/none/t.csv': No such file",),
        ),
        (
            ["export", "{folder}/file/t.csv", "--results", "{folder}"],
            ("'{folder}/file/t.csv': Not a directory",),
        ),
        (["cache", "clear", "--older-than", "soon"], ("--older-than", "'soon'", "30d")),
        (["cache", "clean"], ("'clean'",)),
        (["merge", "a", "b"], ("--output",)),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    command: list[str], named: tuple[str, ...], tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "file").write_text("not python")
    words, parts = ([word.format(folder=tmp_path) for word in words] for words in (command, named))
    refused(*words, named=tuple(parts))


def test_an_interrupt_is_one_line_and_exit_code_130(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "slow.py"
    file.write_text("import signal; signal.raise_signal(signal.SIGINT)")
    assert main(["methods", "--plugin", str(file)]) == 130
    assert capsys.readouterr().err.startswith("interrupted; ")
    file.write_text("raise KeyboardInterrupt")  # not the user's: the plugin is at fault
    assert main(["methods", "--plugin", str(file)]) == 2
    assert "KeyboardInterrupt" in capsys.readouterr().err


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "leaderboard" in capsys.readouterr().out


def test_methods_lists_a_plugin_file(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--plugin", plugin]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("shout")]
    assert row.split() == ["shout", "text", "words", "in", "capitals"]


def test_methods_show_describes_parameters(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "show", "shout", "--plugin", plugin]) == 0
    printed = capsys.readouterr().out
    for part in (
        "share",
        "float",
        "0.5",
        ">= 0, <= 1",
        "Share of words in capitals.",
        "nobody",
        "shout[share=0.5]",
    ):
        assert part in printed


def test_json_is_all_that_stdout_holds(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json", "--plugin", plugin]) == 0
    methods = {method["name"]: method for method in json.loads(capsys.readouterr().out)}
    assert methods["shout"]["parameters"][0]["bounds"] == ">= 0, <= 1"
    assert methods["shout"]["provided_by"]["path"] == str(Path(plugin).resolve())
    for command in (["tasks", "--json"], ["plugins", "--json"], ["methods", "show", "shout", "--json"]):
        extra = [] if command[0] == "tasks" else ["--plugin", plugin]
        assert main([*command, *extra]) == 0
        json.loads(capsys.readouterr().out)


def test_a_name_claimed_twice_is_listed_as_a_conflict(
    plugin: str, tmp_path: Path, refused: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    second = tmp_path / "louder.py"
    second.write_text(PLUGIN)
    both = ["--plugin", plugin, "--plugin", str(second)]
    assert main(["methods", *both]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("shout")]
    assert "conflict" in row
    refused("methods", "show", "shout", *both, named=("shout.py", "louder.py"))


def test_plugins_names_source_and_status(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--plugin", plugin, "--no-plugins"]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("shout")]
    assert plugin in row
    assert row.endswith("ok      method shout")


def test_an_empty_results_folder_has_an_empty_leaderboard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", "--results", str(tmp_path)]) == 0
    assert "No runs are recorded." in capsys.readouterr().out


@pytest.mark.parametrize(("set_to", "seen"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_asleep_unless_the_user_says_otherwise(set_to, seen):
    surroundings = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = (
        "import os, sys; from matekd_bench.cli import main; assert main(['--version']) == 0; "
        "assert 'torch' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env=surroundings | ({"OMP_WAIT_POLICY": set_to} if set_to else {}),
    )  # fmt: skip
    assert done.stdout.split()[-1] == seen

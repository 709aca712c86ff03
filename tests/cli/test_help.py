"""Help, examples, shell completion, and the page of the manual that is made from them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.cli import completion, main
from matekd_bench.cli.app import COMMANDS as ENTRIES
from matekd_bench.cli.app import application, load_command
from matekd_bench.cli.reference_page import commands, manual, plain

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
COMMANDS = dict(commands(application(), "matekd-bench"))
EXAMPLES = [
    shlex.split(line)
    for command in COMMANDS.values()
    for line in plain(command.epilog or "").splitlines()
    if line.strip().startswith("matekd-bench ")
]


@pytest.mark.parametrize("path", COMMANDS)
def test_help_is_readable_at_80_columns(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*path.split()[1:], "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    at = lines.index(next(line for line in lines if line.strip() == "Examples"))
    examples = [line.strip() for line in lines[at + 1 :] if line.strip()]
    assert examples  # each on a line of its own, brackets and all
    assert examples == [line.strip() for line in plain(COMMANDS[path].epilog).splitlines()[1:]]


@pytest.mark.parametrize("path", COMMANDS)
def test_help_shows_kinds_of_values_without_types_of_python(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main([*path.split()[1:], "--help"]) == 0
    help_text = capsys.readouterr().out
    assert (
        re.findall(r"<[\w\[\], |.]+>|\b(?:list|tuple)\[\w|\b(?:str|bool|int|float|Path)\b", help_text) == []
    )
    usage = next(line for line in help_text.splitlines() if line.strip().startswith("Usage:"))
    arguments = [item.metavar for item in COMMANDS[path].params if item.param_type_name == "argument"]
    assert re.findall(r"[{}]", usage) == []
    assert usage.split()[-len(arguments) :] == arguments if arguments else True


@pytest.mark.parametrize("name", ENTRIES)
def test_the_list_of_commands_says_what_the_command_itself_says(name: str) -> None:
    first_paragraph = load_command(name).help.split("\n\n")[0]
    assert ENTRIES[name].summary == " ".join(first_paragraph.split())


@pytest.mark.parametrize("example", EXAMPLES, ids=shlex.join)
def test_examples_use_commands_and_options_that_exist(example: list[str]) -> None:
    command: Any = application()
    words = example[1:]
    while getattr(command, "commands", None) and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    assert command is not application()
    command.make_context("tested", [word for word in words if word != "--help"])


def test_the_page_of_the_manual_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == manual(), (
        "python -m matekd_bench.cli.reference_page > docs/cli.md"
    )


def test_the_manual_names_every_command_and_option() -> None:
    text = manual()
    for path, command in COMMANDS.items():
        section = text.split(f"\n## {path}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            for name in parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]:
                assert f"`{name}".replace("|", r"\|") in section
    said = (
        "| `--budget KIND=N` | ",
        "At least 1.",
        "environment variable `GLUE_DIR`",
        r"`--eval-on dev\|holdout`",
    )
    assert [part for part in said if part not in text] == []


def test_the_manual_is_printed_by_its_module() -> None:
    command = [sys.executable, "-m", "matekd_bench.cli.reference_page"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == manual()


def test_names_are_completed_with_a_word_about_them() -> None:
    assert ("matekd", "") < completion.methods("mat")[0] < ("matekd~", "")
    assert [name for name, _ in completion.method("ed")] == ["eda"]
    assert [name for name, _ in completion.task("mr")] == ["mrpc"]
    assert {"glue", "rte"} <= {name for name, _ in completion.tasks("")}
    assert [name for name, _ in completion.presets("paper")] == ["paper-bert", "paper-roberta"]
    assert all(about for _, about in [*completion.methods(""), *completion.presets("")])
    assert [name for name, _ in completion.budgets("student")] == ["student_updates="]


def test_runs_are_completed_wherever_one_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "rte-kd-0-abc"
    run.mkdir(parents=True)
    (run / "record.json").write_text("{}")
    monkeypatch.setenv("_MATEKD_BENCH_COMPLETE", "complete_bash")
    for command in ("predict", "reproduce", "compare"):
        words = f"matekd-bench {command} --results {tmp_path} rte"
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        with pytest.raises(SystemExit):
            main([])
        assert capsys.readouterr().out.split() == [run.name]


def test_lists_are_completed_at_their_last_name() -> None:
    assert [name for name, _ in completion.methods("kd,ed")] == ["kd,eda"]
    assert [name for name, _ in completion.tasks("rte,r")] == []
    assert "kd,kd" not in [name for name, _ in completion.methods("kd,")]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("matekd-bench run --methods kd,ed", ["kd,eda"]),
        ("matekd-bench methods texts rte,mrp", ["rte,mrpc"]),
        ("matekd-bench methods te", ["texts"]),
        ("matekd-bench tasks rows rte,mrp", ["rte,mrpc"]),
    ],
)
def test_the_shell_is_answered_without_loading_torch(words: str, completed: list[str]) -> None:
    probe = (
        "import sys, atexit\nfrom matekd_bench.cli import main\n"
        "atexit.register(lambda: print('TORCH', 'torch' in sys.modules))\nmain([])"
    )
    at = str(len(words.split()) - 1)
    asked = {"_MATEKD_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": at}
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, env={**os.environ, **asked}
    )
    assert done.stdout.split() == [*completed, "TORCH", "False"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_for_a_shell(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    application.cache_clear()  # whether a shell is found or named is settled when the commands are made
    try:
        with pytest.raises(SystemExit) as end:
            main(["--show-completion", shell])
    finally:
        application.cache_clear()
    assert end.value.code == 0
    assert f"_MATEKD_BENCH_COMPLETE=complete_{shell}" in capsys.readouterr().out

"""The command-line reference as Markdown: ``python -m matekd_bench.cli.reference_page > docs/cli.md``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

HEAD = """\
# Command line

Generated from the program by `python -m matekd_bench.cli.reference_page > docs/cli.md`. `matekd-bench COMMAND --help`
shows the same text. Options can be in any order. If an option is repeated, the last one counts, unless the table says
that it may be repeated. Results go to stdout, everything else to stderr.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | runs failed, or `doctor` found something broken |
| 2 | bad input; one line on stderr names the problem and the remedy |
| 130, 143 | interrupted, or stopped by a signal; finished runs are kept, and the current one is saved |
"""


def manual() -> str:
    """Return the whole page: every command with its usage, options by panel, and examples."""
    from matekd_bench.cli.app import application

    sections = [_section(command, path) for path, command in commands(application(), "matekd-bench")]
    return "\n".join([HEAD, *sections])


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, parents before children, in the order of ``--help``."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}")


def _section(command: Any, path: str) -> str:
    """Return a command's heading, usage, description, options and examples."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = [path, *(parameter.metavar for parameter in arguments), *(["[OPTIONS]"] if options else [])]
    if getattr(command, "commands", {}):
        usage.append("[COMMAND]")
    parts = [f"## {path}", f"```text\n{' '.join(usage)}\n```", plain(command.help or "")]
    if arguments:
        parts.append(_table("argument", arguments))
    for panel in dict.fromkeys(getattr(option, "rich_help_panel", None) for option in options):
        panel_options = [option for option in options if getattr(option, "rich_help_panel", None) == panel]
        parts.append(_table(panel.lower() if panel else "option", panel_options))
    if command.epilog:
        examples = [line.strip() for line in plain(command.epilog).splitlines()[1:]]
        parts.append("```sh\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(title: str, parameters: list[Any]) -> str:
    rows = [f"| {_name(parameter)} | {_meaning(parameter)} |" for parameter in parameters]
    return "\n".join([f"| {title} | meaning |", "|---|---|", *rows])


def _name(parameter: Any) -> str:
    """Return every spelling of an argument or option in code font, with its metavar."""
    if parameter.param_type_name == "argument":
        return f"`{_escape_pipes(parameter.metavar)}`"
    value = "" if parameter.is_flag else f" {parameter.metavar}"
    return ", ".join(f"`{_escape_pipes(name + value)}`" for name in parameter.opts)


def _meaning(parameter: Any) -> str:
    """Return the help text, then lower bound, default, environment variable and repeatability."""
    parts = [_escape_pipes(plain(parameter.help or ""))]
    if parameter.min is not None:
        parts.append(f"At least {parameter.min}.")
    if parameter.default not in (None, False) and parameter.param_type_name == "option":
        parts.append(f"Default: `{parameter.default}`.")
    if parameter.envvar:
        parts.append(f"Default: the environment variable `{parameter.envvar}`.")
    if parameter.multiple:
        parts.append("May be repeated.")
    return " ".join(part for part in parts if part)


def plain(text: str) -> str:
    """Remove rich's markup from a help text."""
    return re.sub(r"(?<!\\)\[/?bold\]", "", text).replace(r"\[", "[").strip()


def _escape_pipes(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    sys.stdout.write(manual())

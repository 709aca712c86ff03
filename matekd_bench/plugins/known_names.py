"""Other spellings of the names of methods and tasks, and the records of all tasks and suites."""

from __future__ import annotations

import re

from matekd_bench.methods.grammar import renamed
from matekd_bench.plugins.host import Host
from matekd_bench.tasks.task import Suite, Task


def known_methods(text: str, host: Host) -> str:
    """Return a list of methods, as in ``--methods``, with spellings such as `MATE-KD` replaced by the records' names.

    Names that no record has stay as they are.
    """
    return renamed(text, lambda name: host.known_name("method", name, host.methods))


def known_tasks(text: str, host: Host) -> str:
    """Return a list of tasks and suites, as in ``--tasks``, with spellings such as `SST-2` replaced likewise."""
    names = [*host.tasks, *host.suites]
    return re.sub(r"[^,\s](?:[^,]*[^,\s])?", lambda name: host.known_name("task", name[0], names), text)


def tasks_and_suites(host: Host) -> tuple[dict[str, Task], list[Suite]]:
    """Return the installed tasks by name, and the suites sorted by name, without their providers."""
    tasks = {name: provided.record for name, provided in host.tasks.items()}
    return tasks, [host.suites[name].record for name in sorted(host.suites)]

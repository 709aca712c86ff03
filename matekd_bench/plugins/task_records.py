"""The records of all tasks and suites, for code that does not ask who provides them."""

from __future__ import annotations

from matekd_bench.plugins.host import Host
from matekd_bench.tasks.task import Suite, Task


def tasks_and_suites(host: Host) -> tuple[dict[str, Task], list[Suite]]:
    """Return the installed tasks by name and the suites in order of their names, without their providers."""
    tasks = {name: provided.record for name, provided in host.tasks.items()}
    return tasks, [host.suites[name].record for name in sorted(host.suites)]

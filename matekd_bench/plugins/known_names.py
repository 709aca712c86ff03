"""Names of methods and tasks as people write them, replaced by the names of their records."""

from __future__ import annotations

import re

from matekd_bench.methods.grammar import renamed
from matekd_bench.plugins.host import Host


def known_methods(text: str, host: Host) -> str:
    """Return a list of methods, as in ``--methods``, with names such as `MATE-KD` replaced by those of the records.

    Names that no record has are left as they are.
    """
    return renamed(text, lambda name: host.known_name("method", name, host.methods))


def known_tasks(text: str, host: Host) -> str:
    """Return a list of tasks and suites, as in ``--tasks``, with names such as `SST-2` replaced likewise."""
    names = [*host.tasks, *host.suites]
    return re.sub(r"[^,\s](?:[^,]*[^,\s])?", lambda name: host.known_name("task", name[0], names), text)

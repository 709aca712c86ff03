"""Sorts records by name, finds names that several plugins claim, and understands names as people write them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from matekd_bench.errors import PluginError
from matekd_bench.methods.grammar import renamed
from matekd_bench.plugins.provided import AnyRecord, Provided, kind_of

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

Claims: TypeAlias = tuple[Provided[AnyRecord], ...]
R = TypeVar("R", bound=AnyRecord)


def split_conflicts(
    provided: Sequence[Provided[AnyRecord]],
) -> tuple[list[Provided[AnyRecord]], dict[tuple[str, str], Claims]]:
    """Return the records with a unique name, and the claims on every other name, keyed by kind and name."""
    claims: defaultdict[tuple[str, str], list[Provided[AnyRecord]]] = defaultdict(list)
    for claim in provided:
        claims[kind_of(claim.record), claim.record.name].append(claim)
    unique = [first for first, *others in claims.values() if not others]
    return unique, {key: tuple(rivals) for key, rivals in claims.items() if len(rivals) > 1}


def records_of_type(provided: Sequence[Provided[AnyRecord]], kind: type[R]) -> dict[str, Provided[R]]:
    """Return the records of one kind by name."""
    return {
        entry.record.name: Provided(entry.record, entry.by)
        for entry in provided
        if isinstance(entry.record, kind)
    }


def known_methods(text: str, host: Host) -> str:
    """Return a list of methods, as in ``--methods``, with names such as `MATE-KD` replaced by those of the records.

    Names that no record has are left as they are.
    """
    return renamed(text, lambda name: host.known_name("method", name, host.methods))


def known_tasks(text: str, host: Host) -> str:
    """Return a list of tasks and suites, as in ``--tasks``, with names such as `SST-2` replaced likewise."""
    names = [*host.tasks, *host.suites]
    return re.sub(r"[^,\s](?:[^,]*[^,\s])?", lambda name: host.known_name("task", name[0], names), text)


def conflict_error(kind: str, name: str, claims: Sequence[Provided[AnyRecord]]) -> PluginError:
    """Return the error for a name that several plugins claim; it names all of them."""
    return PluginError(
        f"the {kind} name '{name}' is claimed by {' and by '.join(str(claim.by) for claim in claims)}:",
        hint="uninstall or rename one, or leave other packages out with --no-plugins.",
    )

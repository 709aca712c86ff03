"""Names: records whose name is theirs alone, and names that several plugins claim."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from matekd_bench.errors import PluginError
from matekd_bench.plugins.provided import AnyRecord, Provided, kind_of

Claims: TypeAlias = tuple[Provided[AnyRecord], ...]
R = TypeVar("R", bound=AnyRecord)


def by_name(
    provided: Sequence[Provided[AnyRecord]],
) -> tuple[list[Provided[AnyRecord]], dict[tuple[str, str], Claims]]:
    """Records whose name is theirs alone, and the claims on every other, keyed by kind and name."""
    claims: defaultdict[tuple[str, str], list[Provided[AnyRecord]]] = defaultdict(list)
    for one in provided:
        claims[kind_of(one.record), one.record.name].append(one)
    unique = [single for single, *others in claims.values() if not others]
    return unique, {key: tuple(several) for key, several in claims.items() if len(several) > 1}


def of_type(provided: Sequence[Provided[AnyRecord]], kind: type[R]) -> dict[str, Provided[R]]:
    """The records of one kind by name."""
    return {one.record.name: Provided(one.record, one.by) for one in provided if isinstance(one.record, kind)}


def conflict(kind: str, name: str, claims: Sequence[Provided[AnyRecord]]) -> PluginError:
    """The error for a name that several plugins claim; it names them all."""
    return PluginError(
        f"the {kind} name '{name}' is claimed by {' and by '.join(str(claim.by) for claim in claims)}:",
        hint="uninstall or rename one, or leave other packages out with --no-plugins.",
    )

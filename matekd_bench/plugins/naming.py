"""Sorts records by name and finds names that several plugins claim."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias, TypeVar, cast

from matekd_bench.errors import PluginError
from matekd_bench.plugins.provided import AnyRecord, Provided, kind_of

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
        entry.record.name: cast(Provided[R], entry) for entry in provided if isinstance(entry.record, kind)
    }


def conflict_error(kind: str, name: str, claims: Sequence[Provided[AnyRecord]]) -> PluginError:
    """Return the error for a name that several plugins claim; it names all of them."""
    return PluginError(
        f"the {kind} name '{name}' is claimed by {' and by '.join(str(claim.by) for claim in claims)}:",
        hint="uninstall or rename one, or leave other packages out with --no-plugins.",
    )

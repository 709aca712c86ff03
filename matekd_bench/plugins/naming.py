"""Sorts records by name, and finds names that several plugins claim."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

from matekd_bench.errors import PluginError
from matekd_bench.methods.method import Method
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


def methods_of_file(
    file: Path, methods: Mapping[str, Provided[Method]], conflicts: Mapping[tuple[str, str], Claims]
) -> list[Method]:
    """Return the methods of a plugin's file; raise PluginError if it has none or the name of one is taken."""
    path = str(file.resolve())
    for (kind, name), claims in conflicts.items():
        if kind == "method" and any(claim.by.path == path for claim in claims):
            raise conflict_error(kind, name, claims)
    records = [provided.record for provided in methods.values() if provided.by.path == path]
    if not records:
        raise PluginError(f"the file '{file}' provides no method: implement matekd_bench_methods() in it.")
    return records


def conflict_error(kind: str, name: str, claims: Sequence[Provided[AnyRecord]]) -> PluginError:
    """Return the error for a name that several plugins claim; it names all of them."""
    built_in = [claim.by for claim in claims if claim.by.built_in]
    others = [claim.by for claim in claims if not claim.by.built_in]
    if built_in and others:  # a built-in name stays: the others must change theirs
        return PluginError(
            f"the {kind} name '{name}' of {' and of '.join(map(str, others))} is taken by a {kind} of {built_in[0]}:",
            hint="give yours a different name.",
        )
    if len({claim.by for claim in claims}) == 1:
        return PluginError(
            f"{claims[0].by} provides the {kind} '{name}' {len(claims)} times:", hint="rename one."
        )
    return PluginError(
        f"the {kind} name '{name}' is claimed by {' and by '.join(str(claim.by) for claim in claims)}:",
        hint="uninstall or rename one, or exclude the plugins of other packages with --no-plugins.",
    )

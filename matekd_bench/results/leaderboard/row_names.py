"""Names the rows of a leaderboard as the users of its studies typed their methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from matekd_bench.methods.typed_names import PresetParams, TypedName, typed_name, typed_names
from matekd_bench.results.records.run_record import Record


def row_names(
    runs: Iterable[Record], preset_params: Callable[[Record], PresetParams] | None
) -> dict[str, TypedName]:
    """Return the names of the variants of `runs`; `preset_params` says what the preset of a run's study set."""
    first: dict[str, Record] = {}
    for run in sorted(runs, key=lambda run: run.run_id):
        first.setdefault(run.identity.variant, run)
    return typed_names(
        typed_name(
            run.identity.method,
            variant,
            preset_params(run) if preset_params and "[" in variant else {},
        )
        for variant, run in sorted(first.items())
    )

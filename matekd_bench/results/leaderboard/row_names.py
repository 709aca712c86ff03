"""Names methods as the user of a study typed them: without the parameters that its preset set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from matekd_bench.errors import UsageError
from matekd_bench.methods.grammar import MethodRef, Value, parse, value_text
from matekd_bench.results.records.run_record import Record

PresetParams: TypeAlias = Mapping[str, str]  # METHOD.PARAMETER -> value, those that a preset set


@dataclass(frozen=True)
class RowName:
    """The names of one row: its method, its variant, and the variant as the user typed it.

    `from_preset` lists the parameters that the preset set, such as ``matekd.generator_lr=5e-05``.
    """

    method: str
    variant: str
    typed: str
    from_preset: tuple[str, ...] = ()

    def is_called(self, name: str) -> bool:
        """Return True if `name` means this row, alone or among other variants of its method."""
        return name in (self.variant, self.typed, self.method)


def row_names(
    runs: Iterable[Record], preset_params: Callable[[Record], PresetParams] | None
) -> dict[str, RowName]:
    """Return the names of the variants of `runs`; `preset_params` returns the parameters that a run's preset set.

    Variants that would be typed alike, as in studies with several presets, keep their full names.
    """
    first: dict[str, Record] = {}
    for run in sorted(runs, key=lambda run: run.run_id):
        first.setdefault(run.identity.variant, run)
    names = [_row_name(run, preset_params) for _, run in sorted(first.items())]
    typed = [name.typed for name in names]
    return {
        name.variant: name
        if typed.count(name.typed) == 1
        else RowName(name.method, name.variant, name.variant)
        for name in names
    }


def variants_called(name: str, names: Iterable[RowName]) -> list[str]:
    """Return the variants that `name` means: the variant itself, else one typed so, else all of a method."""
    known = list(names)
    for kind in ("variant", "typed", "method"):
        if variants := sorted({row.variant for row in known if getattr(row, kind) == name}):
            return variants
    return []


def _row_name(run: Record, preset_params: Callable[[Record], PresetParams] | None) -> RowName:
    method, variant = run.identity.method, run.identity.variant
    plain = RowName(method, variant, variant)
    if preset_params is None or "[" not in variant:
        return plain
    try:
        [ref] = parse(variant)
    except (UsageError, ValueError):  # a record's text need not be in the grammar, or be one method
        return plain
    typed, from_preset = _without(ref, preset_params(run))
    return RowName(method, variant, str(typed), from_preset) if from_preset else plain


def _without(ref: MethodRef, preset: PresetParams) -> tuple[MethodRef, tuple[str, ...]]:
    """Return the method, and the one that it wraps, without the parameters that the preset set, and a list of them."""
    left_out = [
        (key, value) for key, value in ref.params if _is_equal(value, preset.get(f"{ref.name}.{key}"))
    ]
    inner, of_inner = _without(ref.inner, preset) if ref.inner else (None, ())
    kept = tuple(param for param in ref.params if param not in left_out)
    listed = tuple(f"{ref.name}.{key}={value_text(value)}" for key, value in left_out)
    return replace(ref, params=kept, inner=inner), (*listed, *of_inner)


def _is_equal(value: Value, text: str | None) -> bool:
    """Return True if a parameter has the value that a preset writes as `text`, such as 5e-05 and ``5e-5``."""
    if text is None or isinstance(value, MethodRef):
        return False
    try:
        return value == text or float(value) == float(text)
    except ValueError:
        return False

"""Names methods as the user of a study typed them: without the parameters that its preset set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from matekd_bench.errors import UsageError
from matekd_bench.methods.grammar import MethodRef, Value, parse, value_text

PresetParams: TypeAlias = Mapping[str, str]  # METHOD.PARAMETER -> value, those that a preset set


@dataclass(frozen=True)
class TypedName:
    """The names of one variant: its method, the variant itself, and the variant as the user typed it.

    `from_preset` lists what the preset set, such as ``matekd.generator_lr=5e-05``.
    """

    method: str
    variant: str
    typed: str
    from_preset: tuple[str, ...] = ()

    def is_called(self, name: str) -> bool:
        """Return True if `name` means this variant, alone or among other variants of its method."""
        return name in (self.variant, self.typed, self.method)


def typed_names(names: Iterable[TypedName]) -> dict[str, TypedName]:
    """Return names by variant. Variants typed alike, as in studies with several presets, keep their full names."""
    known = list(names)
    typed = [name.typed for name in known]
    return {
        name.variant: name
        if typed.count(name.typed) == 1
        else TypedName(name.method, name.variant, name.variant)
        for name in known
    }


def variants_called(name: str, names: Iterable[TypedName]) -> list[str]:
    """Return the variants that `name` means: the variant itself, else one typed so, else all of a method."""
    known = list(names)
    for kind in ("variant", "typed", "method"):
        if variants := sorted({row.variant for row in known if getattr(row, kind) == name}):
            return variants
    return []


def typed_name(method: str, variant: str, preset: PresetParams) -> TypedName:
    """Name one variant; `preset` holds what the preset set."""
    plain = TypedName(method, variant, variant)
    if not preset or "[" not in variant:
        return plain
    try:
        [ref] = parse(variant)
    except (UsageError, ValueError):  # a record's text need not be in the grammar, or be one method
        return plain
    typed, from_preset = _without(ref, preset)
    return TypedName(method, variant, str(typed), from_preset) if from_preset else plain


def is_equal(value: Value, text: str | None) -> bool:
    """Return True if a parameter has the value that settings write as `text`, such as 5e-05 and ``5e-5``."""
    if text is None or isinstance(value, MethodRef):
        return False
    try:
        return value == text or float(value) == float(text)
    except ValueError:
        return False


def set_by_presets(names: Iterable[TypedName]) -> tuple[str, ...]:
    """Return the parameters that presets set, which the typed names leave out, each once."""
    return tuple(dict.fromkeys(param for name in names for param in name.from_preset))


def preset_lines(presets: Sequence[str], params: Sequence[str]) -> Iterator[str]:
    """Yield a line with the parameters that presets set; none if there are none."""
    if params:
        yield f"Preset {', '.join(presets)} sets {', '.join(params)}."


def _without(ref: MethodRef, preset: PresetParams) -> tuple[MethodRef, tuple[str, ...]]:
    """Return the method, and the one that it wraps, without what the preset set, and a list of that."""
    left_out = [(key, value) for key, value in ref.params if is_equal(value, preset.get(f"{ref.name}.{key}"))]
    inner, of_inner = _without(ref.inner, preset) if ref.inner else (None, ())
    kept = tuple(param for param in ref.params if param not in left_out)
    listed = tuple(f"{ref.name}.{key}={value_text(value)}" for key, value in left_out)
    return replace(ref, params=kept, inner=inner), (*listed, *of_inner)

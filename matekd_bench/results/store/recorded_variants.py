"""Finds the recorded variants of methods that settings list, by the parameters in the records."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import TypeAdapter

from matekd_bench.errors import UsageError
from matekd_bench.methods.grammar import MethodRef, parse
from matekd_bench.methods.typed_names import is_equal
from matekd_bench.results.records.run_record import Record

BOOLEAN = TypeAdapter(bool)


def recorded_variants(refs: Collection[MethodRef], runs: Iterable[Record]) -> dict[MethodRef, str]:
    """Return the variants of the methods that have a record in `runs`; of equal variants, the first record counts.

    `refs` have all parameters that their study sets. Methods that are written differently may be one variant. A record
    may lack a value, such as a default that its method leaves out. A method is then taken for a variant with equal
    other values that is no other method's.
    """
    known: dict[str, tuple[MethodRef, Mapping[str, Any]]] = {}
    for run in runs:
        if (variant := run.identity.variant) not in known:
            # A record's text need not be in the grammar, or be one method.
            with suppress(UsageError, ValueError):
                [ref] = parse(variant)
                # The parameters of a tuned run are those that tuning chose.
                known[variant] = ref, {} if run.tuning else run.identity.params
    found: dict[MethodRef, str] = {}
    for if_lacking in (False, True):
        for ref in [ref for ref in refs if ref not in found]:
            left = known.keys() - (found.values() if if_lacking else ())
            variants = (name for name in known if name in left and _is_variant(ref, *known[name], if_lacking))
            if variant := next(variants, ""):
                found[ref] = variant
    return found


def _is_variant(ref: MethodRef, known: MethodRef, params: Mapping[str, Any], if_lacking: bool) -> bool:
    """Return True if a method of the settings is the recorded variant `known`.

    `params` are the recorded parameters, defaults included. `if_lacking` is the answer for a value that they lack.
    """
    listed, wanted = dict(known.params), dict(ref.params)
    if (ref.name, ref.factor) != (known.name, known.factor) or not listed.keys() <= wanted.keys():
        return False
    values = listed | dict(params)
    if not all(_is_written(values[key], str(wanted[key])) if key in values else if_lacking for key in wanted):
        return False
    if ref.inner is None or known.inner is None:
        return ref.inner is known.inner
    wrapped = params.get("inner")
    inner_params = wrapped.get("params") if isinstance(wrapped, dict) else None
    return _is_variant(
        ref.inner, known.inner, inner_params if isinstance(inner_params, dict) else {}, if_lacking
    )


def _is_written(value: Any, text: str) -> bool:
    """Return True if settings may write a recorded value as `text`."""
    if value is None:
        return text.lower() == "none"
    try:
        if isinstance(value, bool):
            return BOOLEAN.validate_python(text) is value
        if isinstance(value, list | dict):
            return bool(json.loads(text) == value)
        return is_equal(str(value), text)
    except (ValueError, RecursionError):
        return False

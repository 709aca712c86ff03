"""The types of the fields of a record: counts, fractions, printable text, plain JSON, and the base of its parts."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from matekd_bench.files.hashing import canonical

JSON_SCALARS = frozenset({str, int, bool, type(None)})


def _to_plain_json(value: dict[str, Any]) -> dict[str, Any]:
    """Return `value` as it looks after a round trip through JSON, keys sorted.

    Raises ValueError for NaN, infinity and types that JSON does not have.
    """
    if all(type(key) is str and _is_json_scalar(entry) for key, entry in value.items()):
        return dict(sorted(value.items()))  # the same result as below, ten times faster
    try:
        return dict(json.loads(canonical(value)))
    except TypeError as error:
        raise ValueError(str(error)) from error


def _is_json_scalar(value: Any) -> bool:
    return type(value) in JSON_SCALARS or (type(value) is float and math.isfinite(value))


def _replace_unprintable(value: str) -> str:
    """Replace each unprintable character: terminal escapes, line breaks, changes of the writing direction."""
    if value.isprintable():
        return value
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value)


PrintableText = Annotated[str, AfterValidator(_replace_unprintable)]
PlainJson = AfterValidator(_to_plain_json)
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
# Correlations go down to -1. A mean of them can exceed 1 by a rounding error; 1.5 or 88 (percent) is a mistake.
Fraction = Annotated[float, Field(ge=-1 - 1e-6, le=1 + 1e-6)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
Settings = Annotated[dict[str, Any], PlainJson]
Amounts = Annotated[dict[PrintableText, Annotated[float, Field(ge=0)]], PlainJson]
Counts = Annotated[dict[str, Count], PlainJson]
TextMap = Annotated[dict[str, str], PlainJson]


class RecordPart(BaseModel):
    """Base class of the parts of a record: frozen, without unknown fields, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

"""Turns tables of the report into pandas data frames with typed columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from matekd_bench.files.csv_text import Value
from matekd_bench.plugins.record_types import ExportTable

if TYPE_CHECKING:
    import pandas as pd


def frame_of(table: ExportTable) -> pd.DataFrame:
    """Return a table as a data frame with its rows and columns in the same order; loads pandas."""
    import pandas as pd

    values = {key: [row[key] for row in table.rows] for key in table.columns}
    return pd.DataFrame(
        {key: pd.Series(column, dtype=_type_of(column), name=key) for key, column in values.items()}
    )


def frame_of_records(record: type[Any], records: Iterable[Any]) -> pd.DataFrame:
    """Return a data frame with a column per field of the dataclass `record` and a row per object."""
    columns = tuple(field.name for field in fields(record))
    return frame_of(ExportTable("records", columns, tuple(asdict(each) for each in records)))


def _type_of(values: Iterable[Value]) -> str:
    """Return the pandas type of a column, in which values may be missing; float64 if it has no values at all."""
    kinds = {type(value) for value in values if value is not None}
    if str in kinds:
        return "string"
    if kinds == {bool}:
        return "boolean"
    return "Int64" if kinds == {int} else "float64"


def joined(names: str | Sequence[str] | None) -> str | None:
    """Return a list of names separated by commas, as on the command line."""
    return names if names is None or isinstance(names, str) else ",".join(names)

"""The labels and ids of one dev set, stored once for all runs that were scored on it."""

from __future__ import annotations

import json
from typing import Final, Literal

from pydantic import Field, ValidationError, model_validator

from matekd_bench.errors import ResultsError, first_problem
from matekd_bench.results.records.field_types import Count, Identifier, RecordPart

SCHEMA: Final = "matekd.data/1"


class DevSet(RecordPart):
    """Gold labels of one dev split by example id.

    `labels` are class ids, or scores for a regression; `labels[i]` belongs to `uids[i]`. `digest` is the split's
    digest in the records. Together with the predictions of the runs this is enough for every statistic: the texts
    are not needed. `task` is the task that the rows are of, not the task of the students that answered them.
    """

    schema_: Literal["matekd.data/1"] = Field(default=SCHEMA, alias="schema")
    digest: Identifier
    task: str
    split: str
    n: Count
    uids: tuple[str, ...]
    labels: tuple[int, ...] | tuple[float, ...]

    def has_rows_of(self, other: DevSet) -> bool:
        """Return True if ids and labels are the same; tasks may name the same rows differently."""
        return (self.uids, self.labels) == (other.uids, other.labels)

    @model_validator(mode="after")
    def _check_lengths(self) -> DevSet:
        if not self.n == len(self.uids) == len(self.labels):
            raise ValueError(f"it has {self.n} rows, but {len(self.uids)} ids and {len(self.labels)} labels")
        return self


def to_json(devset: DevSet) -> str:
    """Write the dev set as one line of JSON, fields in the schema's order."""
    return json.dumps(devset.model_dump(mode="json", by_alias=True), allow_nan=False) + "\n"


def from_json(text: str | bytes) -> DevSet:
    """Read a dev set from JSON. Raises ResultsError with a one-line message if `text` is damaged."""
    try:
        return DevSet.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ResultsError(f"damaged data set: {first_problem(error, DevSet).sentence('field')}") from error

"""The parts of a record that describe one split of examples, and the value of one metric on it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from matekd_bench.results.records.field_types import Count, Fraction, RecordPart

Selection: TypeAlias = Literal["last", "best_dev"]


class SplitInfo(RecordPart):
    """One split as the run used it.

    `n` is its number of rows, `official_n` that of the official split. `unlabeled` of the `n` rows have no label; the
    file omits it if it is 0. `digest` is the SHA-256 of its uids, texts and labels.
    """

    n: Count
    official_n: Count
    unlabeled: Count = 0
    digest: str


class ScoreItem(RecordPart):
    """One metric's value on one split of n examples: a fraction, never percent."""

    split: str
    selection: Selection
    metric: str
    value: Fraction
    n: Count

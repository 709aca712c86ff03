"""The part of a record about the sets that a student was scored on at the end, besides dev."""

from __future__ import annotations

from matekd_bench.results.records.field_types import Fraction, PrintableText, RecordPart, TextMap
from matekd_bench.results.records.score_item import ScoreItem, SplitInfo
from matekd_bench.tasks.task import DataState


class SetScores(RecordPart):
    """The scores of a student and its teacher on one set, after the last update.

    `name` is that in tables: "mnli/hans" for students of mnli on hans, "rte@aeda" for the perturbed dev rows of rte.
    `splits` describe the rows as they were scored, so a perturbed set has digests of its own. `labels` are the set's in
    class-id order, `label_map` the set's label that each label of the task means, where they differ. `resources` are
    what a perturbation uses from outside. `majority_score` is the score of the most frequent class. `teacher_score` is
    None, and `teacher_scores` are empty, for a teacher that answered beforehand.
    """

    name: PrintableText
    source: PrintableText
    revision: str | None
    state: DataState
    state_text: PrintableText
    splits: dict[str, SplitInfo]
    labels: tuple[str, ...]
    label_map: TextMap
    resources: TextMap
    notices: tuple[PrintableText, ...]
    majority_score: Fraction
    scores: tuple[ScoreItem, ...]
    score: Fraction
    teacher_scores: tuple[ScoreItem, ...]
    teacher_score: Fraction | None

"""The kept student of a run: a transformers model with its tokenizer, and its answers to texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matekd_bench.api.frames import frame_of
from matekd_bench.errors import UsageError
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.spelling import counted, kind_in_words

if TYPE_CHECKING:
    import pandas as pd

    from matekd_bench.results.records.run_record import Record


class Student:
    """A kept student, from `Results.student`.

    `run` is its record. `labels` are its classes in the order of the logits, empty for a regression. Raises
    ResultsError if the run kept no student.
    """

    def __init__(self, run: Record, results: Path, device: str = "auto", segments: int | None = None) -> None:
        """`segments` is the number of texts in a row of the run's task; None if the task is not installed."""
        from matekd_bench.tools.predict import StudentPredictor

        self.run, self._results, self._segments = run, results, segments
        self._predictor = StudentPredictor(run, results, device)
        self.labels = self._predictor.labels

    @property
    def model(self) -> Any:
        """The model, an `AutoModelForSequenceClassification` in evaluation mode."""
        return self._predictor.student.model

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, an `AutoTokenizer`."""
        from transformers import AutoTokenizer

        folder = KeptStudents(self._results).open(self.run.run_id)
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def predict(self, texts: Sequence[str | tuple[str, ...]]) -> pd.DataFrame:
        """Predict on texts, or on tuples of two texts for a task on pairs.

        Returns a row per text, in the same order: the prediction and the probability of each class, or the score of a
        regression. Batch size and precision are those of the run's evaluations. Raises UsageError for rows with another
        number of texts, and for no rows.
        """
        from matekd_bench.tools.predict import answer_columns

        if isinstance(texts, str) or not len(texts):
            raise UsageError(f"texts: a list of texts or of pairs, not {kind_in_words(texts)}.")
        pairs = [(text,) if isinstance(text, str) else tuple(text) for text in texts]
        for number, row in enumerate(pairs):
            if len(row) not in ((1, 2) if self._segments is None else (self._segments,)):
                expected = "1 or 2 texts" if self._segments is None else counted(self._segments, "text")
                raise UsageError(
                    f"texts[{number}] has {counted(len(row), 'text')}, but a row has {expected}."
                )
            if any(not isinstance(text, str) for text in row):
                raise UsageError(f"texts[{number}] is {row!r:.80}, not text.")
        rows = list(self._predictor.answer(pairs).rows())
        return frame_of(ExportTable("predictions", tuple(answer_columns(self.labels)), rows))

"""`from-file`: perturbed texts from a file that the user made, with a language model or by any other means."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from matekd_bench import DataError, Params, TextPerturbation, UsageError, hookimpl, read_perturbed_texts

if TYPE_CHECKING:
    from matekd_bench import Context, PerturbedTexts, Row

WRITE = "'matekd-bench methods texts TASK --out FILE' writes the texts to perturb."


class FromFileParams(Params):
    """Parameters of `from-file`."""

    path: str | None = None
    """The file of perturbed texts: .jsonl, .csv or .tsv."""
    missing: Literal["error", "keep"] = "error"
    """Treatment of training texts that the file does not have: error refuses the study, keep leaves them unchanged."""
    segments: Literal["both", "first", "second"] = "both"
    """Which segments of a text pair are perturbed, each on its own."""


class FromFile(TextPerturbation[FromFileParams]):
    """Texts perturbed beforehand, and read from a file.

    A text with several perturbed versions shows one of them in each epoch, drawn with equal probabilities.
    """

    name = "from-file"
    summary = "Texts perturbed beforehand, such as paraphrases of a language model, from a file."
    version = "1"

    def __init__(self, params: FromFileParams, context: Context) -> None:
        super().__init__(params, context)
        self.segments = params.segments
        self._texts = _read(params)

    @classmethod
    def resources(cls, params: FromFileParams) -> dict[str, str]:
        """Name the file, with a digest of its content."""
        return {"texts": _read(params).name}

    @classmethod
    def cost_beforehand(cls, params: FromFileParams) -> Mapping[str, float]:
        """Return the cost of the texts from the file's header."""
        return _read(params).cost

    @classmethod
    def check_rows(cls, params: FromFileParams, rows: Mapping[str, tuple[str, ...]]) -> Sequence[str]:
        """Return the number of training texts in the file; raise DataError if it lacks texts that it must have."""
        coverage = _read(params).coverage(rows, params.segments)
        ids = f"ids that match no row of this task: {coverage.unknown_ids}" if coverage.unknown_ids else ""
        if not coverage.found:
            why = f": {ids}" * bool(ids)
            raise DataError(
                f"'{params.path}' has none of the {coverage.total} training texts{why}.", hint=WRITE
            )
        lacking = coverage.total - coverage.found
        if lacking and params.missing == "error":
            raise DataError(
                f"'{params.path}' lacks {lacking} of the {coverage.total} training texts, such as {coverage.missing}"
                f"{f'; {ids}' * bool(ids)}.",
                hint="Add them, or write missing=keep to leave them unchanged.",
            )
        kept = f"; the other {lacking} stay unchanged" if lacking else ""
        unused = f"; {coverage.unused} texts of the file match no row" if coverage.unused else ""
        unused += f" ({ids})" * bool(unused and ids)
        return [f"{coverage.found} of {coverage.total} training texts are in '{params.path}'{kept}{unused}"]

    @classmethod
    def perturbed_rows(
        cls, params: FromFileParams, rows: Mapping[str, tuple[str, ...]]
    ) -> Sequence[tuple[str, ...]]:
        """Return every version of every row."""
        texts = _read(params)
        return [version for uid, row in rows.items() for version in texts.versions(uid, row, params.segments)]

    def perturb_segment(self, row: Row, index: int, rng: random.Random) -> str:
        """Return one of the versions that the file has for a segment of a row."""
        text = row.texts[index]
        return self._draw(self._texts.of(row.uid, index, text), text, rng)

    def perturb(self, text: str, rng: random.Random) -> str:
        """Return one of the versions that the file has for a text, whatever its row."""
        return self._draw(self._texts.of("", 0, text), text, rng)

    def _draw(self, versions: Sequence[str], text: str, rng: random.Random) -> str:
        """Return one of the versions; if there is none, return `text` or, if `missing` is "error", raise DataError."""
        if versions:
            return versions[int(rng.random() * len(versions))]
        if self.params.missing == "keep":
            return text
        raise DataError(f"'{self.params.path}' lacks the text {text[:60]!r}.", hint=WRITE)


def _read(params: FromFileParams) -> PerturbedTexts:
    """Read the file; raise UsageError if none is named."""
    if params.path is None:
        raise UsageError("method 'from-file' needs a file: write from-file[path=FILE].", hint=WRITE)
    return read_perturbed_texts(params.path)


@hookimpl
def matekd_bench_methods() -> Iterator[type[FromFile]]:
    """Announce the method."""
    yield FromFile

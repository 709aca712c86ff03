"""Places the evaluations of one run in a small drawing."""

from __future__ import annotations

from dataclasses import dataclass

from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.cells import text

WIDTH, HEIGHT, MARGIN = 320, 120, 8  # of the drawing, in its own units


@dataclass(frozen=True)
class RunCurve:
    """The points of a run's curve with their places and labels; `summary` describes the whole curve."""

    points: tuple[tuple[str, str, str], ...]  # x, y, words
    summary: str

    @property
    def line(self) -> str:
        """The points of a polyline."""
        return " ".join(f"{x},{y}" for x, y, _ in self.points)


def run_curve(run: Record) -> RunCurve | None:
    """Place the evaluations of a run; None if it has none."""
    if not run.curve:
        return None
    scores = [evaluation.score for evaluation in run.curve]
    low, high, last = min(scores), max(scores), run.curve[-1].update
    points = tuple(
        (
            _place(evaluation.update / last if last else 1.0, WIDTH),
            _place(1 - (evaluation.score - low) / (high - low) if high > low else 0.5, HEIGHT),
            f"update {evaluation.update}: {text(evaluation.score, 'fraction')}",
        )
        for evaluation in run.curve
    )
    first, final = (text(scores[index], "fraction") for index in (0, -1))
    summary = (
        f"Score on dev at {len(points)} evaluations: {first} at the first, {final} after {last} updates."
    )
    return RunCurve(points, summary)


def _place(share: float, size: int) -> str:
    """Return the coordinate of a share of the drawing's inside."""
    return f"{MARGIN + share * (size - 2 * MARGIN):.4g}"

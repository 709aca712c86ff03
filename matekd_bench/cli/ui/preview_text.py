"""The numbers, changed words and answers of a preview as text, for the terminal and the HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.tools.preview_examples import Preview


def legend(preview: Preview) -> str:
    """Explain the numbers of a preview."""
    answers = f"probabilities of {', '.join(preview.classes)}" if preview.classes else "scores"
    trained = (
        f"trained for {preview.updates} updates" if preview.updates else "not trained (--updates N trains it)"
    )
    idle = [method.method for method in preview.methods if method.diagnostics.get("texts_unchanged") == 1]
    warning = (
        f"\nWarning: no row was changed by {', '.join(idle)}. Try another task with --task." if idle else ""
    )
    return (
        f"The teacher and student columns show {answers} for the original and the perturbed text; the student is "
        f"{trained}.\n"
        f"The table below is computed over {preview.rows} training rows of {preview.task}.{warning}"
    )


def diagnostics(preview: Preview) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of the table of diagnostics; a dash marks a diagnostic that does not apply."""
    names = tuple(preview.methods[0].diagnostics)
    rows = [
        (method.method, *(_number(method.diagnostics[name]) for name in names)) for method in preview.methods
    ]
    return ("method", *(name.replace("_", " ") for name in names)), rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def changes(old: tuple[str, ...], new: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the runs of kept, removed and added words in order, with "|" between two segments.

    If `old` and `new` have different numbers of segments, each is compared as one text.
    """
    from matekd_bench.methods.edits import word_changes

    if len(old) != len(new):
        return list(word_changes(" ".join(old), " ".join(new)))
    found: list[tuple[str, str]] = []
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        found += [("same", "|")] * bool(index)
        found += word_changes(before, after)
    return found


def answers(before: tuple[float, ...], after: tuple[float, ...] | None = None) -> str:
    """Format the answers before and, if there are any, after the perturbation: ``0.90 0.10 -> 0.85 0.15``."""
    first = " ".join(f"{value:.2f}" for value in before)
    return first if after is None else f"{first} -> {' '.join(f'{value:.2f}' for value in after)}"

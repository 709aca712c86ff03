"""What the terminal and the page of a preview have in common: numbers, changed words and answers as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.tools.preview_examples import Preview


def said(found: Preview) -> str:
    """What the numbers are."""
    answers = f"probabilities of {', '.join(found.classes)}" if found.classes else "scores"
    trained = (
        f"after {found.updates} updates" if found.updates else "at its first weights (--updates N trains it)"
    )
    return (
        f"Teacher and student: {answers}, for the original and for the perturbed text; the student {trained}.\n"
        f"Below: over {found.rows} training rows of {found.task}."
    )


def diagnostics(found: Preview) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the table of diagnostics; what does not apply is a dash."""
    names = tuple(found.methods[0].diagnostics)
    rows = [(one.method, *(_number(one.diagnostics[name]) for name in names)) for one in found.methods]
    return ("method", *(name.replace("_", " ") for name in names)), rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def changes(old: tuple[str, ...], new: tuple[str, ...]) -> list[list[tuple[str, str]]]:
    """The runs of words of every segment; "|" stands between two segments."""
    from matekd_bench.methods.edits import word_changes

    if len(old) != len(new):
        return [list(word_changes(" ".join(old), " ".join(new)))]
    parts = [
        list[tuple[str, str]](word_changes(before, after)) for before, after in zip(old, new, strict=True)
    ]
    return [part if index == 0 else [("same", "|"), *part] for index, part in enumerate(parts)]


def answers(before: tuple[float, ...], after: tuple[float, ...] | None = None) -> str:
    """Answers before and, where there are others, after: ``.90 .10 -> .85 .15``."""
    first = " ".join(f"{value:.2f}" for value in before)
    return first if after is None else f"{first} -> {' '.join(f'{value:.2f}' for value in after)}"

"""What was compared, by kind of number: how often, and how large the largest deviation is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

EXACT = 1e-9
NOISE = 1e-15  # of sums that are nearly 0


@dataclass
class Kind:
    """One kind of number; `worst` is the largest relative deviation of values that are not rounded."""

    count: int = 0
    worst: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Ledger:
    """Takes pairs of an own value and the file's, and says which do not agree."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self.left_out: dict[str, None] = {}  # columns that nothing was compared with

    def check(
        self,
        kind: str,
        place: str,
        own: object,
        theirs: object,
        relative: float = EXACT,
        rounding: float = NOISE,
    ) -> None:
        """Compare two values: numbers to the relative precision, or to the file's rounding; the rest literally."""
        entry = self.kinds.setdefault(kind, Kind())
        entry.count += 1
        if isinstance(own, (int, float)) and isinstance(theirs, (int, float)):
            away, size = abs(own - theirs), max(abs(own), abs(theirs))
            entry.worst = max(entry.worst, away / size if relative and away > NOISE / 10 else 0.0)
            agrees = away <= max(relative * size, rounding)
        else:
            agrees = own == theirs
        if not agrees:
            entry.wrong.append(f"{place}: {theirs!r} in the file, {own!r} recomputed")

    def check_all(
        self, kind: str, place: str, own: Sequence[float], shown: Sequence[float], rounding: float
    ) -> None:
        """Compare numbers with those that a text shows to twice `rounding`, at the edge of which either is right."""
        self.check(kind, f"{place}, how many numbers", len(own), len(shown))
        for mine, theirs in zip(own, shown, strict=False):
            self.check(kind, place, mine, theirs, relative=0, rounding=1.1 * rounding)

    @property
    def agrees(self) -> bool:
        """True if something was compared and nothing deviates."""
        return bool(self.kinds) and not any(kind.wrong for kind in self.kinds.values())

    def lines(self) -> Iterator[str]:
        """A line for every kind, and one for every value that deviates."""
        for name, kind in self.kinds.items():
            verdict = f"{len(kind.wrong)} DEVIATE" if kind.wrong else "agree"
            yield f"{name:<42} {kind.count:>6}  {verdict:<12} largest relative deviation {kind.worst:.1e}"
            yield from (f"  {line}" for line in kind.wrong)
        yield f"not recomputed: {', '.join(self.left_out) or 'no column'}"

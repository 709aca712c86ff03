"""Search spaces for tuning, and the values that trials take from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = float | int | str | bool
MAX_DIMENSIONS = 8  # in more dimensions, points of a Halton sequence lie on lines unless there are very many
SIGNIFICANT_DIGITS = 3  # of a number that a trial tries, so that tables can show it


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, uniform or, with `log`, log-uniform; whole numbers if both ends are whole."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(
                f"a range needs two finite ends in ascending order, not {self.low} and {self.high}"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must begin above zero, not at {self.low}")

    def at(self, place: float) -> float | int:
        """Return the value at `place` in [0, 1)."""
        if self.log:
            value = math.exp(math.log(self.low) + math.log(self.high / self.low) * place)
        else:
            value = self.low + (self.high - self.low) * place
        if isinstance(self.low, int) and isinstance(self.high, int):
            return round(value)
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', logarithmic' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """A choice among values with equal probability."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise ValueError("a choice needs at least two values")

    def at(self, place: float) -> Value:
        """Return the value at `place` in [0, 1)."""
        return self.values[int(place * len(self.values))]

    def __str__(self) -> str:
        return " | ".join(map(str, self.values))


Space: TypeAlias = Range | Choice


def halton_point(trial: int, dimensions: int) -> tuple[float, ...]:
    """Return point number `trial` of a Halton sequence (Halton 1960) in [0, 1)^dimensions.

    Trials that change settings are numbered from 2, since trial 1 keeps them. The points cover every dimension evenly
    for any number of trials, and fewer trials are a prefix of more. Raises ValueError for more than eight dimensions.
    """
    from scipy.stats import qmc  # takes a second to import; only tuning needs it

    if dimensions > MAX_DIMENSIONS:
        raise ValueError(f"at most {MAX_DIMENSIONS} parameters can be tuned at once, not {dimensions}")
    return tuple(qmc.Halton(dimensions, scramble=False).random(trial + 1)[trial].tolist())


def trial_values(spaces: Mapping[str, Space], trial: int) -> dict[str, Value]:
    """Return each space's value in trial number `trial`; the order of `spaces` assigns their Halton bases."""
    return {
        name: space.at(place)
        for (name, space), place in zip(spaces.items(), halton_point(trial, len(spaces)), strict=True)
    }

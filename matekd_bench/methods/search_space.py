"""Search spaces for tuning: what a method declares of a parameter, and which values its trials take from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = float | int | str | bool
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)  # a base for each dimension, the learning rate's first
DIGITS = 3  # significant ones of a number that is tried, so that tables can show it


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, spread evenly or, with `log`, in their logarithms; whole ones if both ends are."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a range needs two finite ends in order, not {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range begins above zero, not at {self.low}")

    def at(self, place: float) -> float | int:
        """The value at `place` in [0, 1)."""
        if self.log:
            value = math.exp(math.log(self.low) + math.log(self.high / self.low) * place)
        else:
            value = self.low + (self.high - self.low) * place
        if isinstance(self.low, int) and isinstance(self.high, int):
            return round(value)
        return float(f"{value:.{DIGITS}g}")

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', logarithmic' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """Some values, each as likely."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise ValueError("a choice needs two values or more")

    def at(self, place: float) -> Value:
        """The value at `place` in [0, 1)."""
        return self.values[int(place * len(self.values))]

    def __str__(self) -> str:
        return " | ".join(map(str, self.values))


Space: TypeAlias = Range | Choice


def places(trial: int, dimensions: int) -> tuple[float, ...]:
    """Where trial number `trial` (from 2; the first one tries nothing) looks, one place in [0, 1) a dimension.

    A Halton sequence (Halton 1960): even in every dimension however many trials there are, and the trials of a
    smaller number are the first of a larger one. Raises ValueError for more than eight dimensions.
    """
    if dimensions > len(PRIMES):
        raise ValueError(f"at most {len(PRIMES)} parameters can be tuned at once, not {dimensions}")
    return tuple(_radical_inverse(trial, base) for base in PRIMES[:dimensions])


def _radical_inverse(number: int, base: int) -> float:
    """The digits of `number` in `base`, mirrored at the point."""
    value, weight = 0.0, 1.0 / base
    while number:
        number, digit = divmod(number, base)
        value += digit * weight
        weight /= base
    return value


def sampled(spaces: Mapping[str, Space], trial: int) -> dict[str, Value]:
    """The values of every space in trial number `trial`; the order of `spaces` decides which sequence each takes."""
    return {
        name: space.at(place)
        for (name, space), place in zip(spaces.items(), places(trial, len(spaces)), strict=True)
    }

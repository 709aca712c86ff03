"""A metric of the library evaluate that a task file names; its code runs only if a study uses the task."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matekd_bench.errors import DataError, RunError, one_line
from matekd_bench.foreign_code import blamed, foreign_code, lent_generators

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

PREFIX = "evaluate:"  # in a task file
SEED = 0  # of the global generators while the metric is computed, so that equal answers get equal scores


@dataclass(frozen=True)
class LibraryMetric:
    """A metric that `evaluate` loads from `place`.

    `place` is the path of a script, or of a folder that contains a script of the same name, or a name on the Hub.
    `name` is the metric's name in tables; it contains no folder.
    """

    name: str
    place: str

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the loaded metric, whose module another process cannot import."""
        return type(self), (self.name, self.place)

    def compute(self, labels: ArrayLike, predictions: ArrayLike) -> float:
        """Return the value for class ids or scores [n]; NaN if the metric is undefined for them.

        Raises DataError if the metric cannot be loaded, RunError if it fails or gives anything but one number.
        """
        import numpy as np

        references, guess = np.asarray(labels).tolist(), np.asarray(predictions).tolist()
        loaded = self._loaded
        with blamed(f"metric '{self.name}'", RunError), lent_generators(SEED, SEED):
            values: object = loaded.compute(predictions=guess, references=references)
        return self._number(values)

    @property
    def digest(self) -> str:
        """The digest of the metric's code; raises DataError if it cannot be loaded."""
        return str(self._loaded._hash)

    @property
    def recorded_name(self) -> str:
        """The name with the start of the digest, so that two versions do not count as the same metric."""
        return f"{self.name}@{self.digest[:8]}"

    @cached_property
    def _loaded(self) -> Any:
        """The metric; an edited script is loaded by the next study, not in the middle of one."""
        from matekd_bench.files.hub.network import without_retries

        try:
            import evaluate  # before the block, which changes the settings of imported modules

            with foreign_code(), without_retries():
                # In memory, because on disk `evaluate` locks a file in the user's cache for every metric.
                return evaluate.load(self.place, module_type="metric", keep_in_memory=True, seed=SEED)
        except Exception as error:
            raise self._load_error(error) from error

    def _load_error(self, error: Exception) -> DataError:
        if os.path.isabs(self.place) or not isinstance(error, OSError):
            return DataError(f"metric '{self.name}' cannot be loaded: {one_line(error).rstrip('.')}.")
        from matekd_bench.files.hub.network import fetch_hint, hub_answers

        answer = "has no metric of this name" if hub_answers() else "does not answer"
        return DataError(
            f"metric '{self.name}': there is no such file or folder next to the task file, and the Hub {answer}.",
            hint=fetch_hint("Give the path of a metric script."),
        )

    def _number(self, values: object) -> float:
        """Return the only value of a result; raise RunError for any other result."""
        import numpy as np

        if not isinstance(values, Mapping) or len(values) != 1:
            listed = ", ".join(map(str, values)) if isinstance(values, Mapping) else repr(values)
            raise RunError(f"metric '{self.name}' must give one value, not {listed[:60] or 'none'}.")
        [value] = values.values()
        number = np.asarray(value)
        if number.ndim or number.dtype.kind not in "iuf":
            raise RunError(f"metric '{self.name}' must give a number, not {repr(value)[:60]}.")
        return float(number)


def library_metrics(metrics: Iterable[str]) -> list[str]:
    """Return those of the metrics, named as in tasks or in records, that `evaluate` loads."""
    return [name for name in metrics if name.startswith(PREFIX)]


def read_metrics(metrics: Sequence[str], folder: Path) -> tuple[tuple[str, ...], Mapping[str, LibraryMetric]]:
    """Return the names of a task's metrics, and those that `evaluate` loads, by name; paths are relative to `folder`.

    Raises DataError for a path that does not exist, and for two metrics of the same name.
    """
    names: list[str] = []
    library: dict[str, LibraryMetric] = {}
    for metric in metrics:
        if metric.startswith(PREFIX):
            found = _find(metric.removeprefix(PREFIX), folder)
            library[found.name] = found
            names.append(found.name)
        else:
            names.append(metric)
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(f"key 'metrics': '{repeated[0]}' is listed twice.")
    return tuple(names), library


def _find(place: str, folder: Path) -> LibraryMetric:
    """Return the metric at a path or on the Hub; a Hub name is at most an owner and a name."""
    path = Path(os.path.abspath(folder / Path(place).expanduser()))
    if place and path.exists():
        return LibraryMetric(PREFIX + path.stem, str(path))
    if not place or place.endswith(".py") or place.startswith((".", "/", "~")) or place.count("/") > 1:
        raise DataError(f"key 'metrics': there is no file '{path}'.")
    if Path(place).exists():  # evaluate would run a script of this name in the working folder
        raise DataError(
            f"key 'metrics': '{place}' is in the working folder, not next to the task file: give its full path."
        )
    return LibraryMetric(PREFIX + place, place)

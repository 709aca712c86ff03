"""The predictions of a run as one npz file: logits of every evaluation by split, and the ids of the examples."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from matekd_bench.errors import ResultsError
from matekd_bench.files.safe_names import check_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_UNPACKED_BYTES = 2**29  # ten evaluations of a dev set of 400,000 examples have 100 MB
# Names of the arrays in the file: `eval01__dev`, `uids__dev`; of a further set `also__` and the digest of its rows.
ARRAY_NAME = re.compile(r"(?:eval(\d{2,})|(uids))__([a-z0-9-]+)")
FURTHER = "also__"


@dataclass(frozen=True, eq=False)
class Predictions:
    """The student's logits on dev at every evaluation.

    `evaluations` has one mapping per evaluation, in order: split -> logits [n, C], float32. `uids` maps each split to
    its n example ids, in the order of the rows. `also` maps the digest of a split of a further set to the logits [n, K]
    after the last update, in the order of the labels that are stored under this digest. Raises ValueError if
    evaluations and ids do not match, and ResultsError for a split name that is not allowed in file names.
    """

    evaluations: tuple[Mapping[str, NDArray[np.float32]], ...]
    uids: Mapping[str, tuple[str, ...]]
    also: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for split in (*self.uids, *self.also):
            check_name("split", split)
        for number, evaluation in enumerate(self.evaluations, start=1):
            if evaluation.keys() != self.uids.keys():
                raise ValueError(
                    f"evaluation {number} has splits {sorted(evaluation)}, but the ids are for {sorted(self.uids)}"
                )
            for split, logits in evaluation.items():
                if logits.ndim != 2 or len(logits) != len(self.uids[split]):
                    raise ValueError(
                        f"evaluation {number}, {split}: logits {logits.shape} for {len(self.uids[split])} examples"
                    )

    def to_bytes(self) -> bytes:
        """Write the npz file: arrays `eval01__dev`, ... and `uids__dev`. Equal predictions give equal bytes."""
        import numpy as np

        arrays: dict[str, Any] = {
            f"uids__{split}": np.array(uids, dtype=np.str_) for split, uids in sorted(self.uids.items())
        }
        for number, evaluation in enumerate(self.evaluations, start=1):
            for split, logits in sorted(evaluation.items()):
                arrays[f"eval{number:02d}__{split}"] = np.asarray(logits, dtype=np.float32)
        for digest, logits in sorted(self.also.items()):
            arrays[f"{FURTHER}{digest}"] = np.asarray(logits, dtype=np.float32)
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, *, last_only: bool = False) -> Predictions:
        """Read the predictions from an npz file, without pickle. Raises ResultsError if it is damaged.

        `last_only` unpacks only the last evaluation, which then is the only one.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                _check_unpacked_size(archive)
                names = [entry.removesuffix(".npy") for entry in archive.namelist()]
                further = [name for name in names if name.startswith(FURTHER)]
                logits, uids = _names_by_evaluation([name for name in names if name not in further])
                return cls(
                    tuple(
                        {split: _array(archive, name) for split, name in names_by_split.items()}
                        for names_by_split in logits[-1 if last_only else 0 :]
                    ),
                    {split: _uids(_npy_file(archive, name)) for split, name in uids.items()},
                    {name.removeprefix(FURTHER): _array(archive, name) for name in further},
                )
        except Exception as error:  # numpy, zipfile and zlib raise many different errors for a damaged file
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ResultsError(f"damaged predictions: {reason}.") from error


def _names_by_evaluation(names: Sequence[str]) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Sort the names of a file's arrays: logits of each evaluation by split, and ids by split."""
    logits: dict[int, dict[str, str]] = {}
    uids: dict[str, str] = {}
    for name in names:
        match = ARRAY_NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"unknown array {name!r}")
        (uids if match[2] else logits.setdefault(int(match[1]), {}))[match[3]] = name
    if sorted(logits) != list(range(1, len(logits) + 1)):
        raise ValueError(f"evaluations {sorted(logits)} are not numbered from 1")
    return [logits[number] for number in sorted(logits)], uids


def _check_unpacked_size(archive: zipfile.ZipFile) -> None:
    """Raise ValueError for a zip file that unpacks to more than predictions need; zipfile never unpacks more."""
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MAX_UNPACKED_BYTES:
        raise ValueError(f"it unpacks to {unpacked} bytes; the limit is {MAX_UNPACKED_BYTES}")


def _npy_file(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return one array of the archive, as an npy file."""
    return archive.read(f"{name}.npy")


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one array of the archive, without pickle."""
    return _from_npy(_npy_file(archive, name))


def _from_npy(content: bytes) -> NDArray[Any]:
    import numpy as np

    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)


@lru_cache(maxsize=32)
def _uids(content: bytes) -> tuple[str, ...]:
    """Return the ids of an npy file; the many runs of a task have the same ones, which are made only once."""
    return tuple(_from_npy(content).tolist())

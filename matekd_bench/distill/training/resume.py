"""Checkpoints inside a run: everything it needs to go on, in another process, to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import torch
from torch import nn

from matekd_bench.errors import CheckpointError, PluginError, RunError

FORMAT = 2  # raised when the state holds other things than before
STATE = "state.pt"


class PausedError(RunError):
    """A run that was asked to stop, and did at the end of an update; it is saved if it has checkpoints.

    `what` names a preparation that was under way instead, `problem` what kept it from being saved.
    """

    def __init__(self, update: int, what: str | None = None, problem: str | None = None) -> None:
        super().__init__(f"stopped after update {update}")
        self.update = update
        self.what = what
        self.problem = problem


class Checkpoints(Protocol):
    """Where a run keeps its checkpoints."""

    def save(self, update: int, write: Callable[[Path], None]) -> None:
        """Keeps what `write` puts into an empty folder: whole or, where the disk refuses it, not at all."""

    def folders(self) -> Iterable[Path]:
        """The checkpoints there are, each whole, the newest first."""


class NoCheckpoints:
    """Keeps nothing: a run that is interrupted starts again."""

    def save(self, update: int, write: Callable[[Path], None]) -> None:
        """Ignored."""

    def folders(self) -> Iterable[Path]:
        """None."""
        return ()


def write(folder: Path, modules: Sequence[nn.Module], state: Mapping[str, Any]) -> None:
    """Writes weights as safetensors and the rest, tensors and plain values, as a file that needs no pickle.

    Raises OSError where the disk refuses it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_model

    try:
        for index, module in enumerate(modules):
            save_model(module, str(_weights(folder, index)))
        torch.save(dict(state), folder / STATE)
    except (SafetensorError, RuntimeError) as error:  # how the two libraries say that the disk is full
        raise OSError(str(error)) from error


def read_state(folder: Path) -> dict[str, Any]:
    """What :func:`write` was given as state, on the CPU; nothing in the file is executed.

    Raises CheckpointError for a file that holds anything else than tensors and plain values, or is none.
    """
    try:
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise CheckpointError(f"{folder / STATE} holds more than tensors and plain values.") from None
    except Exception as error:  # torch has no error of its own for a file that is something else
        raise CheckpointError(f"{folder / STATE} cannot be read ({type(error).__name__}).") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{folder / STATE} holds no state.")
    return state


Agree = Callable[[str | None], str | None]


def newest(
    checkpoints: Checkpoints,
    origin: Mapping[str, Any],
    say: Callable[[str], None],
    agree: Agree = lambda folder: folder,
) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint of this very origin with its state; `say` is told of those that are left aside.

    `agree` turns what this process has found into what all processes of the run take.
    """
    found = _newest(checkpoints, origin, say)
    agreed = agree(None if found is None else str(found[0]))
    if agreed is None:
        return None
    if found is not None and agreed == str(found[0]):
        return found
    return Path(agreed), read_state(Path(agreed))


def _newest(
    checkpoints: Checkpoints, origin: Mapping[str, Any], say: Callable[[str], None]
) -> tuple[Path, dict[str, Any]] | None:
    for folder in checkpoints.folders():
        try:
            state = read_state(folder)
        except CheckpointError as error:
            say(f"a checkpoint is left aside: {error}")
            continue
        if state.get("origin") == origin:
            return folder, state
        say("checkpoint from other versions skipped; it starts over")
    return None


def check_plain(value: Any, method: str) -> None:
    """Raises PluginError where a method's state holds what a checkpoint cannot give back."""
    if isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            check_plain(part, method)
    elif value is not None and type(value) not in (bool, int, float, str, torch.Tensor):
        raise PluginError(
            f"method '{method}' gives a {type(value).__name__} as state: tensors, numbers, texts, lists and "
            "dictionaries can be saved."
        )


def read_weights(folder: Path, modules: Sequence[nn.Module]) -> None:
    """Puts the saved weights into the modules, in the order in which they were written."""
    from safetensors.torch import load_model

    for index, module in enumerate(modules):
        load_model(module, _weights(folder, index))


def _weights(folder: Path, index: int) -> Path:
    return folder / f"module-{index}.safetensors"


def software() -> dict[str, str]:
    """The versions that a checkpoint is only good for: under others a run would not end with the same bits."""
    found = {"format": str(FORMAT), "torch": str(torch.__version__)}
    for name in ("transformers", "matekd-bench"):
        if (known := installed_version(name)) is not None:
            found[name] = known
    return found


@cache
def installed_version(name: str) -> str | None:
    """The version of an installed distribution, None where there is none. To ask reads all that it says of itself."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether memory was too small, on a GPU or a CPU; torch has several ways of saying so."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in said or "DefaultCPUAllocator" in said)

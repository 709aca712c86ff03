"""Checkpoints inside a run: everything that another process needs to continue it with the same results, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench.errors import CheckpointError, PluginError, RunError, message_of
from matekd_bench.files.durable import CheckpointFolder

FORMAT = 3  # increase it when the content of the state changes
STATE = "state.pt"


class PausedError(RunError):
    """An error for a run that was asked to stop and did so after an update; it is saved if it has checkpoints.

    If a preparation (a teacher, a generator) was interrupted instead, `what` names it. `problem` is the reason why it
    could not be saved, if it could not.
    """

    def __init__(self, update: int, what: str | None = None, problem: str | None = None) -> None:
        super().__init__(f"stopped after update {update}")
        self.update = update
        self.what = what
        self.problem = problem


def checkpoint_files(modules: Sequence[nn.Module], state: Mapping[str, Any]) -> dict[str, bytes]:
    """Return a checkpoint's files: the modules' weights as safetensors, and `state` in a form without pickled code.

    `state` holds tensors and plain values. The files are copies: training may continue while they are written.
    """
    from safetensors.torch import save

    content = BytesIO()
    torch.save(dict(state), content)
    weights = {_weights_name(index): save(_unshared_weights(module)) for index, module in enumerate(modules)}
    return {**weights, STATE: content.getvalue()}


def _unshared_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a module on the CPU by name, shared tensors under their first name only."""
    first = {
        (tensor.data_ptr(), tensor.shape, tensor.stride()): name
        for name, tensor in reversed(module.state_dict().items())
    }
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in module.state_dict().items()
        if tensor.numel() == 0 or first[tensor.data_ptr(), tensor.shape, tensor.stride()] == name
    }


def read_state(folder: Path) -> dict[str, Any]:
    """Read the state of a checkpoint, with tensors on the CPU; nothing in the file is executed.

    Raises CheckpointError if the file is missing, damaged, or holds anything but tensors and plain values.
    """
    try:
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise CheckpointError(f"{folder / STATE} contains more than tensors and plain values.") from None
    except Exception as error:  # torch has no error class of its own for damaged files
        raise CheckpointError(f"{folder / STATE} cannot be read ({type(error).__name__}).") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{folder / STATE} contains no state.")
    return state


Agree = Callable[[str | None], str | None]


def newest_checkpoint(
    checkpoints: CheckpointFolder | None,
    origin: Mapping[str, Any],
    say: Callable[[str], None],
    agree: Agree = lambda folder: folder,
) -> tuple[Path, dict[str, Any]] | None:
    """Return the folder and state of the newest checkpoint with this `origin`, or None.

    `say` gets a note for each skipped checkpoint and for the one that is used. `agree` maps the folder that
    this process found to the one that all processes of the run use.
    """
    local = _newest_local(checkpoints, origin, say)
    folder = agree(None if local is None else str(local[0]))
    if folder is None:
        return None
    state = local[1] if local is not None and folder == str(local[0]) else read_state(Path(folder))
    say(f"resuming after update {state['update']}")
    return Path(folder), state


def _newest_local(
    checkpoints: CheckpointFolder | None, origin: Mapping[str, Any], say: Callable[[str], None]
) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest readable checkpoint with this `origin` that this process finds, or None."""
    for folder in checkpoints.folders() if checkpoints is not None else ():
        try:
            state = read_state(folder)
        except CheckpointError as error:
            say(f"checkpoint skipped: {error}")
            continue
        if state.get("origin") == origin:
            return folder, state
        say("skipped a checkpoint of different versions or models; training starts over")
    return None


def check_saveable(value: Any, method: str) -> None:
    """Raise PluginError if a method's state holds anything that cannot be read back from a checkpoint."""
    if isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            check_saveable(part, method)
    elif value is not None and type(value) not in (bool, int, float, str, torch.Tensor):
        raise PluginError(
            f"method '{method}' has a {type(value).__name__} in its state; only tensors, numbers, strings, lists and "
            "dictionaries can be saved."
        )


def read_weights(folder: Path, modules: Sequence[nn.Module]) -> None:
    """Load the saved weights into the modules, which must be in the order in which they were written."""
    from safetensors.torch import load_model

    for index, module in enumerate(modules):
        load_model(module, folder / _weights_name(index))


def _weights_name(index: int) -> str:
    return f"module-{index}.safetensors"


def software_versions() -> dict[str, str]:
    """Return the versions that a checkpoint is valid for: with others a resumed run could end differently."""
    versions = {"format": str(FORMAT), "torch": str(torch.__version__)}
    for name in ("transformers", "matekd-bench"):
        if (installed := installed_version(name)) is not None:
            versions[name] = installed
    return versions


@cache
def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None; cached, since each look-up reads all its metadata."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def ran_out_of_memory(error: BaseException) -> bool:
    """Return True if the error means that a GPU or the CPU ran out of memory; torch has several such errors."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    message = message_of(error)
    # CUBLAS_STATUS_ALLOC_FAILED and the like: CUDA's libraries found no memory for their workspace.
    signs = ("out of memory", "DefaultCPUAllocator", "_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in message for sign in signs)

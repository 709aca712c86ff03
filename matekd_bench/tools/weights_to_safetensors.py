"""A process that rewrites pickled weights as safetensors, so that a crash or an attack affects nothing else.

`python -m matekd_bench.tools.weights_to_safetensors SOURCE TARGET [SOURCE TARGET ...]` prints nothing, or one line on
stderr.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from matekd_bench.errors import first_line


def rewrite(source: Path, target: Path) -> None:
    """Write the tensors of a state dict to a safetensors file; raise ValueError for any other content."""
    # weights_only: nothing in the file is executed. Files from before torch 1.6 are not zip files and cannot be mapped.
    weights = torch.load(source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source))
    if not isinstance(weights, dict) or not all(
        isinstance(value, torch.Tensor) for value in weights.values()
    ):
        raise ValueError("it does not hold a state dict of tensors only")
    # Copies, because safetensors refuses tensors that share memory, as tied weights do.
    save_file(
        {name: tensor.clone().contiguous() for name, tensor in weights.items()},
        target,
        metadata={"format": "pt"},
    )


def main() -> int:
    """Rewrite the files that the command line names; return 1 after a line that says which one failed, and why."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    for source, target in zip(paths[::2], paths[1::2], strict=True):
        try:
            rewrite(source, target)
        except Exception as error:  # pickles fail in many ways
            print(f"{source.name} cannot be converted: {first_line(error)}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

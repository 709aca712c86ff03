"""The other process of the check `process`: it answers each request, a line of JSON, with a method's fingerprint."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from matekd_bench.contract.fingerprints import fingerprint, subject_at
from matekd_bench.errors import one_line
from matekd_bench.foreign_code import foreign_code
from matekd_bench.plugins.host import Host


@cache
def _load_plugins(files: Sequence[str], only_builtin: bool) -> None:
    """Load the plugins that the first process has, so that their modules can be imported by name."""
    Host.load([Path(file) for file in files], only_builtin=only_builtin)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return a method's fingerprint, or why there is none: it is unknown here, or it raises."""
    try:
        sys.path[:] = request["path"]
        torch.set_num_threads(request["threads"])
        with foreign_code():
            _load_plugins(tuple(request["files"]), request["only_builtin"])
            subject = subject_at(request)
    except Exception as error:
        return {"unknown": one_line(error)}
    try:
        with foreign_code():
            return {"fingerprint": fingerprint(subject)}
    except Exception as error:  # a method is foreign code: whatever it raises is reported
        return {"raised": one_line(error)}


def main() -> None:
    """Answer requests from stdin until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # so that any KeyboardInterrupt was raised by a method
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what plugins print must not come among the answers
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()

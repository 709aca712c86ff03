"""The check in another process, where Python hashes strings differently; one process serves all methods."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

from matekd_bench.contract.bench import Make
from matekd_bench.contract.fingerprints import address, fingerprint
from matekd_bench.contract.registry import CheckFailedError, CheckSkippedError, contract_check
from matekd_bench.contract.subject import Subject

NAME = "process"
QUOTED = 60  # characters of a text in a message


@contract_check(NAME, "another process, with another PYTHONHASHSEED, makes the same updates")
def process(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if an update differs in a process with another PYTHONHASHSEED."""
    request = json.dumps(address(subject))
    here, reply = fingerprint(subject), _ask(request)
    if "unknown" in reply:
        raise CheckSkippedError(
            f"another process cannot import the method ({reply['unknown'].rstrip('.')}); put it in a module"
        )
    if "raised" in reply:
        raise CheckFailedError(
            f"In another process, the method raises {reply['raised'].rstrip('.')}.",
            "Keep no state outside of the method.",
        )
    there = reply["fingerprint"]
    for what in {**here, **there}:
        if here.get(what) != there.get(what):
            raise CheckFailedError(
                f"In another process, {what} differs{_quoted(what, here, there)}.",
                "Sort what comes from a set, and use neither hash(), id() nor the time: they differ between processes.",
            )


def _quoted(what: str, here: dict[str, str], there: dict[str, str]) -> str:
    """Quote a text from both processes; digests are not shown."""
    if not what.startswith("the text"):
        return ""
    return f": here {here.get(what, '')[:QUOTED]!r}, there {there.get(what, '')[:QUOTED]!r}"


def _ask(request: str) -> dict[str, Any]:
    """Send a request to the other process and return its answer."""
    server = start_server()
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        print(request, file=server.stdin, flush=True)
        line = server.stdout.readline()
    except BrokenPipeError:
        line = ""
    if line:
        reply: dict[str, Any] = json.loads(line)
        return reply
    _stop(server)
    start_server.cache_clear()  # the next method gets a new one
    return {"raised": f"SystemExit: the process ended with code {server.returncode}"}


@cache
def start_server() -> subprocess.Popen[str]:
    """Start the other process, which takes seconds to import torch, unless it is already running."""
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    server = subprocess.Popen(
        [sys.executable, "-m", "matekd_bench.contract.fingerprint_server"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
        env={**os.environ, "PYTHONHASHSEED": seed},
        start_new_session=True,  # Ctrl-C goes to this process only
    )  # fmt: skip
    atexit.register(_stop, server)
    return server


def _stop(server: subprocess.Popen[str]) -> None:
    """End the process and close its pipes."""
    server.kill()
    server.communicate()

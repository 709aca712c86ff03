"""Controls worker processes from outside: starts one on a device, sends it orders, reads its reports, ends it."""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from matekd_bench.errors import ResultsError
from matekd_bench.events import Event, from_json
from matekd_bench.results.store.under_way import WORKER_LOG
from matekd_bench.study.execute.device_slots import DeviceSlot, Kind
from matekd_bench.study.execute.orders import Order, OrderEnd
from matekd_bench.study.execute.study_session import SharedStudy

LAST_LINES = 5  # of a dead worker's log that are shown


def exit_cause(code: int) -> str:
    """Describe in words how a process with the return code `code` ended."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@dataclass
class Assignment:
    """The order that a worker executes, its device, and its start time (`time.perf_counter`)."""

    order: Order
    kind: Kind
    slot: DeviceSlot
    since: float


class Worker:
    """A worker process.

    Its reports arrive in `inbox` as pairs (worker, report). A report is an event, the end of an order, the peak memory
    in bytes, the line with which the worker stopped, the error that ended it, or None after the process has ended.
    """

    def __init__(
        self, number: int, slot: DeviceSlot, study: SharedStudy, threads: int, logs: Path, inbox: Inbox
    ) -> None:
        self.number, self.slot = number, slot
        self.assignment: Assignment | None = None
        self.task: str | None = None  # the task whose data it has loaded
        self.log = logs / f"{WORKER_LOG}{os.getpid()}-{number}-{secrets.token_hex(4)}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        thread_variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(thread_variables, str(threads)), **slot.environment}
        with self.log.open("xb") as log:  # never through an existing link
            self._process = subprocess.Popen(
                [sys.executable, "-m", "matekd_bench.study.execute.backends.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, text=True,
                start_new_session=True,  # so that only this process gets Ctrl-C, which it forwards once
            )  # fmt: skip
        self._send(study.to_json())
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # the process has died, and its end is reported
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _read(self, inbox: Inbox) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                inbox.put((self, _report(json.loads(line))))
        self._process.wait()
        inbox.put((self, None))

    def assign(self, assignment: Assignment) -> None:
        """Send the order of an assignment."""
        self.assignment, self.task = assignment, assignment.order.task
        self._send(json.dumps(TypeAdapter(Order).dump_python(assignment.order, mode="json")))

    def stop(self) -> None:
        """Make the process save its run and end."""
        self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End the process: at once if it is busy (its last checkpoint stays), else within about 10 seconds."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        if self.assignment is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def remove_log(self) -> None:
        """Delete the log, and its folder if that is empty."""
        self.log.unlink(missing_ok=True)
        with suppress(OSError):
            self.log.parent.rmdir()

    def exit_reason(self) -> str:
        """Return how the process died and the last lines of its log; delete an empty log."""
        cause = exit_cause(self._process.returncode)
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:  # another process has removed it
            text = ""
        log_end = " | ".join(line.strip() for line in text.splitlines()[-LAST_LINES:] if line.strip())
        if not log_end:
            self.remove_log()
            return f"the worker process died ({cause})"
        return f"the worker process died ({cause}); its log {self.log} ends: {log_end}"


Report = Event | OrderEnd | int | str | ResultsError | None
Inbox = queue.Queue[tuple[Worker, Report]]


def _report(line: dict[str, Any]) -> Report:
    """Turn a worker's line of JSON into a report."""
    match line:
        case {"end": end}:
            return TypeAdapter(OrderEnd).validate_python(end)
        case {"memory": int(peak)}:
            return peak
        case {"stopped": str(text)}:
            return text
        case {"refused": [message, hint]}:
            return ResultsError(message, hint=hint)
        case {"memory": _}:  # memory is not known on this system
            return ""
    return from_json(line)


class WorkerGroup:
    """The workers of a study.

    Idle workers stay, with the libraries loaded, for the next part of the study, such as the runs after the trials.
    """

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.inbox: Inbox = queue.Queue()

    def dismiss(self) -> None:
        """End all workers and delete their logs."""
        while self.workers:
            worker = self.workers.pop()
            worker.close()
            worker.remove_log()

"""The other end of a worker process: starts it on a device, gives it orders, hears its reports, ends it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.study.execute.backends.worker import WorkerStudy
from matekd_bench.study.execute.device_slots import DeviceSlot
from matekd_bench.study.plan.forecast import WorkItem

LAST_LINES = 5  # of a dead worker's log that are shown


@dataclass
class Assignment:
    """What a worker is at."""

    work: WorkItem
    place: DeviceSlot
    since: float

    @property
    def kind(self) -> tuple[str, str]:
        """What is taken to need the same memory."""
        return self.work.method, self.work.task


class Worker:
    """One worker process; its reports arrive in `inbox` as (worker, report), None when it has ended."""

    def __init__(
        self, number: int, place: DeviceSlot, study: WorkerStudy, threads: int, logs: Path, inbox: Inbox
    ) -> None:
        self.number, self.place = number, place
        self.at: Assignment | None = None
        self.task: str | None = None  # whose data it has at hand
        self.log = logs / f"worker-{os.getpid()}-{number}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, str(threads)), **place.environment}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "matekd_bench.study.execute.backends.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, text=True,
                start_new_session=True,  # Ctrl-C is for the driver, who passes it on once
            )  # fmt: skip
        self._send(study.to_json())
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has died: its end is reported
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _read(self, inbox: Inbox) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                inbox.put((self, json.loads(line)))
        self._process.wait()
        inbox.put((self, None))

    def begin(self, assignment: Assignment, order: Sequence[Any]) -> None:
        """Hands out a piece of work, in the words of :mod:`matekd_bench.study.execute.backends.worker`."""
        self.at, self.task = assignment, assignment.work.task
        self._send(json.dumps(order))

    def stop(self) -> None:
        """Asks it to save what it is at, and to end."""
        self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Ends it: at once if it is at work, which keeps its last checkpoint."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        if self.at is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def forget(self) -> None:
        """Takes its log away."""
        self.log.unlink(missing_ok=True)
        with suppress(OSError):
            self.log.parent.rmdir()

    def exit_reason(self) -> str:
        """How the process died, and the end of its log, which is kept unless it is empty."""
        code = self._process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        text = self.log.read_text(encoding="utf-8", errors="replace")
        last = " | ".join(line.strip() for line in text.splitlines()[-LAST_LINES:] if line.strip())
        if not last:
            self.forget()
            return f"the worker process died ({how})"
        return f"the worker process died ({how}); its log {self.log} ends: {last}"


Inbox = queue.Queue[tuple[Worker, list[Any] | None]]


class WorkerGroup:
    """The workers of a study: those that have nothing to do stay for its next part, with the libraries loaded."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.inbox: Inbox = queue.Queue()

    def dismiss(self) -> None:
        """Ends them all."""
        while self.workers:
            worker = self.workers.pop()
            worker.close()
            worker.forget()

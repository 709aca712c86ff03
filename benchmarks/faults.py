"""Studies whose process is killed, whose disk fills up or whose writes fail: `python benchmarks/faults.py`.

Every figure of docs/reliability.md about interruptions comes from here. Studies are run in forks of one process that
has loaded everything, so that a study of tiny runs takes about a second. After every fault the same command goes on,
and what it leaves is compared with what an undisturbed study left: every file, but for times.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import errno
import functools
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ERRORS = (errno.ENOSPC, errno.EROFS, errno.EMFILE, errno.EIO)
TIMES = ("train_seconds", "eval_seconds", "precompute_seconds", "peak_memory_bytes", "resumed")
EVENTS = (
    "open",
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.utime",
)  # what Python tells of as it happens
HANGS = 300.0  # seconds after which a study counts as hanging
CONFIG = """\
[teacher]
optimizer = { lr = 1e-3, batch_size = 16 }
budget = { limit = 3 }

[generator]
budget = { limit = 2 }

[training]
evaluations = 2
optimizer = { lr = 1e-3, batch_size = 8 }
"""


@functools.cache
def _host() -> Any:
    """The installed plugins, loaded before the first fork."""
    from matekd_bench.plugins.host import Host

    return Host.load()


@dataclass
class Ended:
    """How a study's process ended: its exit code (negative: the signal), and what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Study:
    """A study of tiny runs with a results folder and a cache of its own below `home`."""

    home: Path
    options: tuple[str, ...]
    kept_cache: Path | None = None  # one that no fault reaches

    @property
    def results(self) -> Path:
        """Where its records go."""
        return self.home / "results"

    @property
    def command(self) -> list[str]:
        """The arguments of the command line."""
        return ["run", *self.options, "--results", str(self.results), "--quiet"]

    def start(self, fault: Callable[[], None] = lambda: None) -> tuple[int, Path]:
        """Starts the study in a fork, after `fault` has been called there; its process and where it prints."""
        printed = Path(tempfile.mkdtemp(prefix="printed-"))
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of a fork beside threads: none of them works
            process = os.fork()
        if process == 0:
            self._child(printed, fault)
        return process, printed

    def _child(self, printed: Path, fault: Callable[[], None]) -> None:
        code = 70
        try:
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(printed / name, os.O_WRONLY | os.O_CREAT), number)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            os.environ["MATEKD_BENCH_CACHE"] = str(self.kept_cache or self.home / "cache")
            from matekd_bench.cli import main
            from matekd_bench.plugins.host import Host

            Host.load = lambda *_, **__: _host()  # type: ignore[method-assign]
            fault()
            code = main(self.command)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def wait(self, process: int, printed: Path, seconds: float = HANGS) -> Ended:
        """Waits for a process; kills one that takes longer than so many seconds."""
        end = time.monotonic() + seconds
        while True:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                break
            if time.monotonic() > end:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.005)
        out, err = ((printed / name).read_text(errors="replace") for name in ("out", "err"))
        shutil.rmtree(printed)
        return Ended(os.waitstatus_to_exitcode(status), out, err)

    def run(self, fault: Callable[[], None] = lambda: None) -> Ended:
        """Runs it to its end, or to that of its process."""
        return self.wait(*self.start(fault))

    def clear(self) -> None:
        """Takes everything away that it left."""
        for path in self.home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def left(self) -> dict[str, Any]:
        """Every file below the results, records without times, hidden leftovers of killed processes by their kind."""
        found: dict[str, Any] = {}
        for path in sorted(self.results.rglob("*")):
            name = str(path.relative_to(self.results))
            if any(part.startswith((".tmp-", ".failed-")) for part in path.parts):
                continue  # a later run takes them away when they are a day old
            if path.is_file():
                found[name] = _record(path) if path.name == "record.json" else path.read_bytes()
        return found


def _record(path: Path) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(path.read_text())
    del plain["provenance"]
    for name in TIMES:
        plain["compute"].pop(name, None)
    if plain["teacher"]:
        del plain["teacher"]["fine_tune_seconds"]
    return plain


class Call:
    """What happens at the k-th call that changes a file below a folder, counted over a process.

    Python tells of opening, renaming, making and removing as it happens; writing and syncing are seen by standing in
    for them. What safetensors and torch write by themselves is seen when they open it.
    """

    def __init__(self, folder: Path, at: int, then: Callable[[str], None], *, onwards: bool = False) -> None:
        self.folder, self.at, self.then, self.onwards = str(folder), at, then, onwards
        self.count = 0

    def install(self) -> None:
        """From now on, in this process."""
        sys.addaudithook(self._audit)
        really_open, really_sync = io.open, os.fsync

        def opened(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            made = really_open(file, mode, *rest, **options)
            return _Written(made, self) if self._ours(file) and set(mode) & set("wxa+") else made

        def synced(handle: int) -> None:
            self._seen("fsync")
            really_sync(handle)

        io.open, os.fsync = opened, synced  # type: ignore[assignment]
        builtins.open = opened

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or not self._ours(arguments[0]):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        self._seen(event)

    def _ours(self, file: Any) -> bool:
        return isinstance(file, (str, os.PathLike)) and os.fspath(file).startswith(self.folder)

    def _seen(self, event: str) -> None:
        number, self.count = self.count, self.count + 1
        if number == self.at or (self.onwards and number > self.at):
            self.then(event)


class _Written:
    """A file whose writes are calls."""

    def __init__(self, file: Any, call: Call) -> None:
        self._file, self._call = file, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def write(self, content: Any) -> Any:
        """Written, unless the call is the one that fails."""
        self._call._seen("write")
        return self._file.write(content)


def undisturbed(study: Study) -> tuple[dict[str, Any], float, int]:
    """What the study leaves when nothing happens, its seconds, and how many calls change a file; all is cleared."""
    counting = Call(study.home, -1, lambda event: None)
    noted = Path(tempfile.mkdtemp()) / "count"

    def fault() -> None:
        from matekd_bench.study.execute.scheduler import Scheduler

        counting.install()
        original = Scheduler.run

        def run(self: Any, cells: Any) -> Any:
            try:
                return original(self, cells)
            finally:
                noted.write_text(str(counting.count))

        Scheduler.run = run  # type: ignore[method-assign]

    started = time.monotonic()
    ended = study.run(fault)
    assert ended.code == 0, ended.err
    left, seconds, total = study.left(), time.monotonic() - started, int(noted.read_text())
    shutil.rmtree(noted.parent)
    study.clear()
    return left, seconds, total


def killed(study: Study, kills: int, seed: int) -> dict[str, int]:
    """Kills the study at random moments: half of them moments of the clock, half of them calls that change a file.

    Whenever a study ends before it is killed, what it left is compared and another one begins.
    """
    rng = random.Random(seed)
    expected, seconds, total = undisturbed(study)
    done: Counter[str] = Counter()
    while done["kills"] < kills:
        if rng.random() < 0.5:
            at = rng.randrange(total)
            die = Call(study.home, at, lambda event: os.kill(os.getpid(), signal.SIGKILL))
            ended = study.run(die.install)
        else:
            process, printed = study.start()
            time.sleep(rng.random() * seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            ended = study.wait(process, printed)
        if ended.code == -signal.SIGKILL:
            done["kills"] += 1
            continue
        assert ended.code == 0, ended.err
        _same(study.left(), expected)
        done["studies"] += 1
        study.clear()
    ended = study.run()
    assert ended.code == 0, ended.err
    _same(study.left(), expected)
    done["studies"] += 1
    study.clear()
    return dict(done)


def failing_writes(study: Study, which: Callable[[int], bool], *, onwards: bool) -> dict[str, int]:
    """Lets the k-th call that changes a file fail, for every k that `which` takes; with `onwards` all later ones too.

    The errors take turns. Each time the same command follows, on a disk that is well again.
    """
    expected, _, total = undisturbed(study)
    done: Counter[str] = Counter(calls=total)
    for at in filter(which, range(total)):
        number = ERRORS[at % len(ERRORS)]

        def fail(event: str, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        ended = study.run(Call(study.home, at, fail, onwards=onwards).install)
        _decent(ended)
        done[f"exit {ended.code}"] += 1
        done["faults"] += 1
        again = study.run()
        assert again.code == 0, f"call {at}: {again.err}"
        _same_runs(study.left(), expected, f"call {at}")
        study.clear()
    return dict(done)


def full_disk(study: Study, disk: Path, megabytes: int = 20) -> dict[str, int]:
    """The study's folders on a file system that fills up, again and again with more room, until it ends.

    `disk` is where a tmpfs of so many megabytes is mounted; PermissionError where that is not allowed.
    """
    expected, _, _ = undisturbed(study)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        raise PermissionError("no tmpfs may be mounted here")
    done: Counter[str] = Counter()
    try:
        small, filler = Study(disk, study.options), disk / "filler"
        for free in (0.05, 0.3, 1, 3, 6, 12):  # megabytes that are left
            filler.write_bytes(b"")
            used = shutil.disk_usage(disk)
            filler.write_bytes(bytes(max(0, used.free - int(free * 2**20))))
            ended = small.run()
            _decent(ended)
            done[f"exit {ended.code}"] += 1
        filler.unlink()
        ended = small.run()
        assert ended.code == 0, ended.err
        _same_runs(small.left(), expected)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    return dict(done)


def together(study: Study, processes: int, *, kill: bool) -> dict[str, int]:
    """Several processes on one folder; with `kill` the first dies in the middle. How often each run was recorded."""
    log = study.home.parent / f"{study.home.name}.log"
    log.unlink(missing_ok=True)

    def watched() -> None:
        from matekd_bench.results.store.results_store import ResultsStore
        from matekd_bench.study.execute import work_queue

        original = ResultsStore.write

        def write(store: Any, record: Any, *rest: Any, **options: Any) -> Any:
            stored = original(store, record, *rest, **options)
            with log.open("a") as file:
                file.write(f"{record.run_id}\n")
            return stored

        ResultsStore.write = write  # type: ignore[method-assign, assignment]
        work_queue.RETRY_SECONDS = 0.1

    started = [study.start(watched) for _ in range(processes)]
    if kill:
        end = time.monotonic() + HANGS
        while time.monotonic() < end and not (log.exists() and log.read_text().count("\n") >= 3):
            time.sleep(0.01)
        os.kill(started[0][0], signal.SIGKILL)
    ended = [study.wait(*one) for one in started]
    for one in ended[1 if kill else 0 :]:
        assert one.code == 0, one.err
    assert not kill or ended[0].code == -signal.SIGKILL
    trained = Counter(log.read_text().split())
    log.unlink()
    return {
        "runs": len(list((study.results / "runs").glob("*/record.json"))),
        "recorded": sum(trained.values()),
        "recorded twice": sum(1 for count in trained.values() if count > 1),
    }


def _decent(ended: Ended) -> None:
    """No traceback, no hang, a code that means something."""
    assert ended.code in (0, 1, 2), (ended.code, ended.err)
    assert "Traceback" not in ended.err, ended.err


def _same_runs(found: dict[str, Any], expected: dict[str, Any], what: str = "") -> None:
    """Alike but for students that could not be kept: a disk that refuses one costs no run, and the run says so."""
    kept = {name for name in expected if not name.startswith("students/") or name in found}
    _same(found, {name: expected[name] for name in kept}, what)


def _same(found: dict[str, Any], expected: dict[str, Any], what: str = "") -> None:
    assert found.keys() == expected.keys(), (what, found.keys() ^ expected.keys())
    unlike = [name for name in found if found[name] != expected[name]]
    assert not unlike, (what, unlike)


def tiny(home: Path, methods: str = "eda,random-mask", seeds: int = 2) -> Study:
    """A study of mini-GLUE's smallest runs: four updates on 32 rows."""
    home.mkdir(parents=True, exist_ok=True)
    config = home.parent / "tiny.toml"
    config.write_text(CONFIG)
    return Study(home, (
        *("--preset", "mini", "--config", str(config), "--methods", methods, "--tasks", "sst2"),
        *("--limit-train", "32", "--limit-eval", "20", "--budget", "student_updates=4", "--seeds", str(seeds)),
        *("--device", "cpu", "--precision", "float32", "--threads", "1", "--jobs", "1"),
    ))  # fmt: skip


def warm(study: Study) -> None:
    """Loads, in this process, what a study loads: its forks have it then."""
    from matekd_bench.cli import main

    _host()
    before = os.environ.get("MATEKD_BENCH_CACHE")
    os.environ["MATEKD_BENCH_CACHE"] = str(study.kept_cache or study.home / "cache")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            assert main([*study.command, "--seeds", "1"]) == 0
    finally:
        os.environ.pop("MATEKD_BENCH_CACHE")
        if before is not None:
            os.environ["MATEKD_BENCH_CACHE"] = before
    study.clear()


def main() -> None:
    """Prints a line for each fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--every", type=int, default=1, help="let every N-th call fail (default: all)")
    parser.add_argument("--runs", type=int, default=40, help="runs that four processes share")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        study, single = tiny(place / "study"), tiny(place / "single", "kd", 1)
        chosen = lambda number: number % given.every == 0  # noqa: E731
        warm(study)
        tests: dict[str, Callable[[], dict[str, int]]] = {
            f"SIGKILL, {given.kills} times": lambda: killed(study, given.kills, given.seed),
            "four processes": lambda: together(tiny(place / "four", "kd", given.runs), 4, kill=False),
            "four processes, one killed": lambda: together(
                tiny(place / "killed", "kd", given.runs), 4, kill=True
            ),
            "a full disk of 20 MB": lambda: full_disk(study, _made(place / "disk")),
            "one call fails": lambda: failing_writes(single, chosen, onwards=False),
            "all calls from one on fail": lambda: failing_writes(single, chosen, onwards=True),
        }
        for name, test in tests.items():
            started = time.monotonic()
            try:
                found: object = test()
            except PermissionError as error:
                found = f"not done: {error}"
            print(f"{name}: {found} in {time.monotonic() - started:.0f} s", flush=True)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()

"""Mistakes planted in a copy of the source, one at a time, each of which a named test must catch.

`python benchmarks/mutants.py` prints a line for each mutant: killed, SURVIVED, or what is wrong with its entry. A
mutant is known by a piece of source text and its test by a file name, so that both may move to other folders. The
checkout is never edited: its tracked and its new files are copied to a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from mutant_table import MUTANTS, Mutant

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = ("matekd_bench", "plugins", "tasks")
PACKAGES = ("matekd_bench", "matekd_plugins", "matekd_tasks")
PATIENCE = 120.0  # seconds after which the tests of a mutant count as hanging
BROKEN = ("NameError", "ImportError", "ModuleNotFoundError", "SyntaxError", "AttributeError")


@dataclass(frozen=True)
class Planted:
    """A mutant whose place is known: the source file, its text before and after, and the test file."""

    mutant: Mutant
    file: Path
    before: str
    after: str
    tests: Path

    @property
    def selection(self) -> list[str]:
        """The arguments of pytest that select its tests."""
        return [str(self.tests), "-k", self.mutant.only]


@dataclass(frozen=True)
class Ran:
    """How a run of pytest ended: its exit code (None: it was killed as it hung), what it printed, its seconds."""

    code: int | None
    printed: str
    seconds: float


def copy_of(checkout: Path, target: Path) -> Path:
    """Copy every tracked file, and every new one that git does not ignore, to `target`."""
    listing = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (checkout / name).is_file():  # a file may be deleted and still tracked
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, target / name)
    return target


def environment(copy: Path) -> dict[str, str]:
    """The environment in which Python takes the packages and the helpers of tests from the copy."""
    paths = (copy, copy / "plugins", copy / "tasks", copy / "tests")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def imported_from(copy: Path) -> list[Path]:
    """Where Python finds the packages, asked from another folder than the copy."""
    code = f"import {', '.join(PACKAGES)}\nfor one in ({', '.join(PACKAGES)}): print(one.__file__)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=copy.parent, env=environment(copy), capture_output=True, text=True, check=True
    )
    return [Path(line) for line in done.stdout.splitlines()]


def plant(mutant: Mutant, sources: Mapping[Path, str], tests: Path) -> Planted:
    """Find the place of a mutant in `sources` (text by file) and its test file below `tests`.

    Raises LookupError, one line, where there is no such place or more than one.
    """
    pattern = re.compile(r"\s+".join(map(re.escape, mutant.old.split())))
    found = [(file, match) for file, text in sources.items() for match in pattern.finditer(text)]
    if len(found) != 1:
        places = ", ".join(file.name for file, _ in found)
        raise LookupError(f"text in {len(found)} places: {places}" if found else "no such text")
    files = list(tests.rglob(mutant.file))
    if len(files) != 1:
        raise LookupError(f"{len(files)} test files are called {mutant.file}")
    [(file, match)] = found
    before = sources[file]
    line = before[before.rfind("\n", 0, match.start()) + 1 :]
    indent = line[: len(line) - len(line.lstrip())]
    new = mutant.new.replace("\n", f"\n{indent}")
    return Planted(mutant, file, before, before[: match.start()] + new + before[match.end() :], files[0])


@contextmanager
def applied(planted: Planted) -> Iterator[None]:
    """Within it the copy has the mistake; no bytecode of the file is left that could hide it."""
    stat = planted.file.stat()
    Path(cache_from_source(str(planted.file))).unlink(missing_ok=True)
    planted.file.write_text(planted.after, encoding="utf-8")
    try:
        yield
    finally:
        planted.file.write_text(planted.before, encoding="utf-8")
        os.utime(planted.file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def run_tests(copy: Path, selection: Sequence[str], patience: float, *, keep_bytecode: bool = False) -> Ran:
    """Run the selected tests of the copy in a process of their own, and end what they leave running."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", *selection]
    env = environment(copy)
    if not keep_bytecode:
        env["PYTHONDONTWRITEBYTECODE"] = "1"
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=copy, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:  # fmt: skip
        try:
            printed, code = process.communicate(timeout=patience)[0], process.returncode
        except subprocess.TimeoutExpired:
            printed, code = f"no end within {patience:.0f} s", None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return Ran(code, printed, time.perf_counter() - started)


def verdict(ran: Ran) -> tuple[str, str]:
    """Return what the tests found of a mutant, and which test found it or what went wrong."""
    if ran.code == 0:
        return "SURVIVED", ""
    if ran.code is None:
        return "killed", ran.printed
    test = re.search(r"^(?:FAILED|ERROR) \S+?::(\w+)", ran.printed, re.MULTILINE)
    if ran.code != 1 or test is None:
        return "error", f"pytest ended with {ran.code}: {' '.join(ran.printed.split())[-200:]}"
    if broken := re.search(rf"^E +({'|'.join(BROKEN)})\b.*", ran.printed, re.MULTILINE):
        return "error", f"the mutant is no valid program: {broken[0].removeprefix('E').strip()}"
    return "killed", test[1]


def undisturbed(copy: Path, planted: Sequence[Planted]) -> Ran:
    """Run the tests of all mutants on the copy as it is."""
    files = dict.fromkeys(str(one.tests) for one in planted)
    chosen = dict.fromkeys(f"({one.mutant.file} and ({one.mutant.only}))" for one in planted)
    return run_tests(
        copy, [*files, "-k", " or ".join(chosen)], PATIENCE + 10 * len(planted), keep_bytecode=True
    )


def try_all(mutants: Sequence[Mutant], copy: Path) -> int:
    """Try every mutant on the copy and print a line for each; return the exit code."""
    started = time.perf_counter()
    files = (file for folder in SOURCES for file in sorted((copy / folder).rglob("*.py")))
    sources = {file: file.read_text(encoding="utf-8") for file in files}
    planted, killed = [], 0
    for mutant in mutants:
        try:
            planted.append(plant(mutant, sources, copy / "tests"))
        except LookupError as error:
            print(f"{mutant.name:<20} {error.args[0]}", flush=True)
    if not planted:
        return 1
    ran = undisturbed(copy, planted)
    if ran.code != 0:
        print(ran.printed, "error: these tests fail without any mutant.", sep="\n", file=sys.stderr)
        return 2
    print(f"without any mutant: {ran.printed.splitlines()[-1]}", flush=True)
    for one in planted:
        with applied(one):
            ran = run_tests(copy, one.selection, PATIENCE)
        said, why = verdict(ran)
        killed += said == "killed"
        why = why or one.mutant.breaks
        print(f"{one.mutant.name:<20} {said:<8} {ran.seconds:5.1f} s  {why}", flush=True)
    print(f"{killed} of {len(mutants)} mutants killed in {time.perf_counter() - started:.0f} s")
    return 0 if killed == len(mutants) else 1


def main() -> int:
    """Read the command line and try the mutants; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try (default: all)")
    parser.add_argument("--list", action="store_true", help="list the mutants and try none")
    typed = parser.parse_args()
    known = {mutant.name: mutant for mutant in MUTANTS}
    if unknown := [name for name in typed.names if name not in known]:
        parser.error(f"unknown mutant '{unknown[0]}': --list shows all of them.")
    chosen = [known[name] for name in typed.names] or list(MUTANTS)
    if typed.list:
        for mutant in chosen:
            print(f"{mutant.name:<20} {mutant.breaks} [{mutant.file}: {mutant.only}]")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = copy_of(CHECKOUT, Path(folder).resolve() / "copy")
        places = imported_from(copy)
        if not all(place.is_relative_to(copy) for place in places):
            print(f"error: tests would import {', '.join(map(str, places))}.", file=sys.stderr)
            return 2
        print(f"tests import {places[0]}", flush=True)
        return try_all(chosen, copy)


if __name__ == "__main__":
    sys.exit(main())

"""Names of modules, of what is in them and of files, wherever they are written, name something that exists."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from bindings import HOMES, ROOT, exists

READ = {".py", ".md", ".toml", ".yml", ".tmpl", ".html", ".js", ".css", ".txt"}
LEFT_OUT = re.compile(r"results/reference/|CHANGELOG\.md$")
PACKAGE = rf"(?<![\w./\\-])(?:{'|'.join(HOMES)})(?!\w)"
DOTTED = re.compile(rf"{PACKAGE}(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_]\w*)?")  # a colon as in an entry point
FROM = re.compile(
    rf"^\W*from ({PACKAGE}[\w.]*) import (?:\(([^()]*)\)|(\w+(?: as \w+)?(?:, \w+(?: as \w+)?)*))", re.M
)
FILE = re.compile(rf"(?:{'|'.join(HOMES)})\.(?:py|toml|md)")  # a file's name, not a module's
TOPS = ("matekd_bench", "plugins", "tasks", "tests", "docs", "benchmarks", "examples", r"\.ci")
BELOW = rf"(?:{'|'.join(TOPS)})/(?:[\w.-]+/)*(?:[\w.-]*\w)?"  # a folder or file named from the root
MODULE = r"[\w-]+(?:/[\w-]+)*/[\w-]+\.py"  # also one named from the package, as in `study/worker.py`
PATH = re.compile(rf"(?<![\w./<>{{}}*$-])(?:{BELOW}|{MODULE})(?![\w<{{*-])")
UNREAL = {
    "matekd_bench.perturb": "tests/test_public_face.py asks for a public name that does not exist",
    "matekd_bench.methods.perturbation.Views": "bound for type checkers only",
}
ELSEWHERE = {
    "MATE-KD/train_adversarial_student.py": "a file of the released code of MATE-KD",
    "tasks/reviews.toml": "a file that tests/cli/commands/test_new_task_command.py writes",
    "matekd_bench/no-such-model": "a model that tests/tools/doctor/test_machine.py does not find",
    "benchmarks/NAME.py": "any of the benchmarks, in tests/scripts.py",
}
SILENT = re.compile(r"raising\s*=\s*False")


@cache
def sources() -> list[Path]:
    """The text files of the project: those git knows or would add, all where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )  # fmt: skip
    names = [name for name in listed.stdout.decode().split("\0") if name]
    paths = map(ROOT.joinpath, names) if names else all_files(ROOT)
    return sorted(
        path
        for path in paths
        if (path.suffix in READ or path == ROOT / ".ci" / "run")
        and not LEFT_OUT.match(path.relative_to(ROOT).as_posix())
        and path.is_file()
        and path != Path(__file__).resolve()  # its own examples
    )


def all_files(folder: Path) -> Iterator[Path]:
    """Every file below, hidden folders and caches left out, `.ci` not."""
    for path in folder.iterdir():
        if path.is_dir() and (path.name == ".ci" or not path.name.startswith((".", "__pycache__"))):
            yield from all_files(path)
        elif path.is_file():
            yield path


def dotted(text: str) -> Iterator[tuple[int, str]]:
    """Where a text writes a dotted name of the project, and the name; a name imported from a module is one too."""
    for match in DOTTED.finditer(text):
        if not FILE.fullmatch(match[0]):
            yield match.start(), match[0].replace(":", ".")
    for match in FROM.finditer(text):
        for name in re.sub(r"#.*| as \w+", "", match[2] or match[3]).replace(",", " ").split():
            if name.isidentifier():
                yield match.start(1), f"{match[1]}.{name}"


def paths(text: str) -> Iterator[tuple[int, str]]:
    """Where a text writes a path that looks like one of the project's files, and the path."""
    yield from ((match.start(), match[0]) for match in PATH.finditer(text))


def there(path: str, named_in: Path) -> bool:
    """Whether a path leads to something from where paths are said to begin, or from the file that names it."""
    bases = (
        ROOT,
        *(home / name for name, home in HOMES.items()),
        *HOMES.values(),
        ROOT / "tests",
        named_in.parent,
    )
    return any((base / path).exists() for base in bases)


def places(file: Path, found: Iterable[tuple[int, str]], text: str) -> Iterator[str]:
    """file:line name"""
    for start, name in found:
        yield f"{file.relative_to(ROOT)}:{text.count(chr(10), 0, start) + 1} {name}"


def test_every_dotted_name_exists() -> None:
    wrong: list[str] = []
    for file in sources():
        text = file.read_text(encoding="utf-8")
        unknown = [(at, name) for at, name in dotted(text) if name not in UNREAL and not exists(name)]
        wrong += places(file, unknown, text)
    assert not wrong, "names that do not exist:\n" + "\n".join(wrong)


def test_every_file_that_is_named_exists() -> None:
    wrong: list[str] = []
    for file in sources():
        text = file.read_text(encoding="utf-8")
        unknown = [(at, path) for at, path in paths(text) if path not in ELSEWHERE and not there(path, file)]
        wrong += places(file, unknown, text)
    assert not wrong, "files that do not exist:\n" + "\n".join(wrong)


def test_no_test_replaces_a_name_that_need_not_exist() -> None:
    """With `raising=False` a patch of a name that has moved would change nothing, and nobody would notice."""
    wrong: list[str] = []
    for file in sources():
        text = file.read_text(encoding="utf-8")
        if file.is_relative_to(ROOT / "tests") and file.suffix == ".py" and SILENT.search(text):
            calls = (one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Call))
            wrong += [
                f"{file.relative_to(ROOT)}:{call.lineno} {ast.unparse(call)}"
                for call in calls
                if isinstance(call.func, ast.Attribute) and call.func.attr in ("setattr", "delattr")
                and any(SILENT.fullmatch(ast.unparse(one)) for one in call.keywords)
            ]  # fmt: skip
    assert not wrong, "patches with raising=False:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("python -m matekd_bench.study.execute.backends.worker.", ["matekd_bench.study.execute.backends.worker"]),
        ('"matekd_bench.cli:main"', ["matekd_bench.cli.main"]),
        (
            "from matekd_bench.errors import (\n    A,  # b\n    C as D,\n)",
            ["matekd_bench.errors", "matekd_bench.errors.A", "matekd_bench.errors.C"],
        ),
        ("matekd_bench.toml, any/matekd_plugins.kd, matekd_bench_wordswap.x, matekd_bench_methods", []),
    ],
)  # fmt: skip
def test_what_a_dotted_name_is(text: str, names: list[str]) -> None:
    assert [name for _, name in dotted(text)] == names


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("matekd_bench.study.execute.placement.Scheduler.run", True),  # of a class from another module
        ("matekd_bench.study.spec.study_spec.StudySpec.training", True),  # an annotation
        ("matekd_bench.errors.BenchError.__cause__", True),  # of a base class that is not ours
        ("matekd_bench.Method", True),  # imported on first use
        ("matekd_plugins.matekd.adversary", True),
        ("matekd_bench.errors.BenchError.nothing", False),
        ("matekd_bench.study.nothing", False),
        ("matekd_bench.nothing.StudySpec", False),
    ],
)
def test_what_exists(name: str, there: bool) -> None:
    assert exists(name) is there

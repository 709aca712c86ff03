"""The examples of README and docs are real: plugins load and train, commands and config files are understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import pytest

from matekd_bench.cli import main
from matekd_bench.errors import UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.spec.request import StudyRequest
from pages import NAMED, PAGES, ROOT, blocks, commands, files

LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
PLUGINS = [(page, name) for page in PAGES for name in files(page) if name.endswith(".py")]
METHODS = [(page, name) for page, name in PLUGINS if "matekd_bench_methods" in files(page)[name]]
COMMANDS = [(page, command) for page in PAGES for command in commands(page)]


def title(value: object) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_files(page: Path) -> None:
    """Puts the files that a page shows, and the data and packages that pages speak of, into the working folder."""
    for name, text in files(page).items():
        Path(name).write_text(text, encoding="utf-8")
    write_own_data()


def write_own_data() -> None:
    """Two files of reviews, the task that is made of them where a page does not show it, and a folder of such tasks."""
    for split in ("train", "dev"):
        rows = "".join(f"{split} {at},{('neg', 'pos')[at % 2]}\n" for at in range(8))
        Path(f"{split}.csv").write_text(f"review,stars\n{rows}", encoding="utf-8")
    if not Path("reviews.toml").exists():
        Path("reviews.toml").write_text(REVIEWS.replace("../", ""), encoding="utf-8")
    Path("lab/presets").mkdir(parents=True)
    Path("lab/reviews.toml").write_text(REVIEWS, encoding="utf-8")
    Path("lab/suites.toml").write_text('[ours]\ntasks = ["reviews", "rte"]\n', encoding="utf-8")
    Path("lab/presets/short.toml").write_text('preset = "minilm"\nbudget.limit = 100\n', encoding="utf-8")


INSTALLED = {"hesitate,eda"}  # methods of the package that the tutorial has installed by then
REVIEWS = """
name = "reviews"
kind = "classification"
texts = ["review"]
label = "stars"
labels = ["neg", "pos"]
train = "../train.csv"
dev = "../dev.csv"
"""


def test_there_is_something_to_test() -> None:
    pages = {"README.md", "tutorial.md", "hooks.md", "events.md", "write-a-method.md"}
    pages |= {"method-views.md", "method-modules.md", "method-attributes.md"}
    assert {page.name for page, _ in PLUGINS} == pages
    assert len(COMMANDS) > 15


def test_every_block_that_announces_a_method_names_its_file() -> None:
    for page in PAGES:
        announcing = [block for block in blocks(page, "python") if "@hookimpl" in block]
        assert [block for block in announcing if not NAMED.match(block)] == []


def test_links_lead_to_files() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in [*PAGES, ROOT / "results" / "README.md"]
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_plan_of_the_page_is_the_real_one(
    glue_dir: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "configuration.md"
    [shown] = [block for block in blocks(page, "text") if block.startswith("method ")]
    [command] = [command for command in commands(page) if command[-1] == "--dry-run"]
    assert main([str(glue_dir) if word == "DIR" else word for word in command]) == 0
    assert capsys.readouterr().out.startswith(shown)


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=title)
def test_commands_are_understood(
    page: Path, command: list[str], in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` up to the door of training, `methods` and `tasks` for real, the rest as far as options go."""
    write_files(page)
    # what the project carries is named from its root; the test stands in a folder of its own
    command = [str(ROOT / word) if word.startswith("results/reference/") else word for word in command]
    if command[:2] == ["tasks", "new"]:
        Path(f"{command[2]}.toml").unlink(missing_ok=True)  # what the page shows is what this writes
    if INSTALLED & set(command):
        command = [*command, "--plugin", "hesitate_rate.py"]
    if command[0] == "run":
        asked: list[StudyRequest] = []

        def closed(request: StudyRequest, *_: object, **__: object) -> NoReturn:
            asked.append(request)
            raise UsageError("the door is closed.")

        monkeypatch.setattr("matekd_bench.study.run", closed)
        assert main(command) == 2
        check_request(asked[0], plugins_of(command))
    else:
        slow = command[1:2] in (["preview"], ["check"], ["texts"], ["rows"])  # their own tests run them
        outside = "--hub" in command or command[1:3] == ["check", "hesitate"]
        outside = outside or (command[:2] == ["tasks", "new"] and page.name == "cli.md")  # files of nobody's
        alone = command[0] in ("methods", "tasks", "plugins") and not slow and not outside
        assert main(command if alone else [*command, "--help"]) == 0


def plugins_of(command: Sequence[str]) -> list[Path]:
    return [Path(value) for option, value in pairwise(command) if option == "--plugin"]


def check_request(request: StudyRequest, plugins: Sequence[Path]) -> None:
    """Raises a BenchError unless methods, parameters and tasks all exist."""
    from matekd_bench.study.plan.grid import chosen_methods, chosen_tasks

    host = Host.load(files=plugins)
    assert chosen_methods(request.spec, host)
    assert chosen_tasks(request.spec.tasks, host)


@pytest.mark.parametrize(("page", "name"), PLUGINS, ids=title)
def test_plugins_load(page: Path, name: str, in_folder: Path) -> None:
    write_files(page)
    host = Host.load(files=[in_folder / name])
    [info] = [info for info in host.plugins if info.by.path]
    assert info.status == "ok"
    assert info.provides
    assert host.conflicts == {}


SENTENCES = (
    "the man plays music .",
    "a big dog runs .",
    "a woman sings , and the child sleeps .",
    "the small cat sees a red bird .",
)


@pytest.fixture
def glue(in_folder: Path) -> Path:
    """A GLUE folder with a few rows of RTE."""
    folder = in_folder / "glue" / "RTE"
    folder.mkdir(parents=True)
    for split, count in (("train", 32), ("dev", 16)):
        rows = [
            f"{row}\t{SENTENCES[row % 4]}\t{SENTENCES[row // 4 % 4]}\t"
            f"{'entailment' if row % 4 == row // 4 % 4 else 'not_entailment'}"
            for row in range(count)
        ]
        text = "\n".join(["index\tsentence1\tsentence2\tlabel", *rows])
        (folder / f"{split}.tsv").write_text(text + "\n", encoding="utf-8")
    return folder.parent


@pytest.mark.parametrize(("page", "name"), METHODS, ids=title)
def test_plugins_train(
    page: Path, name: str, glue: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(glue.parent / "cache"))
    write_files(page)
    [record] = [
        found.record for found in Host.load(files=[Path(name)]).methods.values() if found.by.path is not None
    ]
    method = f"{record.name}[eda]" if record.wraps else record.name
    models = ["--teacher", str(tiny_checkpoint), "--student", "layers:0,2", "--generator", "layers:0,2"]
    study = ["--preset", "minilm", "--glue-dir", str(glue), "--tasks", "rte", "--budget", "student_updates=2"]
    what = ["--plugin", name, "--methods", method, "--reference", "none", "--quiet"]
    assert main(["run", *what, *models, *study]) == 0
    [run] = ResultsStore(Path("results")).records()
    assert run.status in ("ok", "collapsed")  # untrained networks may give one answer for all
    assert run.compute.student_updates == 2
    assert run.compute.forwards["student"] >= 4

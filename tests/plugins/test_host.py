"""Discovery, isolation and conflicts, with real distributions that importlib.metadata finds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matekd_bench.errors import PluginError, UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.naming import methods_of_file

Install = Callable[..., Path]

PARAMS = """
from pydantic import Field
from matekd_bench import Method, Params, hookimpl

class Broken(Params):
    rate: float = Field(default_factory=lambda: 1 / 0)

@hookimpl
def matekd_bench_methods():
    yield Method(name="x", summary="", factory=print, params=Broken, level="text", version="1")
"""
METHOD = """
from matekd_bench import Method, Perturbation, hookimpl

@hookimpl
def matekd_bench_methods():
    yield Method(name="{name}", summary="a test", factory=Perturbation, level="text", version="1")
"""


OFFER = """
from matekd_bench import Exporter, Preset, Synonyms, Thesaurus, Tracker, hookimpl

@hookimpl
def matekd_bench_{kind}():
    yield {record}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one module that is its only plugin."""
    modules: list[str] = []

    def build(distribution: str, source: str, *, plugin: str | None = None) -> Path:
        module = f"plugin_of_{distribution.replace('-', '_')}"
        site = tmp_path / f"site-{distribution}"
        info = site / f"{module}-1.5.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[matekd_bench]\n{plugin or distribution} = {module}\n")
        monkeypatch.syspath_prepend(str(site))
        modules.append(module)
        return site

    yield build
    for module in modules:
        sys.modules.pop(module, None)


def test_an_installed_method_is_found_with_its_distribution(install: Install) -> None:
    install("probe-good", METHOD.format(name="probe:good"))
    found = Host.load().method("probe:good")
    assert found.record.summary == "a test"
    assert (found.by.distribution, found.by.version, found.by.plugin) == ("probe-good", "1.5", "probe-good")
    assert len(str(found.code.digest)) == 64


def test_a_refused_method_is_not_listed_and_says_why(install: Install) -> None:
    source = METHOD.format(name="probe:refused").replace("version=", 'refused="Use probe:good.", version=')
    install("probe-refusing", source)
    host = Host.load()
    assert "probe:refused" not in host.methods
    [info] = (info for info in host.plugins if info.name == "probe-refusing")
    assert (info.status, info.provides) == ("ok", ())
    with pytest.raises(UsageError, match=r"'probe:refused'.*Use probe:good"):
        host.method("probe:refused")
    with pytest.raises(UsageError) as caught:
        host.method("probe:refuse")
    assert "'probe:refused'" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import probe_no_such_module", "ModuleNotFoundError: No module named 'probe_no_such_module'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import pytest; pytest.skip('not today', allow_module_level=True)", "Skipped: not today"),
        (PARAMS, "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        (METHOD.format(name="x").replace("yield", "raise RuntimeError('no'); yield"), "RuntimeError: no"),
        (METHOD.format(name="Upper Case"), "method 'Upper Case'"),
        (METHOD.format(name="x").replace('"text"', '"word"'), "'word'"),
        (
            METHOD.format(name="x").replace("factory=", "params=dict, factory="),
            "subclass of matekd_bench.Params",
        ),
        (
            METHOD.format(name="x").replace("_methods()", "_methods(config)"),
            "'config'",
        ),
        ("from matekd_bench import hookimpl\n@hookimpl\ndef matekd_bench_methods():\n    return 7", "an int"),
        (
            "from matekd_bench import hookimpl\n@hookimpl\ndef matekd_bench_tasks():\n    return [7]",
            "not a Task",
        ),
        ("VALUE = 1", "no hook"),
        (METHOD.format(name="x").replace("@hookimpl\n", ""), "matekd_bench_methods with @hookimpl"),
        (
            METHOD.format(name="x") + "\ndef matekd_bench_evaluated(run):\n    pass\n",
            "matekd_bench_evaluated with",
        ),
        (METHOD.format(name="x").replace("def mat", "async def mat").replace("yield", "return"), "async def"),
        (METHOD.format(name="x").replace("yield Method(", "return dict("), "a dict"),
        (METHOD.format(name="x").replace("yield", "return"), "a Method"),
        (
            METHOD.format(name="x").replace("yield Method(", "[Method(").replace('"1")', '"1")]'),
            "returned None",
        ),
        (
            METHOD.format(name="x").replace("yield Method(", "yield [Method(").replace('"1")', '"1")]'),
            "returned a list",
        ),
        (METHOD.format(name="x").replace('name="x"', "name=print"), "builtin_function"),
        ("from matekd_bench import *\n@hookimpl\ndef matekd_bench_methods():\n    yield int", "class int"),
        (
            "from matekd_bench import Perturbation, hookimpl\n@hookimpl\ndef matekd_bench_methods():\n"
            "    yield Perturbation(None, None)",
            "a Perturbation",
        ),
        (METHOD.format(name="x").replace("bench_methods", "bench_method"), "'matekd_bench_methods'"),
        (OFFER.format(kind="presets", record='Preset(name="x", settings=3)'), "settings"),
        (OFFER.format(kind="exporters", record='Exporter(extension="XLS", summary="", write=print)'), "XLS"),
        (
            OFFER.format(kind="exporters", record='Exporter(extension="xls", summary="", write=print)'),
            "extension",
        ),
        (OFFER.format(kind="trackers", record='Tracker(name="x", summary="", start=3)'), "start"),
        (OFFER.format(kind="thesauri", record='Thesaurus(name="x", summary="", load=3)'), "load"),
        (METHOD.format(name="x") + "    raise RuntimeError('after the first')\n", "after the first"),
    ],
)
def test_a_broken_plugin_costs_one_warning_and_its_own_row(
    install: Install, source: str, reason: str
) -> None:
    install("probe-broken", source)
    install("probe-good", METHOD.format(name="probe-good"))
    host = Host.load()
    assert {"probe-good", "x"} & set(host.methods) == {"probe-good"}  # nothing of the broken one
    [info] = [info for info in host.plugins if info.name == "probe-broken"]
    assert (info.status, reason in str(info.reason)) == ("broken", True)
    [warning] = [line for line in host.warnings if "probe-broken" in line]
    assert [part for part in ("probe-broken 1.5", reason) if part not in warning] == []
    assert "\n" not in warning


@pytest.mark.parametrize(
    ("value", "missing"), [("probe_typo", "'probe_typo'"), ("plugin_of_probe_entry:typo", "'typo'")]
)
def test_an_entry_point_that_leads_nowhere_is_named(install: Install, value: str, missing: str) -> None:
    site = install("probe-entry", METHOD.format(name="probe-entry"))
    [entries] = site.glob("*/entry_points.txt")
    entries.write_text(f"[matekd_bench]\nprobe = {value}\n")
    [info] = [info for info in Host.load().plugins if info.by.distribution == "probe-entry"]
    assert [part for part in (missing, value, "pyproject.toml") if part not in str(info.reason)] == []


def test_an_optional_hook_of_another_version_is_no_mistake(install: Install) -> None:
    later = "\n@hookimpl(optionalhook=True)\ndef matekd_bench_reports():\n    return []\n"
    install("probe-later", METHOD.format(name="probe-later") + later)
    assert "probe-later" in Host.load().methods


OFFERS = {
    "thesauri": 'Thesaurus(name="probe", summary="", load=lambda: Synonyms("probe", lambda word: ()))',
    "presets": 'Preset(name="probe", settings={"seeds": 2})',
    "exporters": 'Exporter(extension=".probe", summary="", write=lambda table: b"")',
    "trackers": 'Tracker(name="probe", summary="", start=lambda results: None)',
}


@pytest.mark.parametrize("kind", OFFERS)
def test_other_offers_are_found_and_claimed_like_methods(install: Install, kind: str) -> None:
    source = OFFER.format(kind=kind, record=OFFERS[kind])
    install("probe-one", source)
    host = Host.load()
    word = {"thesauri": "thesaurus"}.get(kind, kind.removesuffix("s"))
    found = getattr(host, kind)["probe"]
    assert (found.record.name, found.by.distribution) == ("probe", "probe-one")
    [info] = [info for info in host.plugins if info.name == "probe-one"]
    assert info.provides == (f"{word} probe",)
    with pytest.raises(UsageError, match=f"{word} 'prob'.*'probe'"):
        host.get(word, "prob", getattr(host, kind))
    install("probe-two", source)
    host = Host.load()
    with pytest.raises(PluginError, match=rf"{word} .*'probe' .*probe-one.*probe-two"):
        host.get(word, "probe", getattr(host, kind))


def test_asking_for_a_method_of_a_broken_plugin_gives_the_reason(install: Install) -> None:
    install("probe-broken", "import probe_no_such_module", plugin="probe")
    host = Host.load()
    for name in ("probe", "probe:swap"):
        with pytest.raises(PluginError, match=r"probe-broken 1\.5 .*ModuleNotFoundError"):
            host.method(name)


def test_one_name_from_two_packages_is_an_error_that_names_both(install: Install) -> None:
    install("probe-one", METHOD.format(name="twin"))
    install("probe-two", METHOD.format(name="twin"))
    install("probe-three", METHOD.format(name="single"))
    host = Host.load()
    assert host.method("single").by.distribution == "probe-three"
    assert "twin" not in host.methods
    assert [claim.by.distribution for claim in host.conflicts["method", "twin"]] == ["probe-one", "probe-two"]
    with pytest.raises(PluginError) as caught:
        host.method("twin")
    for part in ("'twin'", "probe-one 1.5", "probe-two 1.5", "uninstall", "--no-plugins"):
        assert part in str(caught.value)


def test_a_name_of_the_suite_is_taken_and_a_name_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    for source, parts in (
        (METHOD.format(name="eda"), ("'eda'", "mine.py is taken", "matekd-bench")),
        (
            METHOD.format(name="own") + METHOD[METHOD.index("    yield") :].format(name="own"),
            ("'own'", "2 times"),
        ),
        (
            "from matekd_bench import hookimpl\n@hookimpl\ndef matekd_bench_evaluated(run): pass",
            ("no method",),
        ),
    ):
        file.write_text(source)
        host = Host.load([file])
        with pytest.raises(PluginError) as caught:
            methods_of_file(file, host.methods, host.conflicts)
        assert [part for part in parts if part not in str(caught.value)] == []


def test_one_entry_point_name_in_two_packages_is_no_conflict(install: Install) -> None:
    install("probe-one", METHOD.format(name="first"), plugin="methods")
    install("probe-two", METHOD.format(name="second"), plugin="methods")
    host = Host.load()
    assert {"first", "second"} <= set(host.methods)


def test_only_builtin_leaves_other_packages_out_and_does_not_import_them(install: Install) -> None:
    install("probe-good", METHOD.format(name="probe-good"))
    host = Host.load(only_builtin=True)
    assert "probe-good" not in host.methods
    assert {info.by.distribution for info in host.plugins} <= {"matekd-bench"}
    assert "plugin_of_probe_good" not in sys.modules


def test_unknown_names_suggest_the_nearest(install: Install) -> None:
    install("matekd-bench", METHOD.format(name="probe-good"))  # stands in where the checkout is not installed
    host = Host.load()
    with pytest.raises(UsageError, match=r"'prob-good'.*'probe-good'"):
        host.method("prob-good")
    assert host.method("Probe_Good") is host.methods["probe-good"]
    with pytest.raises(UsageError, match="matekd-bench tasks"):
        host.suite("no-such-suite")


def test_a_checkout_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    host = Host.load()
    assert host.methods == {}
    assert "pip install -e ." in host.warnings[0]
    with pytest.raises(PluginError, match=r"'kd'.*not installed"):
        host.method("kd")


def test_a_file_is_a_plugin_with_the_digest_of_its_source(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(METHOD.format(name="of-a-file"))
    first = Host.load([file, file]).method("of-a-file")
    assert first.by.distribution is None
    file.write_text(METHOD.format(name="of-a-file").replace("a test", "b test"))  # the same size and second
    second = Host.load([file]).method("of-a-file")
    assert second.record.summary == "b test"
    assert first.code.digest != second.code.digest
    assert len(str(second.code.digest)) == 64
    assert not (tmp_path / "__pycache__").exists()


def test_a_file_may_define_parameters(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    source = METHOD.format(name="of-a-file").replace("Perturbation, hook", "Params, Perturbation, hook")
    source = source.replace(
        "\n@hookimpl", '\nclass Own(Params):\n    alpha: float = 0.1\n    """Share."""\n\n@hookimpl'
    )
    file.write_text(source.replace("factory=", "params=Own, factory="))
    params = Host.load([file]).method("of-a-file").record.params
    assert params.model_fields["alpha"].description == "Share."


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "mine.py'"),
        ("import probe_no_such_module", "ModuleNotFoundError"),
        (METHOD.format(name="x").replace("_methods", "_metods"), "'matekd_bench_methods'"),
    ],
)
def test_a_file_that_fails_is_an_error_since_the_user_named_it(
    tmp_path: Path, source: str | None, message: str
) -> None:
    file = tmp_path / "mine.py"
    if source is not None:
        file.write_text(source)
    with pytest.raises(PluginError, match=message):
        Host.load([file])

"""The presets of matekd-bench and of plugins: settings that a study starts from."""

from __future__ import annotations

from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING, Any

from matekd_bench.errors import BenchError, PluginError, unknown
from matekd_bench.files.reading import read_toml
from matekd_bench.study.spec.layers import expanded, merged

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

PRESETS = resources.files(__package__) / "presets"


def preset_names(host: Host | None = None) -> list[str]:
    """Return the names of the built-in presets and of those that the plugins of `host` offer."""
    files = (entry.name for entry in PRESETS.iterdir() if entry.name.endswith(".toml"))
    return sorted({*(name.removesuffix(".toml") for name in files), *(host.presets if host else ())})


def preset_table(name: str, host: Host | None = None) -> dict[str, Any]:
    """Return all settings of a preset, including those of the preset that it builds on; short forms are written out.

    Raises UsageError for an unknown name and PluginError for a name that is used twice.
    """
    return _preset_table(name, host, ())


def usable_presets(host: Host) -> dict[str, dict[str, Any]]:
    """Return the settings of every preset by name, without those of plugins that cannot be read."""
    tables = {}
    for name in preset_names(host):
        with suppress(BenchError):  # reported to whoever names the preset
            tables[name] = preset_table(name, host)
    return tables


def _preset_table(name: str, host: Host | None, above: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings of a preset; `above` are the presets that build on it, to detect a cycle."""
    offered = host.presets.get(name) if host else None
    built_in = name in preset_names()
    if built_in and offered is None:
        return expanded(read_toml(PRESETS / f"{name}.toml"))
    if offered is None:
        raise _unknown_preset(name, host)
    if built_in:
        raise PluginError(f"the preset name '{name}' of {offered.by} is taken by matekd-bench: rename yours.")
    if name in above:
        raise PluginError(f"the preset '{name}' of {offered.by} builds on itself: change its key 'preset'.")
    table = expanded({"summary": offered.record.summary, **offered.record.settings})
    base = table.pop("preset", None)
    return table if base is None else merged(_preset_table(str(base), host, (*above, name)), table)


def _unknown_preset(name: str, host: Host | None) -> Exception:
    """Return the error for a name that no preset has, or that several plugins give to a preset."""
    if host is not None and ("preset", name) in host.conflicts:
        return host.missing_error("preset", name, ())
    return unknown("preset", name, preset_names(host))

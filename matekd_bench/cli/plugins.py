"""``matekd-bench plugins``: what is installed, what it provides, and why a broken one was left out."""

from __future__ import annotations

from dataclasses import asdict

from matekd_bench.cli.options import Json, NoPlugins, PluginFiles
from matekd_bench.cli.output import print_json, print_table, warn


def plugins(json: Json = False, plugin: PluginFiles = None, no_plugins: NoPlugins = False) -> None:
    """List the plugins: where they come from, what they provide, and why a broken one was left out."""
    from matekd_bench.plugins.host import NOT_INSTALLED, Host, conflict

    host = Host.load(plugin or (), only_builtin=no_plugins)
    if NOT_INSTALLED in host.warnings:
        warn(NOT_INSTALLED)
    for (kind, name), claims in host.conflicts.items():
        warn(str(conflict(kind, name, claims)))
    if json:
        print_json(
            [
                {
                    **asdict(info.by),
                    "provides": list(info.provides),
                    "status": info.status,
                    "reason": info.reason,
                }
                for info in host.plugins
            ]
        )
        return
    rows = [
        (
            info.name,
            info.by.distribution or str(info.by.path),
            info.by.version or "-",
            info.status,
            info.reason or ", ".join(info.provides),
        )
        for info in host.plugins
    ]
    print_table(("plugin", "distribution", "version", "status", "provides, or the reason"), rows)

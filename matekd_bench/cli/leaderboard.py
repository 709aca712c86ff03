"""``matekd-bench leaderboard``: the comparison of all recorded runs."""

from __future__ import annotations

from matekd_bench.cli.options import RESULTS, Control, Json, NoControl, NoPlugins, PluginFiles, Results
from matekd_bench.cli.output import load_host


def leaderboard(
    results: Results = RESULTS,
    control: Control = None,
    no_control: NoControl = False,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Print the leaderboard, computed afresh from the records in the results folder."""
    from matekd_bench.cli.board import chosen_control, print_leaderboard

    host = load_host(plugin, no_plugins)
    print_leaderboard(host, results, chosen_control(control, no_control), json=json)

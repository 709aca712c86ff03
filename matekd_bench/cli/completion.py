"""What the shell offers when Tab is pressed: names of methods, tasks and presets, found without loading torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

Offer = list[tuple[str, str]]  # what is completed, and a word about it for shells that show one


def methods(incomplete: str) -> Offer:
    """Methods; after a comma the next one."""
    return _next(incomplete, ((name, one.record.summary) for name, one in _host().methods.items()))


def tasks(incomplete: str) -> Offer:
    """Tasks and suites; after a comma the next one."""
    host = _host()
    suites = ((name, one.record.summary) for name, one in host.suites.items())
    return _next(incomplete, [*((name, one.record.summary) for name, one in host.tasks.items()), *suites])


def method(incomplete: str) -> Offer:
    """One method."""
    return _matching(incomplete, ((name, one.record.summary) for name, one in _host().methods.items()))


def task(incomplete: str) -> Offer:
    """One task."""
    return _matching(incomplete, ((name, one.record.summary) for name, one in _host().tasks.items()))


def presets(incomplete: str) -> Offer:
    """Presets."""
    from matekd_bench.study.spec.study_spec import preset_names, preset_table

    host = _host()
    offers = ((name, preset_table(name, host).get("summary", "")) for name in preset_names(host))
    return _matching(incomplete, offers)


def trackers(incomplete: str) -> Offer:
    """Trackers; after a comma the next one."""
    return _next(incomplete, ((name, one.record.summary) for name, one in _host().trackers.items()))


def executors(incomplete: str) -> Offer:
    """Where runs may be trained."""
    from matekd_bench.study.spec.request import EXECUTORS

    return _matching(incomplete, ((name, "") for name in EXECUTORS))


def budgets(incomplete: str) -> Offer:
    """Kinds of budget, up to the number."""
    from matekd_bench.study.spec.study_spec import BUDGET_KINDS

    return _matching(incomplete, ((f"{kind}=", "") for kind in BUDGET_KINDS))


def _host() -> Host:
    from matekd_bench.plugins.host import Host

    return Host.load()


def _matching(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offer:
    return sorted((name, about) for name, about in offers if name.startswith(incomplete))


def _next(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offer:
    """Completes what stands after the last comma and leaves out what the list has already."""
    before, comma, last = incomplete.rpartition(",")
    listed = before.split(",")
    free = ((name, about) for name, about in offers if name not in listed)
    return [(f"{before}{comma}{name}", about) for name, about in _matching(last, free)]

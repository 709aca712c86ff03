"""A look at everything on this machine that a study may need; nothing is fetched and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from matekd_bench.health.check import Check
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.naming import conflict

SECONDS = 3.0  # for the Hub to answer


def examine(host: Host, glue_dir: Path | None, *, network: bool = False) -> Iterator[Check]:
    """Every check in turn, the quick ones first; the network is asked only with `network`."""
    from matekd_bench.health import caches, data, models, versions

    yield from guarded(versions.TOPIC, versions.versions)
    yield from guarded("plugins", partial(plugins, host))
    yield from guarded(caches.TOPIC, caches.caches)
    yield from guarded(models.TOPIC, models.models)
    yield from guarded(data.TOPIC, partial(data.glue_folder, glue_dir, host))
    yield from guarded(data.TOPIC, partial(data.wordnet, host))
    if network:
        yield from guarded("network", hub)
    from matekd_bench.health import devices

    yield from guarded(devices.TOPIC, devices.devices)


def guarded(topic: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The checks of one look; a problem where it fails, so that the others are still made."""
    try:
        yield from look()
    except (
        Exception
    ) as error:  # what is wrong with a machine is not known beforehand, and this is where it is told
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        yield Check(topic, topic, "problem", f"can't be looked at: {reason}")


def plugins(host: Host) -> Iterator[Check]:
    """A line for what plugins provide, and one for each that was left out or claims another's name."""
    broken = [info for info in host.plugins if info.status == "broken"]
    text = (
        f"{len(host.methods)} methods, {len(host.tasks)} tasks from {len(host.plugins) - len(broken)} plugins"
    )
    yield Check("plugins", "loaded", "ok" if host.methods else "problem", text)
    for info in broken:
        todo = "mend or uninstall it; --no-plugins leaves other packages out"
        yield Check("plugins", info.name, "problem", f"{info.by} was left out: {info.reason}", todo)
    for (kind, name), claims in host.conflicts.items():
        error = conflict(kind, name, claims)
        yield Check("plugins", name, "problem", error.message.removesuffix(":"), str(error.hint))


def hub() -> Iterator[Check]:
    """Whether the Hub answers."""
    from huggingface_hub import constants

    from matekd_bench.network import hub_answers

    if hub_answers(SECONDS):
        yield Check("network", "hub", "ok", f"{constants.ENDPOINT} answers")
    elif constants.HF_HUB_OFFLINE:
        yield Check("network", "hub", "missing", "not asked: HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
    else:
        text = f"{constants.ENDPOINT} does not answer within {SECONDS:.0f} s"
        yield Check(
            "network",
            "hub",
            "missing",
            text,
            "use local files and folders, or set HF_ENDPOINT or HTTPS_PROXY",
        )

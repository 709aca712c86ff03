"""All checks of ``matekd-bench doctor``, one after another; they fetch and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from matekd_bench.errors import one_line
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.naming import conflict_error
from matekd_bench.tools.doctor.finding import Finding

SECONDS = 3.0  # for the Hub to answer


def examine(host: Host, glue_dir: Path | None, *, network: bool = False) -> Iterator[Finding]:
    """Run every check, the quick ones first; check the network only with `network`."""
    from matekd_bench.tools.doctor import caches, glue_and_wordnet, preset_models, versions

    yield from guarded(versions.TOPIC, versions.versions)
    yield from guarded("plugins", partial(plugins, host))
    yield from guarded(caches.TOPIC, caches.caches)
    yield from guarded(preset_models.TOPIC, preset_models.models)
    yield from guarded(glue_and_wordnet.TOPIC, partial(glue_and_wordnet.glue_folder, glue_dir, host))
    yield from guarded(glue_and_wordnet.TOPIC, partial(glue_and_wordnet.wordnet, host))
    if network:
        yield from guarded("network", hub)
    from matekd_bench.tools.doctor import devices

    yield from guarded(devices.TOPIC, devices.devices)


def guarded(topic: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the findings of one check; if it raises, yield a problem, so that the other checks still run."""
    try:
        yield from check()
    except Exception as error:  # a damaged machine can raise anything, and doctor must report it
        yield Finding(topic, topic, "problem", f"cannot be checked: {one_line(error)}")


def plugins(host: Host) -> Iterator[Finding]:
    """Check the plugins: count what they provide, and report those that are broken or claim the same name."""
    broken = [info for info in host.plugins if info.status == "broken"]
    text = (
        f"{len(host.methods)} methods, {len(host.tasks)} tasks from {len(host.plugins) - len(broken)} plugins"
    )
    yield Finding("plugins", "loaded", "ok" if host.methods else "problem", text)
    for info in broken:
        todo = "fix or uninstall it; --no-plugins excludes the plugins of other packages"
        yield Finding("plugins", info.name, "problem", f"{info.by} was left out: {info.reason}", todo)
    for (kind, name), claims in host.conflicts.items():
        error = conflict_error(kind, name, claims)
        yield Finding("plugins", name, "problem", error.message.removesuffix(":"), str(error.hint))


def hub() -> Iterator[Finding]:
    """Check that the Hub answers."""
    from huggingface_hub import constants

    from matekd_bench.files.hub.network import hub_answers

    if hub_answers(SECONDS):
        yield Finding("network", "hub", "ok", f"{constants.ENDPOINT} answers")
    elif constants.HF_HUB_OFFLINE:
        yield Finding(
            "network", "hub", "missing", "not checked: HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE"
        )
    else:
        text = f"{constants.ENDPOINT} does not answer within {SECONDS:.0f} s"
        yield Finding(
            "network",
            "hub",
            "missing",
            text,
            "use local files and folders, or set HF_ENDPOINT or HTTPS_PROXY",
        )

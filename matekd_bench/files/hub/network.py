"""Checks whether the Hugging Face Hub answers, avoids waiting for it otherwise, and implements ``--offline``."""

from __future__ import annotations

import errno
import functools
import logging
import os
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from matekd_bench.errors import os_reason

ANSWER_TIMEOUT = 10.0  # seconds after which the Hub counts as unreachable
SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "TRANSFORMERS_OFFLINE")
ATTRIBUTES = {  # settings that the libraries read from the environment at import
    "huggingface_hub.constants": "HF_HUB_OFFLINE",
    "datasets.config": "HF_HUB_OFFLINE",
    "evaluate.config": "HF_EVALUATE_OFFLINE",
}
THIS_MACHINE = ("localhost", "127.0.0.1", "::1", "")
FORBIDDEN = "a connection that --offline forbids"

_offline: list[str] = []  # while offline: the command that fetches missing files
_hook_installed = False


def hub_answers(seconds: float = ANSWER_TIMEOUT) -> bool:
    """Return True if the Hub, or the mirror in HF_ENDPOINT, answers in time; send one request per process.

    Any answer counts, even a refusal. With HF_HUB_OFFLINE set the result is False, without a request.
    """
    return hub_silence(seconds) is None


@functools.cache
def hub_silence(seconds: float = ANSWER_TIMEOUT) -> str | None:
    """Return why the Hub does not answer, in a few words; None if it does, in the sense of :func:`hub_answers`."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "offline"
    reasons: list[str | None] = []
    request = threading.Thread(
        target=lambda: reasons.append(_silence(constants.ENDPOINT, seconds)), daemon=True
    )
    request.start()
    request.join(seconds)  # the request's own time limit does not cover the look-up of the host name
    return reasons[0] if reasons else f"no answer within {seconds:g} s"


def _silence(address: str, seconds: float) -> str | None:
    """Return why a server at `address` does not answer a HEAD request within `seconds`; None if it does."""
    try:
        opener = urllib.request.build_opener()  # with the current proxies
        opener.open(urllib.request.Request(address, method="HEAD"), timeout=seconds).close()
    except urllib.error.HTTPError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        # The server exists, but Python cannot check its certificate. The Hub's library has its own certificates.
        return None if isinstance(reason, ssl.SSLError) else _plain_reason(reason, address)
    return None


def _plain_reason(reason: object, address: str) -> str:
    """Return in a few words why `address` was not reached, and the variable that names a proxy for it."""
    text = os_reason(reason) if isinstance(reason, BaseException) else str(reason)
    scheme = address.partition(":")[0]
    proxied = scheme in urllib.request.getproxies()
    return f"{text}, through the proxy in {scheme.upper()}_PROXY" if proxied else text


@contextmanager
def without_retries() -> Iterator[None]:
    """Silence the Hub's libraries, and let them use their caches at once if the Hub does not answer.

    Otherwise they retry six times, for half a minute, for every model and task.
    """

    logger = logging.getLogger("huggingface_hub")
    with ExitStack() as changes:
        changes.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.ERROR)
        if not hub_answers():
            _switch_off(changes)
        yield


def _switch_off(changes: ExitStack) -> None:
    """Set the libraries that are already imported to offline mode until `changes` is closed."""
    for module, name in ATTRIBUTES.items():
        if module in sys.modules:
            _set(changes, sys.modules[module], name, True)


def _set(changes: ExitStack, owner: Any, name: str, value: bool) -> None:
    """Set an attribute until `changes` is closed."""
    changes.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


@contextmanager
def offline(command: str) -> Iterator[None]:
    """Switch the Hub's libraries to offline mode and refuse every connection to another machine.

    `command` is the command that fetches missing files when there is a network. Enter this context before those
    libraries are imported if possible, because they read the switch from the environment at import.
    """
    global _hook_installed
    if not _hook_installed:
        # An audit hook cannot be removed, so it stays; it does nothing while `_offline` is empty.
        sys.addaudithook(_refuse_remote)
        _hook_installed = True
    with ExitStack() as changes:
        for name in SWITCHES:
            changes.callback(_restore_variable, name, os.environ.get(name))
            os.environ[name] = "1"
        _switch_off(changes)
        _offline.append(command)
        changes.callback(_offline.pop)
        yield


def fetch_command() -> str | None:
    """Return the command that fetches missing files when there is a network; None if this process is not offline."""
    return _offline[-1] if _offline else None


def fetch_hint(usual: str) -> str:
    """Return the hint for a file that must be fetched: the command that does it if offline, else `usual`."""
    return f"With a network connection, '{_offline[-1]}' fetches it." if _offline else usual


def _refuse_remote(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise OSError for connections to other machines and look-ups of their names; an audit hook.

    Connections to this machine and Unix sockets, whose address is a file name, are allowed.
    """
    if not _offline or not event.startswith("socket."):
        return
    host = None
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    if host is not None and _decoded(host) not in THIS_MACHINE:
        raise OSError(errno.ENETUNREACH, FORBIDDEN, _decoded(host))


def _decoded(host: Any) -> str:
    return host.decode("utf-8", "replace") if isinstance(host, (bytes, bytearray)) else str(host)


def _restore_variable(name: str, value: str | None) -> None:
    """Set an environment variable to `value`, or delete it if `value` is None."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value

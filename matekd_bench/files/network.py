"""Whether the Hugging Face Hub answers, doing without it at once where it does not, and doing without any network."""

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

PATIENCE = 10.0  # seconds before the Hub counts as out of reach
SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
HERE = ("localhost", "127.0.0.1", "::1", "")
FORBIDDEN = "a connection that --offline forbids"

_offline: list[str] = []  # while offline: the command that fetches what is missing
_guarding = False


@functools.cache
def hub_answers(seconds: float = PATIENCE) -> bool:
    """Whether the Hub, or the mirror in HF_ENDPOINT, answers within so many seconds; asked once a process.

    Any answer counts, a refusal too. With HF_HUB_OFFLINE set nobody is asked: False.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(_asked(constants.ENDPOINT, seconds)), daemon=True)
    asking.start()
    asking.join(seconds)  # looking up the name is not bound by the request's own time limit
    return answers == [True]


def _asked(address: str, seconds: float) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError) as error:
        # somebody is there whose certificate Python can't check here: the Hub's library brings certificates of its own
        return isinstance(getattr(error, "reason", error), ssl.SSLError)
    return True


@contextmanager
def without_retries() -> Iterator[None]:
    """Within it the Hub's libraries turn to their caches at once, and say nothing, where the Hub does not answer.

    By themselves they try six times, for half a minute, for each model and each task.
    """
    from huggingface_hub import constants

    logger = logging.getLogger("huggingface_hub")
    with ExitStack() as changes:
        changes.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.ERROR)
        if not hub_answers():
            for settings in (constants, sys.modules.get("datasets.config")):
                if settings is not None:
                    _set(changes, settings, "HF_HUB_OFFLINE", True)
        yield


def _set(changes: ExitStack, owner: Any, name: str, value: bool) -> None:
    changes.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


@contextmanager
def offline(fetching: str) -> Iterator[None]:
    """Within it the Hub's libraries are offline and every connection to another machine is refused.

    `fetching` is the command that, with a network, gets what may be missing. Best entered before those libraries are
    imported: they then read it from the environment.
    """
    global _guarding
    if not _guarding:
        sys.addaudithook(_guard)  # it can't be taken away again, and is idle while `_offline` is empty
        _guarding = True
    with ExitStack() as changes:
        for name in SWITCHES:
            changes.callback(_restore, name, os.environ.get(name))
            os.environ[name] = "1"
        for module in ("huggingface_hub.constants", "datasets.config"):
            if module in sys.modules:
                _set(changes, sys.modules[module], "HF_HUB_OFFLINE", True)
        _offline.append(fetching)
        changes.callback(_offline.pop)
        yield


def fetching() -> str | None:
    """The command that, with a network, gets what may be missing; None where this process is not offline."""
    return _offline[-1] if _offline else None


def advice(usual: str) -> str:
    """What to do about something that must be fetched: the command that does it while offline, else `usual`."""
    return f"With a network '{_offline[-1]}' fetches it." if _offline else usual


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuses what leads to another machine; sockets of this one, and names of files, are free."""
    if not _offline or not event.startswith("socket."):
        return
    host = None
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    if host is not None and _text(host) not in HERE:
        raise OSError(errno.ENETUNREACH, FORBIDDEN, _text(host))


def _text(host: Any) -> str:
    return host.decode("utf-8", "replace") if isinstance(host, (bytes, bytearray)) else str(host)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value

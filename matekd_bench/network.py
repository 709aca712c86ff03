"""Whether the Hugging Face Hub answers, and doing without it at once where it does not."""

from __future__ import annotations

import functools
import logging
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

PATIENCE = 10.0  # seconds before the Hub counts as out of reach


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

"""Pauses the garbage collector while very many objects are created, such as records or imported modules."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Turn off the search for reference cycles in a block or in a decorated function.

    This is for code that creates very many lasting objects, such as reading records or importing torch. There the
    search takes much of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

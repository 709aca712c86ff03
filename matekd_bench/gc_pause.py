"""Very many Python objects at a time: records, or the modules of the libraries."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Within it, or within a function that it decorates, Python does not look for cycles.

    For what makes very many objects that stay, as reading records and importing torch do: the search among all of them
    takes much of the time.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()

"""Very many Python objects at a time: records, or the modules of the libraries."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within it, or within a function that it decorates, Python does not look for cycles.

    For what makes very many objects that stay: the search among them all takes as long as making records, and a
    fifth of the time in which torch and transformers are imported.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()

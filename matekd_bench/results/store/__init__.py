"""Results folders on disk: written, read, continued and merged."""

from __future__ import annotations

from pathlib import Path
from typing import Final

RESULTS: Final = Path("results")  # the results folder if none is named

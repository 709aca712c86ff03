"""Makes text from records, folders and data safe to show: no terminal sequences, no hidden change of direction."""

from __future__ import annotations

import json
import re
from typing import Any

# Control characters other than tab and line feed, line separators, and marks that change the writing direction.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Replace every character that could control a terminal or reorder its text by the replacement character."""
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """Also replace line ends, so that a name cannot start a new line."""
    return printable(text).replace("\n", "\N{REPLACEMENT CHARACTER}")


def json_text(value: Any, indent: int | None = None) -> str:
    """Write `value` as JSON in which such characters are escaped, so that it can be shown and read back.

    Raises ValueError for NaN.
    """
    plain = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", plain)

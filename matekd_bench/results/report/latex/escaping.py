"""Escapes text for LaTeX and estimates how wide it is, in the Computer Modern fonts."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

SPECIAL: Final[Mapping[str, str]] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\texttt{\char34}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after \\, LaTeX would read a bracket as a length
    "]": "{]}",
    "*": r"$^{*}$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≈": r"$\approx$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
}
# Combining accents, with the LaTeX command that puts each on a letter without further packages.
ACCENTS: Final[Mapping[str, str]] = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0308": '"',
    "\u030a": "r",
    "\u030c": "v",
    "\u0327": "c",
}
# Widths in points of all characters that can be set, in Computer Modern Roman of 10 points.
WIDTHS: Final[Mapping[str, float]] = {
    character: width
    for width, characters in {
        2.8: "!'.,:;[]`il|",
        3.1: "fj",
        3.3: "- ",
        3.9: "()I_rst",
        4.4: "cez",
        5.0: '$*/0123456789^ago{}~\\↑↓–’‘“”"',
        5.6: "Sbdhknpquvxy?",
        7.8: "&+=@GKOQABCDEFHJLNPRTUVXYZw<>±≈×",
        8.4: "#%m",
        10.4: "MW—",
        13.3: "…",
    }.items()
    for character in characters
}
# Width relative to 10 pt: small sizes of Computer Modern are wider than 10 pt made smaller.
SCALES: Final[Mapping[int, float]] = {6: 0.74, 7: 0.8, 8: 0.85, 9: 0.93, 10: 1.0}


def escape(text: str) -> str:
    """Escape `text` so that LaTeX prints it unchanged, on one line."""
    return "".join(map(_escape_character, settable(text)))


def settable(text: str) -> str:
    """Return `text` on one line, with the code points of characters that pdfLaTeX cannot set, such as U+6F22."""
    return "".join(map(_settable_character, unicodedata.normalize("NFC", " ".join(text.split()))))


def _settable_character(character: str) -> str:
    if character in WIDTHS or _letter_and_accent(character):
        return character
    return f"U+{ord(character):04X}"


def _letter_and_accent(character: str) -> tuple[str, str] | None:
    """Return the two parts of a letter with an accent that LaTeX has; None for other characters."""
    parts = unicodedata.normalize("NFD", character)
    letter, accent = parts[0], parts[1:]
    return (letter, accent) if letter.isascii() and letter.isalpha() and accent in ACCENTS else None


def _escape_character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if (parts := _letter_and_accent(character)) is None:
        return character
    letter, accent = parts
    base = {"i": r"\i", "j": r"\j"}.get(letter, letter) if accent != "\u0327" else letter
    return f"\\{ACCENTS[accent]}{{{base}}}"


def text_width(text: str, size: int) -> float:
    """Estimate the width of `text` in points at a font size of 6 to 10 points."""
    return SCALES[size] * sum(map(_character_width, settable(text)))


def _character_width(character: str) -> float:
    letter, _ = _letter_and_accent(character) or (character, "")
    return WIDTHS[letter]

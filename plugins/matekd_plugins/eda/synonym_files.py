"""Checks of the parameter `thesaurus`, and reading of files of synonym groups."""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path

from matekd_bench import Synonyms, UsageError, groups_in, thesaurus_names

PACKAGE = "package:"
FORM = "One group per line, with its words separated by commas; lines that start with '#' are comments."


def check_choice(choice: str) -> str:
    """Return `choice` if it is a thesaurus's name, a path with a suffix or a slash, or ``package:NAME/PATH``.

    Raises ValueError otherwise, with the nearest name. Whether a file exists is checked when it is read.
    """
    if is_groups_file(choice) or choice in (names := thesaurus_names()):
        return choice
    near = difflib.get_close_matches(choice.lower(), names, n=1, cutoff=0.6)
    suggested = f" (did you mean '{near[0]}'?)" if near else ""
    raise ValueError(
        f"it should be {', '.join(names)}, a file of synonym groups (a path with a suffix or a slash) "
        f"or {PACKAGE}NAME/PATH{suggested}"
    )


def is_groups_file(choice: str) -> bool:
    """Return True if `choice` is a path or ``package:NAME/PATH``, False if it is a thesaurus's name."""
    return choice.startswith(PACKAGE) or "/" in choice or "\\" in choice or bool(Path(choice).suffix)


def read_groups(choice: str) -> Synonyms:
    """Read the synonyms of a file; UsageError if it cannot be read or no line is a group of two or more words."""
    name, text = read_groups_file(choice)
    if not groups_in(text):
        raise _unreadable(choice, "none of its lines is a group of two or more words")
    return Synonyms.of_groups(name, text)


def read_groups_file(choice: str) -> tuple[str, str]:
    """Read a file of synonym groups and return its name for records and its text; UsageError if it cannot be read.

    The name is the file's name without its folders, or all of ``package:NAME/PATH``.
    """
    path = _in_package(choice) if choice.startswith(PACKAGE) else Path(choice).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise _unreadable(choice, f"there is no such file{_nearest(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror).lower()
        raise _unreadable(choice, f"it cannot be read: {reason}") from None
    return (choice if choice.startswith(PACKAGE) else path.name), text


def _in_package(choice: str) -> Path:
    """Return the path of the file ``package:NAME/PATH`` without importing the package."""
    package, _, relative = choice.removeprefix(PACKAGE).partition("/")
    importable = package.isidentifier() and package != "__main__"
    spec = importlib.util.find_spec(package) if importable else None
    folders = list((spec and spec.submodule_search_locations) or ())
    if not folders:
        raise _unreadable(choice, f"no package '{package}' is installed")
    if not relative:
        raise _unreadable(choice, f"no file is named: write {PACKAGE}{package}/PATH")
    paths = [Path(folder) / relative for folder in folders]
    return next((path for path in paths if path.is_file()), paths[0])


def _nearest(path: Path) -> str:
    """Suggest, in brackets, the file in the same folder with the most similar name; empty if none is similar."""
    names = [file.name for file in path.parent.iterdir() if file.is_file()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _unreadable(choice: str, reason: str) -> UsageError:
    return UsageError(f"thesaurus={choice}: {reason}.", hint=FORM)

"""A choice of thesaurus: a name that a plugin gives, or a file of synonym groups of the user's own."""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path

from matekd_bench import Synonyms, UsageError, groups_in, thesaurus_names

PACKAGE = "package:"
FORM = "One group a line, words separated by commas; lines that start with '#' are comments."


def check_choice(choice: str) -> str:
    """`choice` if it can name a thesaurus: a name, a path with a suffix or a slash, or ``package:NAME/PATH``.

    Raises ValueError otherwise, with the nearest name. Whether the file exists is found out when it is read.
    """
    if is_file(choice) or choice in (names := thesaurus_names()):
        return choice
    near = difflib.get_close_matches(choice.lower(), names, n=1, cutoff=0.6)
    suggested = f" (the nearest is '{near[0]}')" if near else ""
    raise ValueError(
        f"it should be {', '.join(names)}, a file of synonym groups (a path with a suffix or a slash) "
        f"or {PACKAGE}NAME/PATH{suggested}"
    )


def is_file(choice: str) -> bool:
    """Whether `choice` is a path or ``package:NAME/PATH``, and not the name of a thesaurus."""
    return choice.startswith(PACKAGE) or "/" in choice or "\\" in choice or bool(Path(choice).suffix)


def read(choice: str) -> Synonyms:
    """The synonyms of a file; UsageError where it cannot be read, or where not one line holds two words."""
    name, text = read_file(choice)
    if not groups_in(text):
        raise _unreadable(choice, "no line of it is a group of two or more words")
    return Synonyms.of_groups(name, text)


def read_file(choice: str) -> tuple[str, str]:
    """The name for records and the text of a file of synonym groups; UsageError where it cannot be read.

    The name is that of the file without its folders, or the whole of ``package:NAME/PATH``.
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
    """Where ``package:NAME/PATH`` lies, without importing the package."""
    package, _, inside = choice.removeprefix(PACKAGE).partition("/")
    importable = package.isidentifier() and package != "__main__"
    found = importlib.util.find_spec(package) if importable else None
    folders = list((found and found.submodule_search_locations) or ())
    if not folders:
        raise _unreadable(choice, f"no package '{package}' is installed")
    if not inside:
        raise _unreadable(choice, f"it names no file: write {PACKAGE}{package}/PATH")
    paths = [Path(folder) / inside for folder in folders]
    return next((path for path in paths if path.is_file()), paths[0])


def _nearest(path: Path) -> str:
    """The file of the same folder whose name is nearest, in brackets; nothing where none is near."""
    names = [one.name for one in path.parent.iterdir() if one.is_file()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f" (the nearest is '{near[0]}')" if near else ""


def _unreadable(choice: str, reason: str) -> UsageError:
    return UsageError(f"thesaurus={choice}: {reason}.", hint=FORM)

"""Where synonyms come from: WordNet through NLTK, a file of synonym groups, or the small one in this package."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from matekd_bench import UsageError
from matekd_plugins.eda import groups

DEBIAN = Path("/usr/share/wordnet")
INSTALL = (
    "'python -m nltk.downloader wordnet' installs it, or set NLTK_DATA to a folder with corpora/wordnet."
)
_PARTS = ("noun", "verb", "adj", "adv")
_FILES = tuple(f"{kind}.{part}" for kind in ("data", "index") for part in _PARTS) + tuple(
    f"{part}.exc" for part in _PARTS
)


@dataclass(frozen=True)
class Thesaurus:
    """A source of synonyms.

    `name` identifies it in records, with a digest of its files. `lookup` gives the synonyms of a lower-cased
    word as the source writes them, in any order and with repetitions. `notices` are sentences for the user.
    """

    name: str
    lookup: Callable[[str], Iterable[str]]
    notices: tuple[str, ...] = ()

    def synonyms(self, word: str) -> tuple[str, ...]:
        """The distinct synonyms of a lower-cased word in alphabetical order, the word itself left out."""
        found = {synonym.replace("_", " ") for synonym in self.lookup(word)}
        return tuple(sorted(synonym for synonym in found if synonym.lower() != word))


def load(choice: str) -> Thesaurus:
    """The thesaurus of that name; "auto" is WordNet where readable, else the embedded one with a notice.

    "mini" is that of mini-GLUE. Anything else but "wordnet" and "embedded" is a file of synonym groups: a path or
    ``package:NAME/PATH``. Raises UsageError for a file that cannot be read or holds no group, and for "wordnet" where
    there is none, or none that NLTK agrees to read.
    """
    if choice == "embedded":
        return embedded()
    if choice == "mini":
        choice = groups.MINI
    if choice not in groups.NAMED:
        name, text = groups.read_file(choice)
        return _of_groups(f"{name} (sha256 {_short_digest(text)})", groups.parse_file(choice, text))
    refused = []
    for place in _places():
        try:
            return _wordnet(place)
        except PermissionError:
            refused.append(f"NLTK refuses {place}: 'chmod -R go-w {place}' makes it private to its owner.")
        except (OSError, ValueError, LookupError, AssertionError) as error:
            refused.append(f"{place} cannot be read ({type(error).__name__}).")
    why = " ".join(refused) or INSTALL
    if choice == "wordnet":
        raise UsageError("thesaurus=wordnet, but no WordNet can be read.", hint=why)
    small = embedded()
    return replace(small, notices=(f"eda uses its small embedded thesaurus: no WordNet found. {why}",))


@functools.cache
def embedded() -> Thesaurus:
    """The thesaurus in this package: groups of common English words that can stand for one another."""
    text = files("matekd_plugins.eda").joinpath("synonyms.txt").read_text(encoding="utf-8")
    return _of_groups(f"embedded thesaurus v1 (sha256 {_short_digest(text)})", groups.parse(text))


def _of_groups(name: str, table: dict[str, list[str]]) -> Thesaurus:
    return Thesaurus(name, lambda word: table.get(word, ()))


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _places() -> Iterator[Path]:
    """Where WordNet lies on this machine: NLTK_DATA, NLTK's usual folders, Debian's own folder."""
    import nltk.data

    bases = [*os.environ.get("NLTK_DATA", "").split(os.pathsep), *map(str, nltk.data.path)]
    places = [Path(base).expanduser() / "corpora" / "wordnet" for base in bases if base]
    for place in dict.fromkeys([*places, DEBIAN]):
        if (place / "data.noun").exists():
            yield place.resolve()
        elif (packed := place.with_suffix(".zip")).is_file():
            yield packed.resolve()


@functools.cache
def _wordnet(place: Path) -> Thesaurus:
    """WordNet in a folder or zip archive of its database files; read once in a process.

    Raises OSError where files are missing, PermissionError where NLTK does not trust them.
    """
    reader = _reader(place)
    lock = threading.Lock()  # NLTK's reader seeks in shared files

    def lookup(word: str) -> list[str]:
        with lock:
            return [lemma for synset in reader.synsets(word) for lemma in synset.lemma_names()]

    version = reader.get_version() or "without a number"
    return Thesaurus(f"WordNet {version} (nltk, sha256 {_digest(reader)})", lookup)


def _reader(place: Path) -> Any:
    """NLTK's reader of a WordNet database."""
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    if place.suffix == ".zip":
        root = nltk.data.ZipFilePathPointer(str(place), "wordnet/")
    else:
        root = str(place)
        if place == DEBIAN and root not in nltk.data.path:
            nltk.data.path.append(root)  # NLTK reads only below the folders of its path
    # map_wn aligns versions for other languages: it takes seconds, needs a second WordNet, and only English
    # is used here. The second argument stands for the other languages' reader: None would warn.
    english = type("EnglishWordNet", (WordNetCorpusReader,), {"map_wn": lambda self, version="wordnet": None})
    return english(root, ())


def _digest(reader: Any) -> str:
    """16 hexadecimal digits over the files that decide which synonyms a word has."""
    state = hashlib.sha256()
    for name in _FILES:
        with reader.abspath(name).open() as file:
            state.update(file.read())
    return state.hexdigest()[:16]

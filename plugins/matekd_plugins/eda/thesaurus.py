"""Where synonyms come from: the thesauri of this package, WordNet among them, of other plugins, or a file."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from matekd_bench import Synonyms, Thesaurus, UsageError, find_thesaurus, wordnet_places
from matekd_plugins.eda import groups

DEBIAN = Path("/usr/share/wordnet")
INSTALL = (
    "'python -m nltk.downloader wordnet' installs it, or set NLTK_DATA to a folder with corpora/wordnet."
)
_PARTS = ("noun", "verb", "adj", "adv")
_FILES = tuple(f"{kind}.{part}" for kind in ("data", "index") for part in _PARTS) + tuple(
    f"{part}.exc" for part in _PARTS
)


def load(choice: str) -> Synonyms:
    """What the thesaurus of that name holds, or the file of synonym groups: a path or ``package:NAME/PATH``.

    Raises UsageError for an unknown name, for a file that cannot be read or holds no group, and for "wordnet" where
    there is none, or none that NLTK agrees to read.
    """
    if groups.is_file(choice):
        return groups.read(choice)
    return find_thesaurus(choice).load()


def thesauri() -> Iterator[Thesaurus]:
    """The three that come with this package."""
    yield Thesaurus(
        name="auto", summary="WordNet where NLTK finds it, else the embedded one.", load=automatic
    )
    yield Thesaurus(name="wordnet", summary="WordNet, through NLTK.", load=wordnet)
    yield Thesaurus(name="embedded", summary="A small one of common English words.", load=embedded)


def automatic() -> Synonyms:
    """WordNet where it can be read, else the embedded thesaurus with a notice."""
    found, why = _first()
    notice = f"eda uses its small embedded thesaurus: no WordNet found. {why}"
    return found or replace(embedded(), notices=(notice,))


def wordnet() -> Synonyms:
    """WordNet; UsageError where it cannot be read."""
    found, why = _first()
    if found is None:
        raise UsageError("thesaurus=wordnet, but no WordNet can be read.", hint=why)
    return found


def _first() -> tuple[Synonyms | None, str]:
    """The first WordNet on this machine that can be read, or why there is none."""
    refused = []
    for place in map(Path.resolve, wordnet_places()):
        try:
            return _wordnet(place), ""
        except PermissionError:
            refused.append(f"NLTK refuses {place}: 'chmod -R go-w {place}' makes it private to its owner.")
        except (OSError, ValueError, LookupError, AssertionError) as error:
            refused.append(f"{place} cannot be read ({type(error).__name__}).")
    return None, " ".join(refused) or INSTALL


@functools.cache
def embedded() -> Synonyms:
    """The thesaurus in this package: groups of common English words that can stand for one another."""
    text = files("matekd_plugins.eda").joinpath("synonyms.txt").read_text(encoding="utf-8")
    return Synonyms.of_groups("embedded thesaurus v1", text)


@functools.cache
def _wordnet(place: Path) -> Synonyms:
    """WordNet in a folder or zip archive of its database files; read once in a process.

    Raises OSError where files are missing, PermissionError where NLTK does not trust them.
    """
    reader = _reader(place)
    lock = threading.Lock()  # NLTK's reader seeks in shared files

    def lookup(word: str) -> list[str]:
        with lock:
            return [lemma for synset in reader.synsets(word) for lemma in synset.lemma_names()]

    version = reader.get_version() or "without a number"
    return Synonyms(f"WordNet {version} (nltk, sha256 {_digest(reader)})", lookup)


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

"""Loading of synonyms: from WordNet, the embedded thesaurus, another plugin's thesaurus or a file."""

from __future__ import annotations

import functools
import hashlib
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from matekd_bench import Synonyms, Thesaurus, UsageError, find_thesaurus, wordnet_places
from matekd_plugins.eda.synonym_files import is_groups_file, read_groups

INSTALL = (
    "Install it with 'python -m nltk.downloader wordnet', or set NLTK_DATA to a folder with corpora/wordnet."
)
# What NLTK, and Python's reader of archives, raise for damaged files.
DAMAGED = (OSError, ValueError, LookupError, AssertionError, EOFError, RuntimeError, BadZipFile, zlib.error)
_PARTS = ("noun", "verb", "adj", "adv")
_FILES = tuple(f"{kind}.{part}" for kind in ("data", "index") for part in _PARTS) + tuple(
    f"{part}.exc" for part in _PARTS
)


def load(choice: str) -> Synonyms:
    """Load the thesaurus of that name, or the file of synonym groups at a path or ``package:NAME/PATH``.

    Raises UsageError for an unknown name, for a file that cannot be read or holds no group, and for "wordnet" if no
    WordNet is found or NLTK refuses to read it.
    """
    if is_groups_file(choice):
        return read_groups(choice)
    return find_thesaurus(choice).load()


def thesauri() -> Iterator[Thesaurus]:
    """Yield the three thesauri of this package."""
    yield Thesaurus(
        name="auto", summary="WordNet if NLTK finds it, else the embedded thesaurus.", load=automatic
    )
    yield Thesaurus(name="wordnet", summary="WordNet, through NLTK.", load=wordnet)
    yield Thesaurus(name="embedded", summary="A small thesaurus of common English words.", load=embedded)


def automatic() -> Synonyms:
    """Load WordNet if it can be read, else the embedded thesaurus with a notice."""
    synonyms, reason = _first_wordnet()
    problem = "no WordNet was found" if reason == INSTALL else "no WordNet can be read"
    notice = f"the small embedded thesaurus is used, because {problem}. {reason}"
    return synonyms or replace(embedded(), notices=(notice,))


def wordnet() -> Synonyms:
    """Load WordNet; UsageError if it cannot be read."""
    synonyms, reason = _first_wordnet()
    if synonyms is None:
        raise UsageError("thesaurus=wordnet: no WordNet can be read.", hint=reason)
    return synonyms


def _first_wordnet() -> tuple[Synonyms | None, str]:
    """Load the first WordNet on this machine that can be read; without one, return None and the reason."""
    reasons = []
    for found in wordnet_places():
        place = found.resolve()
        try:
            return _read_wordnet(place, of_nltk=found.parent.name == "corpora"), ""
        except PermissionError:
            reasons.append(
                f"NLTK does not trust {place}, because users other than its owner can write to it; run 'chmod -R go-w "
                f"{place}'."
            )
        except DAMAGED as error:
            reasons.append(f"{place} cannot be read ({type(error).__name__}).")
    return None, " ".join(reasons) or INSTALL


@functools.cache
def embedded() -> Synonyms:
    """Load this package's thesaurus of about 400 groups of common English words."""
    text = files("matekd_plugins.eda").joinpath("synonyms.txt").read_text(encoding="utf-8")
    return Synonyms.of_groups("embedded thesaurus v1", text)


@functools.cache
def _read_wordnet(place: Path, *, of_nltk: bool) -> Synonyms:
    """Read WordNet from a folder or zip archive of its database files, once per process.

    `of_nltk` is False for a folder of the system, such as Debian's, which is in none of NLTK's folders.
    Raises OSError if files are missing, PermissionError if NLTK does not trust them, and errors of :data:`DAMAGED`.
    """
    reader = _reader(place, of_nltk=of_nltk)
    lock = threading.Lock()  # NLTK's reader seeks in shared files; texts are perturbed in the background

    def lookup(word: str) -> list[str]:
        # All senses in all parts of speech: no sense disambiguation, as in the original.
        with lock:
            return [lemma for synset in reader.synsets(word) for lemma in synset.lemma_names()]

    version = reader.get_version() or "without a number"
    return Synonyms(f"WordNet {version} (nltk, sha256 {_digest(reader)})", lookup)


def _reader(place: Path, *, of_nltk: bool) -> Any:
    """Make NLTK's reader of the WordNet database at `place`."""
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    if place.suffix == ".zip":
        root = nltk.data.ZipFilePathPointer(str(place), "wordnet/")
    else:
        root = str(place)
        if not of_nltk and root not in nltk.data.path:
            nltk.data.path.append(root)  # NLTK reads only files below the folders of its path
    # map_wn aligns versions for other languages. It takes seconds and needs a second WordNet, and only English is used
    # here. The second argument is the reader of other languages: None would warn.
    english = type("EnglishWordNet", (WordNetCorpusReader,), {"map_wn": lambda self, version="wordnet": None})
    return english(root, ())


def _digest(reader: Any) -> str:
    """Hash the files that determine a word's synonyms, to 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in _FILES:
        with reader.abspath(name).open() as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]

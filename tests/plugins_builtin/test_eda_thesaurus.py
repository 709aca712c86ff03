"""Where synonyms come from: WordNet folders and archives, refusals, and the embedded thesaurus."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

import nltk
import nltk.data
import pytest

from matekd_bench import UsageError
from matekd_bench.methods.thesaurus import DEBIAN, _nltk_folders
from matekd_plugins.eda import EDA, EDAParams, thesaurus
from matekd_plugins.eda.synonym_lookup import STOP_WORDS
from small_wordnet import write_wordnet


def be_debian(monkeypatch, folder):
    """Debian's own folder is this one."""
    monkeypatch.setattr("matekd_bench.methods.thesaurus.DEBIAN", folder)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A machine whose only WordNet can be in NLTK_DATA, an empty folder so far."""
    monkeypatch.setattr(nltk.data, "path", [])
    be_debian(monkeypatch, tmp_path / "nowhere")
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk_data"))
    (tmp_path / "nltk_data").mkdir()
    (tmp_path / "nltk_data").chmod(0o700)
    return tmp_path / "nltk_data"


def test_wordnet_in_nltk_data_is_read(alone):
    write_wordnet(alone / "corpora" / "wordnet")
    found = thesaurus.load("auto")
    assert found.name.startswith("WordNet 9.5 (nltk, sha256 ")
    assert found.notices == ()
    assert {word: found.synonyms(word) for word in ("film", "films", "good", "xyzzy")} == {
        "film": ("motion picture", "movie", "shoot"),
        "films": ("film", "motion picture", "movie", "shoot"),
        "good": ("fine", "well"),
        "xyzzy": (),
    }


def test_wordnet_in_a_zip_archive_is_the_same(alone):
    folder = write_wordnet(alone / "corpora" / "wordnet")
    name = thesaurus.load("wordnet").name
    archive = shutil.make_archive(str(folder), "zip", folder.parent, "wordnet")
    Path(archive).chmod(0o600)
    shutil.rmtree(folder)
    packed = thesaurus.load("wordnet")
    assert packed.name == name
    assert packed.synonyms("movie") == ("film", "motion picture")


def test_wordnet_in_debians_folder_is_read(alone, monkeypatch):
    be_debian(monkeypatch, write_wordnet(alone.parent / "usr" / "wordnet"))
    assert thesaurus.load("wordnet").synonyms("dog") == ("hound",)


def test_without_wordnet_the_embedded_thesaurus_is_used_and_said(alone):
    found = thesaurus.load("auto")
    assert found.name == thesaurus.embedded().name
    (notice,) = found.notices
    assert "no WordNet was found" in notice
    assert "nltk.downloader wordnet" in notice
    assert EDA.check_rows(EDAParams(), {}) == (notice,)
    assert EDA.resources(EDAParams()) == {"thesaurus": found.name}
    for params in (EDAParams(thesaurus="embedded"), EDAParams(synonym=False, insert=False)):
        assert list(EDA.check_rows(params, {})) == []


def test_asking_for_wordnet_where_there_is_none_is_an_error(alone):
    with pytest.raises(UsageError, match=r"no WordNet can be read.*nltk.downloader"):
        EDA(EDAParams(thesaurus="wordnet"), None)


def test_a_refusal_by_nltk_names_the_folder_and_the_remedy(alone):
    if tuple(map(int, nltk.__version__.split(".")[:2])) < (3, 10):
        pytest.skip("NLTK before 3.10 reads files that others can write")
    folder = write_wordnet(alone / "corpora" / "wordnet")
    (folder / "data.noun").chmod(0o664)
    with pytest.raises(UsageError) as caught:
        thesaurus.load("wordnet")
    assert f"chmod -R go-w {folder}" in str(caught.value)


def test_a_damaged_wordnet_is_named(alone):
    folder = write_wordnet(alone / "corpora" / "wordnet")
    (folder / "lexnames").write_text("not a table\n")
    with pytest.raises(UsageError, match="cannot be read"):
        thesaurus.load("wordnet")
    assert "cannot be read" in thesaurus.load("auto").notices[0]


def damage(archive: Path, how: str) -> None:
    """Cut the archive off in the middle, or spoil what it packs in its first file."""
    content = bytearray(archive.read_bytes())
    if how == "cut":
        del content[len(content) // 2 :]
    else:
        with ZipFile(archive) as opened:
            first = opened.getinfo("wordnet/data.noun")
        start = first.header_offset + 30 + len(first.filename)
        content[start : start + first.compress_size] = b"\xff" * first.compress_size
    archive.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "spoiled"])
def test_a_damaged_archive_is_named_and_the_next_place_is_read(alone, monkeypatch, how):
    folder = write_wordnet(alone / "corpora" / "wordnet")
    archive = Path(shutil.make_archive(str(folder), "zip", folder.parent, "wordnet"))
    archive.chmod(0o600)
    shutil.rmtree(folder)
    damage(archive, how)
    with pytest.raises(UsageError, match=r"wordnet\.zip cannot be read"):
        thesaurus.load("wordnet")
    [notice] = thesaurus.load("auto").notices
    assert str(archive) in notice
    assert "no WordNet was found" not in notice
    be_debian(monkeypatch, write_wordnet(alone.parent / "usr" / "wordnet"))
    assert thesaurus.load("auto").notices == ()


def test_embedded_groups_are_clean():
    text = (Path(thesaurus.__file__).parent / "synonyms.txt").read_text(encoding="utf-8")
    groups = [
        [word.strip() for word in line.split(",")] for line in text.splitlines() if not line.startswith("#")
    ]
    assert len(groups) >= 200
    assert all(len(set(group)) == len(group) > 1 for group in groups)
    assert all(word == word.lower() and word for group in groups for word in group)
    assert Counter(map(tuple, groups)).most_common(1)[0][1] == 1
    assert {"the", "n't", "don't", "about"} <= STOP_WORDS


def test_embedded_synonyms_are_sorted_and_leave_the_word_out():
    found = [thesaurus.embedded().synonyms(word) for word in ("film", "great", "xyzzy")]
    assert found == [
        ("motion picture", "movie", "picture"),
        ("splendid", "superb", "terrific", "wonderful"),
        (),
    ]


def test_real_wordnet(shared_data, alone, monkeypatch):
    monkeypatch.setenv("NLTK_DATA", str(shared_data / "nltk_data"))
    method = EDA(EDAParams(swap=False, delete=False, thesaurus="wordnet"), None)
    found = thesaurus.load("wordnet")
    assert EDA.resources(method.params) == {"thesaurus": found.name}
    assert {"motion picture", "film"} <= set(found.synonyms("movie"))
    assert list(found.synonyms("good")) == sorted(found.synonyms("good"))
    assert found.synonyms("qwzx") == ()
    for text in ("", "don't", "😀", "a/b ../c", "\x00", "the movie ... good"):
        method.perturb(text, random.Random(1))


def test_the_folders_are_those_of_nltk_before_it_is_loaded(monkeypatch):
    asked = _nltk_folders()
    assert asked == list(nltk.data.path)
    given = [folder for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    monkeypatch.delitem(sys.modules, "nltk")
    unasked = _nltk_folders()
    assert [*given, *unasked] == [folder for folder in asked if folder != str(DEBIAN)]

"""A user's own synonyms: files of groups, by path and out of installed packages."""

from __future__ import annotations

import random

import pytest
from pydantic import ValidationError

from matekd_bench import UsageError, groups_in, thesaurus_names
from matekd_bench.methods.grammar import parse as parse_methods
from matekd_bench.methods.params import resolve
from matekd_bench.methods.perturbation import method_of
from matekd_plugins.eda import EDA, EDAParams, thesaurus

TEXT = "# cinema\nfilm, movie,motion  picture\n\nfilm, reel\nalone\nGood, fine,\n"
PACKAGED = "package:matekd_plugins/eda/synonyms.txt"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_groups_are_read_line_by_line():
    assert groups_in(TEXT) == {
        "film": ["film", "movie", "motion picture", "film", "reel"],
        "movie": ["film", "movie", "motion picture"],
        "motion picture": ["film", "movie", "motion picture"],
        "reel": ["film", "reel"],
        "good": ["Good", "fine"],
        "fine": ["Good", "fine"],
    }


def test_a_file_is_a_thesaurus_named_with_its_digest(file):
    found = thesaurus.load(str(file))
    synonyms = [found.synonyms(word) for word in ("film", "fine", "alone")]
    assert synonyms == [("motion picture", "movie", "reel"), ("Good",), ()]
    assert found.name.startswith("words.txt (sha256 ")
    assert str(file.parent) not in found.name
    file.write_text(TEXT + "one, another\n", encoding="utf-8")
    assert thesaurus.load(str(file)).name != found.name


def test_eda_draws_from_the_file(file):
    params = EDAParams(thesaurus=str(file), insert=False, swap=False, delete=False)
    method = EDA(params, None)
    seen = {method.perturb("a FILM (good)", random.Random(seed)) for seed in range(200)}
    assert seen == {"a MOTION PICTURE (good)", "a MOVIE (good)", "a REEL (good)", "a FILM (fine)"}
    assert not method.notices
    assert EDA.resources(params) == {"thesaurus": thesaurus.load(str(file)).name}


def test_a_byte_order_mark_is_no_part_of_the_first_word(file):
    file.write_bytes(b"\xef\xbb\xbffilm, movie\n")
    assert thesaurus.load(str(file)).synonyms("film") == ("movie",)


def test_a_package_holds_the_same_synonyms_everywhere():
    packaged, embedded = thesaurus.load(PACKAGED), thesaurus.embedded()
    for word in ("film", "great", "xyzzy"):
        assert packaged.synonyms(word) == embedded.synonyms(word)
    assert packaged.name.startswith(f"{PACKAGED} (sha256 ")
    digest = packaged.name.partition("sha256")[2]
    assert embedded.name.endswith(digest)


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        ("nowhere/words.txt", "nowhere/words.txt"),
        ("./", "directory"),
        ("package:matekd_plugin/eda/synonyms.txt", "'matekd_plugin'"),
        ("package:__main__/words.txt", "'__main__'"),
        ("package:no-package/words.txt", "'no-package'"),
        ("package:matekd_plugins", "package:matekd_plugins/PATH"),
        ("package:matekd_plugins/eda/none.csv", "none.csv"),
        ("package:matekd_plugins/eda/synonym.txt", "'synonyms.txt'"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(choice, named):
    with pytest.raises(UsageError, match=named) as caught:
        thesaurus.load(choice)
    assert str(caught.value).startswith(f"thesaurus={choice}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "group"),
        (b"# film, movie\nfilm\n,\n", "group"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_file_without_groups_is_an_error(file, content, reason):
    file.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        EDA(EDAParams(thesaurus=str(file)), None)


@pytest.mark.parametrize("choice", ["roget", "", "WordNet", "synonyms"])
def test_what_is_neither_a_name_nor_a_path_is_refused(choice):
    with pytest.raises(ValidationError, match="auto, embedded, mini, wordnet"):
        EDAParams(thesaurus=choice)


@pytest.mark.parametrize("choice", [*thesaurus_names(), "words.txt", "sub/words", "C:\\words", PACKAGED])
def test_names_and_paths_are_accepted_as_they_are_written(choice):
    assert EDAParams(thesaurus=choice).thesaurus == choice


def test_the_command_line_takes_a_file_and_names_the_nearest_name(file):
    record = method_of(EDA)
    (ref,) = parse_methods(f"eda[thesaurus={file}]")
    assert resolve(ref, record, {}).params.thesaurus == str(file)
    (ref,) = parse_methods("eda[thesaurus=wordnets]")
    with pytest.raises(UsageError, match=r"'wordnets'.*'wordnet'"):
        resolve(ref, record, {})


def test_the_default_is_unchanged_in_what_identifies_a_run():
    assert (EDAParams().model_dump(mode="json")["thesaurus"], method_of(EDA).version) == ("auto", "1")


def test_mini_is_the_thesaurus_of_mini_glue() -> None:
    found = thesaurus.load("mini")
    assert found.name.startswith("package:matekd_tasks/mini/synonyms.txt (sha256 ")
    assert found.synonyms("physician") == ("doctor",)

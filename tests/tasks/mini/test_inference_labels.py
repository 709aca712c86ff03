"""Labels of mini-MNLI and mini-RTE, derived a second time from the texts alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from matekd_tasks.mini.lexicon import (
    COLOURS,
    DEALINGS,
    LOOKS,
    MODES,
    SCALES,
)
from matekd_tasks.mini.vocabulary import words_in
from mini_rig import BASES, KIND, canonical, doer, labeled


def ordered(clause: str) -> tuple[str, str]:
    """What came first and what came second, e.g. "Ben left" and "Anna sang"."""
    text = clause.rstrip(".")
    for pattern, first in (
        (r"(?i)before (.*), (.*)", 2),
        (r"(?i)after (.*), (.*)", 1),
        (r"(.*) before (.*)", 1),
        (r"(.*) after (.*)", 2),
    ):
        found = re.fullmatch(pattern, text)
        if found:
            return found.group(first), found.group(3 - first)
    raise AssertionError(clause)


def order_in_time(premise: str, hypothesis: str) -> int | None:
    if not re.search(r"\b(before|after) \w+ \w+", hypothesis, re.IGNORECASE):
        return None
    told = re.sub(r"^.*?\b(?:In|in|At|at) [\w ]+, ", "", premise)
    one, two = ordered(told), ordered(hypothesis)
    return 0 if one == two else 2 if one == two[::-1] else 1


MORE = {word: (scale, 1) for scale in SCALES for word in scale.more} | {
    word: (scale, -1) for scale in SCALES for word in scale.less
}


def above(clause: str) -> list[tuple[object, str, str]]:
    found: list[tuple[object, str, str]] = []
    for one, word, two in re.findall(r"(\w+) is (\w+) than (\w+)", clause):
        scale, sign = MORE[word]
        found.append((scale, one, two) if sign > 0 else (scale, two, one))
    return found


def comparison(premise: str, hypothesis: str) -> int | None:
    if " than " not in hypothesis:
        return None
    ((scale, high, low),) = above(hypothesis)
    order = {(one, two) for kind, one, two in above(premise) if kind == scale}
    order |= {(a, d) for a, b in order for c, d in order if b == c}
    return 0 if (high, low) in order else 2 if (low, high) in order else 1


def _quantity(text: str) -> tuple[str, str, str, str]:
    found = re.search(
        r"(?i)(not all the|not every|all the|every|none of the|no|some of the|several) (\w+) "
        r"((?:in|at) (?:the )?\w+) (?:was|were) (\w+)\.",
        text,
    )
    assert found is not None, text
    how, who, where, mood = found.groups()
    name = {"not all the": "not all", "not every": "not all", "all the": "all", "every": "all"}.get(
        how.lower(), "none" if how.lower().startswith("no") else "some"
    )
    (job,) = canonical(who.removesuffix("s"))
    return name, job, " ".join(canonical(where)), canonical(mood)[0]


WORLDS = [(a, b) for a in (0, 1) for b in (0, 1)]  # of a group of two, who has the property
HOLDS: dict[str, Callable[[tuple[int, int]], bool]] = {
    "all": lambda world: sum(world) == 2,
    "none": lambda world: sum(world) == 0,
    "some": lambda world: sum(world) > 0,
    "not all": lambda world: sum(world) < 2,
}


def quantity(premise: str, hypothesis: str) -> int | None:
    if not re.match(r"(Not|All|Every|None|No|Some|Several) ", hypothesis):
        return None
    told, claimed = _quantity(premise), _quantity(hypothesis)
    assert told[2:] == claimed[2:]
    truths = {HOLDS[claimed[0]](world) for world in WORLDS if HOLDS[told[0]](world)}
    return 1 if told[1] != claimed[1] or len(truths) == 2 else 0 if truths == {True} else 2


SIDES = {
    canonical(verb.past)[0]: side for side, modes in MODES.items() for mode in modes for verb in mode.verbs
}
INTENDED = {("done", True): 0, ("done", False): 2, ("not done", True): 2, ("not done", False): 0}


def intention(premise: str, hypothesis: str) -> int | None:
    told = re.search(r"(\w+) to \w+ an? \w+ (?:in|at) ", premise)
    if told is None:
        return None
    return INTENDED.get((SIDES[canonical(told.group(1))[0]], "did not" not in hypothesis), 1)


OPPOSITES = {adjective.words[0]: adjective.opposite[:1] for adjective in (*LOOKS, *COLOURS)}


def looks(premise: str, hypothesis: str) -> int | None:
    claim = re.fullmatch(r"The (\w+) that .* was (not )?(\w+)\.", hypothesis)
    if claim is None:
        return None
    (claimed,) = canonical(claim.group(3))
    (told,) = (word for word in canonical(premise) if word in OPPOSITES)
    known = {claimed: True, **dict.fromkeys(OPPOSITES[claimed], False)}.get(told)
    return 1 if known is None else 0 if known != bool(claim.group(2)) else 2


WHO = r"((?:[Tt]he )?[A-Za-z]+)"


DEALT = (  # doer, done to, whether it happened; None: anybody
    (re.compile(rf"{WHO} was (\w+) by {WHO}"), lambda found: (found[3], found[1], True)),
    (re.compile(rf"[Nn]obody (\w+) {WHO}"), lambda found: (None, found[2], False)),
    (re.compile(rf"{WHO} did not (\w+) anybody"), lambda found: (found[1], None, False)),
    (re.compile(rf"{WHO} did not (\w+) {WHO}"), lambda found: (found[1], found[3], False)),
    (re.compile(rf"{WHO} (\w+) {WHO}"), lambda found: (found[1], found[3], True)),
)


def dealing(text: str) -> tuple[str | None, str | None, bool]:
    opened = re.sub(r"^.*\b(?:that|know,|before,) ", "", text)
    clause = re.sub(r"^(?i:in|at) [^,]*, ", "", opened)
    for pattern, reading in DEALT:
        found = pattern.match(clause)
        if found:
            doer, done, happened = reading(found)
            one, two = (who and " ".join(canonical(who)) for who in (doer, done))
            return one, two, happened
    raise AssertionError(text)


FORMS = {form for action in DEALINGS for verb in action.verbs for form in (verb.base, verb.past, verb.part)}


def roles(premise: str, hypothesis: str) -> int | None:
    if not FORMS & set(words_in([hypothesis])) or " a" in hypothesis.split(" in ")[0].split(" at ")[0]:
        return None
    doer, done, told = dealing(premise)
    who, whom, claimed = dealing(hypothesis)
    about = (doer is None or doer == who) and (done is None or done == whom)
    return 1 if not about else 0 if told == claimed else 2


def _within(special: str, general: str) -> bool:
    return special == general or KIND.get(special) == general


CLAUSE = re.compile(
    r"(did not )?(\w+) (nothing|something \w+|an? (?:\w+ )?\w+?)(?=,| on | in | at | last |\.)"
)


TIME = r"(?:on \w+day|in (?:spring|\w+er|autumn)|in the \w+ing|at (?:noon|mid\w+)|last \w+)"


def kinds(premise: str, hypothesis: str) -> int | None:
    claim = re.fullmatch(rf"{WHO} (did not )?(\w+) an? (\w+) {TIME}\.", hypothesis)
    if claim is None or " to " in premise:
        return None
    told = CLAUSE.match(re.split(rf"(?i)\b{claim[1].lower()} ", premise, maxsplit=1)[1])
    assert told is not None, premise
    assert BASES[told[2]] == BASES[claim[3]]
    (claimed,), noun = canonical(claim[4]), canonical(told[3])[-1]
    if noun == "nothing" or (told[1] and _within(claimed, noun)):
        return 2 if not claim[2] else 0
    if told[1] or told[3].startswith("something") or not _within(noun, claimed):
        return 1
    return 0 if not claim[2] else 2


def done_by_whom(premise: str, hypothesis: str) -> int | None:
    active = re.fullmatch(rf"{WHO} (\w+) an? (\w+)\.", hypothesis)
    passive = re.fullmatch(rf"An? (\w+) was (\w+) by {WHO}\.", hypothesis)
    if " is a" in hypothesis or not (active or passive):
        return None
    who, verb, thing = active.groups() if active else passive.groups()[::-1] if passive else ("", "", "")
    for part in re.split(r"(?<=\.) ", premise):
        words = canonical(part)
        things = [word for word in words if word in KIND or word in KIND.values()]
        same = doer(part) == " ".join(canonical(who)) and BASES[verb] in {BASES.get(word) for word in words}
        if same and any(_within(word, canonical(thing)[0]) for word in things):
            return 0
    return 1


NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def counts(premise: str, hypothesis: str) -> int | None:
    found = re.search(r"(more|fewer) than (\w+)", hypothesis)
    if found is None:
        return None
    (count,) = (NUMBERS.index(word) for word in canonical(premise) if word in NUMBERS)
    limit = NUMBERS.index(found.group(2))
    return 0 if (count > limit if found.group(1) == "more" else count < limit) else 1


def jobs_and_homes(premise: str, hypothesis: str) -> int | None:
    found = re.fullmatch(r"(\w+) (?:is an? (\w+)|comes from (\w+))\.", hypothesis)
    if found is None:
        return None
    told = re.findall(r"(\w+), an? (\w+) from (\w+)", premise)
    job, town = {who: (canonical(job)[0], town) for who, job, town in told}[found.group(1)]
    return 0 if (canonical(found.group(2))[0] == job if found.group(2) else found.group(3) == town) else 1


@pytest.mark.parametrize(
    ("task", "derived", "least"),
    [
        *(
            ("mnli", one, 200)
            for one in (order_in_time, comparison, quantity, intention, looks, roles, kinds)
        ),
        ("rte", done_by_whom, 400),
        ("rte", counts, 150),
        ("rte", jobs_and_homes, 150),
    ],
)
def test_labels_follow_from_the_texts(
    task: str, derived: Callable[[str, str], int | None], least: int
) -> None:
    found = [(texts, label, derived(texts[0], texts[1])) for texts, label in labeled(task)]
    known = [(texts, label, expected) for texts, label, expected in found if expected is not None]
    assert [one for one in known if one[1] != one[2]] == []
    assert len(known) > least

"""Labels of mini-MNLI and mini-RTE, derived a second time from the texts alone."""

from __future__ import annotations

import re
from collections.abc import Callable

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


def test_order_in_time() -> None:
    seen = 0
    for (premise, hypothesis), label in labeled("mnli"):
        if not re.search(r"\b(before|after) \w+ \w+", hypothesis, re.IGNORECASE):
            continue
        told = re.sub(r"^.*?\b(?:In|in|At|at) [\w ]+, ", "", premise)
        one, two = ordered(told), ordered(hypothesis)
        assert label == (0 if one == two else 2 if one == two[::-1] else 1), (premise, hypothesis)
        seen += 1
    assert seen > 200


MORE = {word: (scale, 1) for scale in SCALES for word in scale.more} | {
    word: (scale, -1) for scale in SCALES for word in scale.less
}


def above(clause: str) -> list[tuple[object, str, str]]:
    found: list[tuple[object, str, str]] = []
    for one, word, two in re.findall(r"(\w+) is (\w+) than (\w+)", clause):
        scale, sign = MORE[word]
        found.append((scale, one, two) if sign > 0 else (scale, two, one))
    return found


def test_comparisons() -> None:
    seen = 0
    for (premise, hypothesis), label in labeled("mnli"):
        if " than " not in hypothesis:
            continue
        ((scale, high, low),) = above(hypothesis)
        order = {(one, two) for kind, one, two in above(premise) if kind == scale}
        order |= {(a, d) for a, b in order for c, d in order if b == c}
        expected = 0 if (high, low) in order else 2 if (low, high) in order else 1
        assert label == expected, (premise, hypothesis)
        seen += 1
    assert seen > 200


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


def test_quantities() -> None:
    worlds = [(a, b) for a in (0, 1) for b in (0, 1)]  # of a group of two, who has the property
    holds: dict[str, Callable[[tuple[int, int]], bool]] = {
        "all": lambda world: sum(world) == 2,
        "none": lambda world: sum(world) == 0,
        "some": lambda world: sum(world) > 0,
        "not all": lambda world: sum(world) < 2,
    }
    seen = 0
    for (premise, hypothesis), label in labeled("mnli"):
        if not re.match(r"(Not|All|Every|None|No|Some|Several) ", hypothesis):
            continue
        told, claimed = _quantity(premise), _quantity(hypothesis)
        assert told[2:] == claimed[2:]
        truths = {holds[claimed[0]](world) for world in worlds if holds[told[0]](world)}
        expected = 1 if told[1] != claimed[1] or len(truths) == 2 else 0 if truths == {True} else 2
        assert label == expected, (premise, hypothesis)
        seen += 1
    assert seen > 200


def test_intentions() -> None:
    sides = {
        canonical(verb.past)[0]: side
        for side, modes in MODES.items()
        for mode in modes
        for verb in mode.verbs
    }
    truth = {("done", True): 0, ("done", False): 2, ("not done", True): 2, ("not done", False): 0}
    seen = 0
    for (premise, hypothesis), label in labeled("mnli"):
        told = re.search(r"(\w+) to \w+ an? \w+ (?:in|at) ", premise)
        if told is None:
            continue
        side = sides[canonical(told.group(1))[0]]
        assert label == truth.get((side, "did not" not in hypothesis), 1), (premise, hypothesis)
        seen += 1
    assert seen > 200


def test_properties() -> None:
    looks = {adjective.words[0]: adjective.opposite[:1] for adjective in (*LOOKS, *COLOURS)}
    seen = 0
    for (premise, hypothesis), label in labeled("mnli"):
        claim = re.fullmatch(r"The (\w+) that .* was (not )?(\w+)\.", hypothesis)
        if claim is None:
            continue
        (claimed,) = canonical(claim.group(3))
        (told,) = (word for word in canonical(premise) if word in looks)
        known = {claimed: True, **dict.fromkeys(looks[claimed], False)}.get(told)
        expected = 1 if known is None else 0 if known != bool(claim.group(2)) else 2
        assert label == expected, (premise, hypothesis)
        seen += 1
    assert seen > 200


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


def test_roles() -> None:
    seen = 0
    dealings = {
        form for action in DEALINGS for verb in action.verbs for form in (verb.base, verb.past, verb.part)
    }
    for (premise, hypothesis), label in labeled("mnli"):
        if not dealings & set(words_in([hypothesis])) or " a" in hypothesis.split(" in ")[0].split(" at ")[0]:
            continue
        doer, done, told = dealing(premise)
        who, whom, claimed = dealing(hypothesis)
        about = (doer is None or doer == who) and (done is None or done == whom)
        expected = 1 if not about else 0 if told == claimed else 2
        assert label == expected, (premise, hypothesis)
        seen += 1
    assert seen > 200


def _within(special: str, general: str) -> bool:
    return special == general or KIND.get(special) == general


CLAUSE = re.compile(
    r"(did not )?(\w+) (nothing|something \w+|an? (?:\w+ )?\w+?)(?=,| on | in | at | last |\.)"
)


def test_kinds() -> None:
    seen = 0
    time = r"(?:on \w+day|in (?:spring|\w+er|autumn)|in the \w+ing|at (?:noon|mid\w+)|last \w+)"
    for (premise, hypothesis), label in labeled("mnli"):
        claim = re.fullmatch(rf"{WHO} (did not )?(\w+) an? (\w+) {time}\.", hypothesis)
        if claim is None or " to " in premise:
            continue
        who = claim[1].lower()
        told = CLAUSE.match(re.split(rf"(?i)\b{who} ", premise, maxsplit=1)[1])
        assert told is not None, premise
        assert BASES[told[2]] == BASES[claim[3]]
        (claimed,), noun = canonical(claim[4]), canonical(told[3])[-1]
        known: bool | None = None
        if noun == "nothing" or (told[1] and _within(claimed, noun)):
            known = False
        elif not told[1] and not told[3].startswith("something") and _within(noun, claimed):
            known = True
        expected = 1 if known is None else 0 if known != bool(claim[2]) else 2
        assert label == expected, (premise, hypothesis)
        seen += 1
    assert seen > 200


def test_what_was_done_by_whom_in_short_texts() -> None:
    seen = 0
    for (premise, hypothesis), label in labeled("rte"):
        active = re.fullmatch(rf"{WHO} (\w+) an? (\w+)\.", hypothesis)
        passive = re.fullmatch(rf"An? (\w+) was (\w+) by {WHO}\.", hypothesis)
        if " is a" in hypothesis or not (active or passive):
            continue
        who, verb, thing = active.groups() if active else passive.groups()[::-1] if passive else ("", "", "")
        supported = False
        for part in re.split(r"(?<=\.) ", premise):
            words = canonical(part)
            things = [word for word in words if word in KIND or word in KIND.values()]
            same = doer(part) == " ".join(canonical(who)) and BASES[verb] in {
                BASES.get(word) for word in words
            }
            supported |= same and any(_within(word, canonical(thing)[0]) for word in things)
        assert supported == (label == 0), (premise, hypothesis)
        seen += 1
    assert seen > 400


def test_counts() -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    seen = 0
    for (premise, hypothesis), label in labeled("rte"):
        found = re.search(r"(more|fewer) than (\w+)", hypothesis)
        if found is None:
            continue
        (count,) = (words.index(word) for word in canonical(premise) if word in words)
        limit = words.index(found.group(2))
        true = count > limit if found.group(1) == "more" else count < limit
        assert label == (0 if true else 1), (premise, hypothesis)
        seen += 1
    assert seen > 150


def test_jobs_and_homes() -> None:
    seen = 0
    for (premise, hypothesis), label in labeled("rte"):
        found = re.fullmatch(r"(\w+) (?:is an? (\w+)|comes from (\w+))\.", hypothesis)
        if found is None:
            continue
        known = {
            who: (canonical(job)[0], town)
            for who, job, town in re.findall(r"(\w+), an? (\w+) from (\w+)", premise)
        }
        job, town = known[found.group(1)]
        true = canonical(found.group(2))[0] == job if found.group(2) else found.group(3) == town
        assert label == (0 if true else 1), (premise, hypothesis)
        seen += 1
    assert seen > 150

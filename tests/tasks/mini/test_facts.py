"""Facts of the small world: how they are drawn, changed and compared."""

from __future__ import annotations

import pytest

from matekd_tasks.mini.lexicon import (
    LOOKS,
    MOODS,
    doable,
    fitting,
)
from matekd_tasks.mini.texts import facts
from matekd_tasks.mini.texts.paraphrase import overlap
from matekd_tasks.mini.world import NEWS, PLANS, Dice, Register


@pytest.mark.parametrize("register", [NEWS, PLANS], ids=lambda register: register.name)
def test_a_changed_fact_loses_a_point_for_each_part(register: Register) -> None:
    dice = Dice("test")
    for parts in (["who"], ["action"], ["look"], ["where"], ["who", "where"]):
        fact = facts.drawn(dice, register)
        other = facts.varied(fact, parts, dice, register)
        assert facts.score(fact, fact) == 5
        assert facts.score(fact, other) == 5 - len(parts)
        assert facts.sensible(other)
    fact = facts.drawn(dice, register)
    assert facts.score(fact, facts.varied(fact, ["thing"], dice, register)) in (4.0, 4.5)


def test_who_does_what_to_whom_is_exchanged() -> None:
    fact = facts.drawn(Dice("test"), NEWS, people=True)
    swapped = facts.swapped(fact)
    assert (swapped.who, swapped.thing.words) == (fact.thing.words, fact.who)
    assert facts.swapped(swapped) == fact


def test_opposite_looks_are_never_both_true() -> None:
    opposites = {adjective.words: adjective.opposite for adjective in (*LOOKS, *MOODS)}
    dice = Dice("looks")
    for _ in range(200):
        fact = facts.drawn(dice, NEWS)
        assert fact.thing in doable(fact.action)
        assert fact.look in [look.words for look in fitting(fact.thing)]
        assert opposites.get(fact.look) != fact.look


def test_overlap_is_drawn_evenly() -> None:
    scores = [overlap(Dice("even", place), NEWS)[1] for place in range(600)]
    assert all(50 <= sum(int(score) == whole for score in scores) <= 190 for whole in range(6))

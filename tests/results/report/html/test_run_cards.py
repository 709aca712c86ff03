"""The card of a run: scores, curve, cost, settings and the commands to use it."""

from __future__ import annotations

from typing import Any

from matekd_bench.results.report.html.run_cards import MAX_LETTERS, run_card
from matekd_bench.results.report.html.run_curve import HEIGHT, MARGIN, WIDTH, run_curve


def test_a_card_has_the_numbers_of_the_record(make_record: Any) -> None:
    run = make_record("eda", "rte", 3, 0.625)
    card = run_card(run, {})
    assert card.title == "eda on rte, seed 3"
    assert dict(card.groups["Scores"])["task score"] == "62.5"
    assert dict(card.groups["Cost"])["student updates"] == str(run.compute.student_updates)
    assert "auxiliary updates" not in dict(card.groups["Cost"])  # there were none
    assert dict(card.groups["Settings"])["budget"] == f"{run.budget.kind}={run.budget.limit}"
    reproduce, predict = (command.split() for command in card.commands)
    assert reproduce[:3] == ["matekd-bench", "reproduce", run.run_id]
    assert predict[:3] == ["matekd-bench", "predict", run.run_id]


def test_a_failed_run_has_a_reason_and_no_student(make_record: Any) -> None:
    card = run_card(make_record(score=None, reason="x" * 1000), {})
    assert (card.status, len(card.reason)) == ("failed", MAX_LETTERS + 1)
    assert [name for name, _ in card.groups["Scores"]] == ["teacher"]
    assert [command.split()[1] for command in card.commands] == ["reproduce"]


def test_a_curve_lies_inside_its_drawing(make_record: Any) -> None:
    run = make_record(score=0.5)
    [first] = run.curve[-1:]
    scores = (0.2, 0.4, 0.3)
    evaluations = tuple(
        first.model_copy(update={"eval": number, "update": 10 * number, "score": score})
        for number, score in enumerate(scores, start=1)
    )
    curve = run_curve(run.model_copy(update={"curve": evaluations}))
    assert curve is not None
    places = [(float(x), float(y)) for x, y, _ in curve.points]
    assert [y for _, y in places] == [HEIGHT - MARGIN, MARGIN, HEIGHT / 2]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert places[-1][0] == WIDTH - MARGIN
    assert [words for *_, words in curve.points] == ["update 10: 20.0", "update 20: 40.0", "update 30: 30.0"]
    assert curve.line.split()[1] == ",".join(curve.points[1][:2])
    assert run_curve(run.model_copy(update={"curve": ()})) is None

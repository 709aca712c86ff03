"""The record: what goes in comes out, and what is damaged is named in one line."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from matekd_bench.errors import ResultsError
from matekd_bench.results.records.run_record import EvaluationRecord, from_json, to_json


def test_a_record_survives_the_round_trip(make_record: Any) -> None:
    for record in (make_record(), make_record(score=None), make_record("eda[alpha=0.2]", "mnli", 7, -0.25)):
        text = to_json(record)
        assert from_json(text) == record
        assert to_json(from_json(text)) == text


def test_fields_without_a_value_are_not_written(make_record: Any) -> None:
    """So records that are older than these fields keep their text."""
    plain = json.loads(to_json(make_record()))
    assert "tuning" not in plain
    assert "standardization" not in plain["data"]
    assert "seed_plan" not in plain["provenance"]
    plain["data"]["standardization"] = {"mean": 2.5, "sd": 1.5}
    plain["provenance"]["seed_plan"] = {"first": 100, "count": 8}
    standardized = from_json(json.dumps(plain))
    assert json.loads(to_json(standardized)) == plain


def test_text_is_stable_whatever_the_order_of_mappings(make_record: Any) -> None:
    one = make_record(hparams={"lr": 1e-4, "batch": {"b": 1, "a": 2}})
    two = make_record(hparams={"batch": {"a": 2, "b": 1}, "lr": 1e-4})
    assert to_json(one) == to_json(two)
    assert list(json.loads(to_json(one)))[:3] == ["schema", "run_id", "status"]
    assert to_json(one).endswith("}\n")


def changed(text: str, path: str, value: Any) -> str:
    plain = json.loads(text)
    place = plain
    *parents, last = path.split(".")
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("schema", "matekd.run/9", "'matekd.run/9'"),
        ("schema", ..., "'schema'"),
        ("extra", 1, "unknown field 'extra'"),
        ("compute.extra", 1, "unknown field 'compute.extra'"),
        ("compute.train_flops", ..., "missing field 'compute.train_flops'"),
        ("perturber", ..., "missing field 'perturber'"),
        ("compute.train_flops", -1, "'compute.train_flops'"),
        ("compute.train_flops", "12", "'compute.train_flops'"),
        ("provenance.seed_plan", {"first": 0, "count": 0}, "'provenance.seed_plan.count'"),
        ("status", "fine", "'status'"),
        ("status", "failed", "reason"),
        ("task_score", None, "task score"),
        ("task_score.last", 88.4, "'task_score.last'"),
        ("task_score.last", math.nan, "NaN"),
        ("hparams.lr", math.inf, "Infinity"),
        ("run_id", "../escape", "'run_id'"),
        ("provenance.created", "yesterday", "'provenance.created'"),
    ],
)
def test_damage_is_named_in_one_line(make_record: Any, path: str, value: Any, named: str) -> None:
    with pytest.raises(ResultsError) as caught:
        from_json(changed(to_json(make_record()), path, value))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ResultsError) as caught:
        from_json(text)
    assert "\n" not in str(caught.value)


def test_a_number_too_large_for_a_float_is_refused(make_record: Any) -> None:
    text = to_json(make_record(hparams={"lr": 0.125}))
    with pytest.raises(ResultsError, match="hparams"):
        from_json(text.replace("0.125", "1e999"))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_number_of_a_record_can_be_nan(make_record: Any, bad: float) -> None:
    for change in ({"hparams": {"deep": [{"x": bad}]}}, {"diagnostics": {"x": bad}}, {"train_seconds": bad}):
        with pytest.raises(ValidationError):
            make_record(**change)
    with pytest.raises(ValidationError):
        EvaluationRecord(eval=1, update=1, score=0.5, train_loss=bad)


def test_a_correlation_may_exceed_one_by_rounding(make_record: Any) -> None:
    assert make_record(score=0.99, majority_score=1.0000000000000002).data.majority_score > 1


def test_what_is_rare_stands_in_the_text_only_where_it_says_something(make_record: Any) -> None:
    usual = make_record()
    assert "resumed" not in to_json(usual)
    assert "micro_batch" not in json.loads(to_json(usual))["compute"]
    compute = usual.compute.model_copy(update={"resumed": 2, "micro_batch": 4})
    rare = usual.model_copy(update={"compute": compute})
    assert json.loads(to_json(rare))["compute"]["resumed"] == 2
    assert from_json(to_json(rare)) == rare

"""The benchmark of the text methods runs, counts every text and says what it compares."""

from __future__ import annotations

import random
from types import ModuleType

import pytest

from scripts import script


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return script("text_methods")


def test_every_contender_is_the_method_it_is_named_for(benchmark):
    timed = benchmark.contenders(["a good film"], "embedded")
    assert {name for pair in benchmark.RATIOS for name in pair} <= set(timed)
    for name in ("eda, swap only", "nlpaug:swap"):
        assert sorted(timed[name]("one two", random.Random(1)).lower().split()) == ["one", "two"]
    for name in ("eda, delete only", "nlpaug:delete"):
        assert len(timed[name]("one two three", random.Random(1)).split()) <= 3


def test_each_text_is_perturbed_once_a_round_with_a_generator_of_its_own(benchmark):
    seen = []
    timed = {"one": lambda text, rng: seen.append((text, rng.random()))}
    speeds = benchmark.measure(timed, ["a", "b"], 3)
    assert [text for text, _ in seen] == ["a", "b"] * 3
    assert len({draw for _, draw in seen}) == 2
    assert speeds["one"] > 0


def test_the_report_gives_speeds_and_ratios(benchmark):
    speeds = {"eda": 75_000.0, "eda, swap only": 90_000.0, "eda, delete only": 80_000.0,
              "nlpaug:swap": 15_000.0, "nlpaug:delete": 20_000.0}  # fmt: skip
    shown = benchmark.report(speeds)
    said = (
        "eda  ",
        " 75,000",
        "nlpaug:swap: 6.0 times",
        "nlpaug:delete: 4.0 times",
        "50,000 wanted: 1.50 times",
    )
    assert [part for part in said if part not in shown] == []


def test_phrases_are_those_of_sst2(benchmark, shared_data, monkeypatch):
    monkeypatch.setattr(benchmark, "DATA", shared_data)
    texts = benchmark.phrases(3)
    assert len(texts) == 3
    assert all(text.strip() and "\t" not in text and text != "sentence" for text in texts)


def test_missing_data_is_said_in_one_line(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "DATA", tmp_path)
    with pytest.raises(SystemExit, match="MATEKD_BENCH_TEST_DATA"):
        benchmark.phrases(3)

"""What the records of real runs say of the text methods and of the generator's controls."""

from __future__ import annotations

from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore

STILL = "matekd[generator_lr=1e-06,generator_updates=0,student_updates=20]"
METHODS = (
    "eda[thesaurus=embedded]",
    "aeda",
    "nlpaug:swap",
    "tinybert-aug",
    "random-token",
    "frozen-generator",
    STILL,
)


@pytest.fixture(scope="module")
def records(study_options: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """One short run of each on pairs, by variant."""
    folder: Path = tmp_path_factory.mktemp("results")
    what = ("--preset", "minilm", "--methods", ",".join(METHODS), "--tasks", "rte", "--reference", "none")
    assert main(["run", *what, *study_options, "--results", str(folder)]) == 0
    return {record.identity.variant: record for record in ResultsStore(folder).records()}


def test_every_variant_has_a_record(records):
    assert set(records) == set(METHODS)


@pytest.mark.parametrize("variant", METHODS)
def test_how_much_changed_is_recorded(records, variant):
    found = records[variant].diagnostics
    unit = "words_changed" if variant in METHODS[:4] else "tokens_changed"
    assert 0 < found[unit] < 0.5
    assert 0 <= found["texts_unchanged"] < 0.5
    assert {"words_changed", "tokens_changed"} & set(found) == {unit}


@pytest.mark.parametrize("variant", METHODS)
def test_the_generators_warm_up_is_a_cost_of_those_who_use_it(records, variant):
    record = records[variant]
    uses = variant in METHODS[3:4] + METHODS[5:]
    assert (record.compute.precompute_flops > 0) == uses
    assert ("generator" in record.compute.forwards) == uses
    assert record.compute.backwards.get("generator", 0) == 0


def test_a_frozen_generator_is_matekd_without_updates(records):
    frozen, still = (
        records["frozen-generator"],
        records[STILL],
    )
    assert frozen.curve == still.curve
    assert frozen.task_score == still.task_score
    assert frozen.compute.train_flops == still.compute.train_flops
    assert (frozen.perturber.parameters > 0, frozen.perturber.trainable) == (True, 0)


def test_asking_for_candidates_costs_more_than_the_updates(records):
    asked, plain = records["tinybert-aug"].compute, records["aeda"].compute
    assert asked.forwards["student"] == plain.forwards["student"]
    assert asked.forwards["generator"] >= 1
    assert asked.train_flops > plain.train_flops

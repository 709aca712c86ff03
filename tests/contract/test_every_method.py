"""The contract for every method that comes with the suite, and further tests for these methods alone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from matekd_bench.contract import toys
from matekd_bench.plugins.host import Host
from matekd_bench.testing import Subject, check, names, subject_of
from rig import yielded

HOST = Host.load(only_builtin=True)
METHODS = sorted(name for name, provided in HOST.methods.items() if provided.record.refused is None)
# One method of each level is checked on every run, the others with `-m full`.
USUAL = {"none": "kd", "text": "eda", "token": "random-mask", "embedding": "freelb", "generator": "matekd"}
EACH = [pytest.param(name, marks=pytest.mark.full(always=name in USUAL.values())) for name in METHODS]
ROWS = [3, 17, 4, 30, 9, 1, 25, 12, 6, 8, 21, 14, 11, 2, 28, 19]


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Subject]:
    """Makes the subject of a method; `from-file` gets a file with two versions of each toy text."""
    file = tmp_path_factory.mktemp("texts") / "toys.jsonl"
    texts = dict.fromkeys(text for kind in toys.FIELDS for row in toys.toy_texts(kind) for text in row)
    lines = [{"text": text, "perturbed": [f"{text} never", f"always {text}"]} for text in texts]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    params = {"from-file": {"path": str(file), "missing": "keep"}}
    return lambda name: subject_of(HOST.method(name).record, **params.get(name, {}))


def test_every_level_has_a_method_that_is_always_checked():
    levels = {HOST.method(name).record.level for name in METHODS}
    assert {HOST.method(name).record.level: name for name in USUAL.values()} == USUAL
    assert levels == USUAL.keys()


@pytest.mark.parametrize("check_name", names())
@pytest.mark.parametrize("name", EACH)
def test_every_check_passes(name, check_name, subject):
    [result] = check(subject(name), [check_name])
    if result.state == "skipped":
        pytest.skip(result.happened)
    assert result.state == "passed", str(result)


@pytest.mark.parametrize("name", EACH)
def test_the_first_view_of_every_method_is_the_clean_batch(rig, name, subject):
    lab, tested = rig(), subject(name)
    method = tested.record.factory(tested.params, lab.context)
    batch = lab.batch(method, ROWS)
    first = yielded(lab, method, batch)[0]
    assert first.ids.equal(batch.ids)
    assert first.labels.equal(batch.labels)

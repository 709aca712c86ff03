"""The contract for every method that comes with the suite, and further tests for these methods alone."""

from __future__ import annotations

import pytest

from matekd_bench.plugins.host import Host
from matekd_bench.testing import check, names, subject_of
from rig import yielded

HOST = Host.load(only_builtin=True)
METHODS = sorted(name for name, provided in HOST.methods.items() if provided.record.refused is None)
# One method of each level is checked on every run, the others with `-m full`.
USUAL = {"none": "kd", "text": "eda", "token": "random-mask", "embedding": "freelb", "generator": "matekd"}
EACH = [pytest.param(name, marks=pytest.mark.full(always=name in USUAL.values())) for name in METHODS]
ROWS = [3, 17, 4, 30, 9, 1, 25, 12, 6, 8, 21, 14, 11, 2, 28, 19]


def test_every_level_has_a_method_that_is_always_checked():
    levels = {HOST.method(name).record.level for name in METHODS}
    assert {HOST.method(name).record.level: name for name in USUAL.values()} == USUAL
    assert levels == USUAL.keys()


@pytest.mark.parametrize("check_name", names())
@pytest.mark.parametrize("name", EACH)
def test_every_check_passes(name, check_name):
    [result] = check(subject_of(HOST.method(name).record), [check_name])
    if result.state == "skipped":
        pytest.skip(result.happened)
    assert result.state == "passed", str(result)


@pytest.mark.parametrize("name", EACH)
def test_the_first_view_of_every_method_is_the_clean_batch(rig, name):
    lab, subject = rig(), subject_of(HOST.method(name).record)
    method = subject.record.factory(subject.params, lab.context)
    batch = lab.batch(method, ROWS)
    first = yielded(lab, method, batch)[0]
    assert first.ids.equal(batch.ids)
    assert first.labels.equal(batch.labels)
